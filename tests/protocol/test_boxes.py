import threading
from collections.abc import Callable
from typing import Any

import pytest
from nacl.bindings import crypto_box_afternm

from vestibule.protocol.boxes import (
    BOX_OVERHEAD,
    bound_ciphers,
    direct_ciphers,
    open_box,
    seal_box,
)
from vestibule.protocol.errors import BadRecord, CloseCode


KEY = bytes(range(32))
NONCE = bytes(range(24))
SIZES = (0, 1, 15, 16, 17, 1000, 65_536, 1_048_576, 1_048_577, 2_000_000)


@pytest.mark.parametrize("size", SIZES)
def test_both_ways_to_the_cipher_give_the_same_box(size: int) -> None:
    batch = b"v" * size
    seal, unseal = direct_ciphers()
    bound_seal, bound_unseal = bound_ciphers()
    box = seal(batch, NONCE, KEY)
    assert box == bound_seal(batch, NONCE, KEY) == crypto_box_afternm(batch, NONCE, KEY)
    assert len(box) == size + BOX_OVERHEAD
    assert unseal(box, NONCE, KEY) == bound_unseal(box, NONCE, KEY) == batch


@pytest.mark.parametrize("ciphers", [direct_ciphers, bound_ciphers])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 40])
def test_w16_what_is_no_box_is_a_bad_record(
    ciphers: Callable[[], Any], size: int
) -> None:
    _, unseal = ciphers()
    with pytest.raises(BadRecord) as refusal:
        unseal(bytes(size), NONCE, KEY)
    assert refusal.value.code is CloseCode.BAD_RECORD


def test_a_long_box_leaves_nothing_in_a_short_one() -> None:
    seal_box(b"secret" * 1000, NONCE, KEY)
    short = seal_box(b"x", NONCE, KEY)
    assert len(short) == 1 + BOX_OVERHEAD
    assert open_box(short, NONCE, KEY) == b"x"


def test_threads_do_not_share_a_buffer() -> None:
    # libsodium runs without the GIL: with one buffer the boxes would mix.
    failures: list[int] = []

    def work(number: int) -> None:
        batch = bytes([number]) * 100_000
        expected = crypto_box_afternm(batch, NONCE, KEY)
        boxes = [seal_box(batch, NONCE, KEY) for _ in range(30)]
        failures.extend(number for box in boxes if box != expected)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
