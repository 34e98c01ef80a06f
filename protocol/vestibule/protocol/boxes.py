"""Seal and open one NaCl box: the only place that calls the cipher.

`crypto_box_afternm` of `nacl.bindings` copies the message behind a zero prefix, makes a
new C array for each result and slices it again. Calling libsodium's `easy` form through
PyNaCl's own cffi module, with one output buffer a thread, saves a microsecond of three
(docs/decisions/libsodium-without-the-bindings.md). That module is private, so the
public bindings stay as the other way; both give the same bytes, which a test compares.
"""

import importlib
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from nacl.bindings import crypto_box_afternm, crypto_box_open_afternm
from nacl.exceptions import CryptoError

from vestibule.protocol.errors import BadRecord


__all__ = ["BOX_OVERHEAD", "KEY_BYTES", "NONCE_BYTES", "Cipher", "open_box", "seal_box"]

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 24

BOX_OVERHEAD: Final = 16
"""Bytes by which a box is longer than its content: the Poly1305 tag in front."""

_SCRATCH_BYTES: Final = 1_048_576 + BOX_OVERHEAD
"""Output buffer of a thread: the default `message_bytes`. Pages are touched as needed;
longer boxes get a buffer of their own."""

Cipher: TypeAlias = Callable[[bytes, bytes, bytes], bytes]
"""Takes a batch or box, a nonce of 24 bytes and a key of 32, all of them `bytes`.

Sealing gives 16 bytes of Poly1305 tag, then the XSalsa20 ciphertext. Opening gives back
what was sealed with the same nonce and key, and raises `BadRecord` for anything else;
why is not told: there is one answer.
"""


def bound_ciphers() -> tuple[Cipher, Cipher]:
    """Give `seal` and `open` by way of the public bindings."""

    def unseal(box: bytes, nonce: bytes, key: bytes) -> bytes:
        if len(box) < BOX_OVERHEAD:
            raise BadRecord(len(box))
        try:
            return crypto_box_open_afternm(box, nonce, key)
        except CryptoError:
            # The cause is dropped: its text says nothing that the size does not.
            raise BadRecord(len(box)) from None

    return crypto_box_afternm, unseal


def direct_ciphers() -> tuple[Cipher, Cipher]:
    """Give `seal` and `open` by way of PyNaCl's cffi module.

    The callers guarantee what C does not check: `bytes` objects, and the exact lengths
    of nonce and key.

    Raises:
        ImportError, AttributeError: this PyNaCl has another shape.
    """
    sodium = importlib.import_module("nacl._sodium")
    seal_easy = sodium.lib.crypto_box_easy_afternm
    open_easy = sodium.lib.crypto_box_open_easy_afternm
    # Clearing would touch every page, and libsodium writes each byte that is read.
    new = sodium.ffi.new_allocator(should_clear_after_alloc=False)
    view = sodium.ffi.buffer
    array = sodium.ffi.typeof("unsigned char[]")

    # libsodium runs without the GIL, so threads must not share the buffer.
    class Scratch(threading.local):
        def __init__(self) -> None:
            self.buffer: Any = new(array, _SCRATCH_BYTES)

    scratch = Scratch()

    def seal(batch: bytes, nonce: bytes, key: bytes) -> bytes:
        size = len(batch)
        sealed = size + BOX_OVERHEAD
        out = scratch.buffer if sealed <= _SCRATCH_BYTES else new(array, sealed)
        seal_easy(out, batch, size, nonce, key)
        box: bytes = view(out, sealed)[:]
        return box

    def unseal(box: bytes, nonce: bytes, key: bytes) -> bytes:
        sealed = len(box)
        if sealed < BOX_OVERHEAD:
            raise BadRecord(sealed)
        out = scratch.buffer if sealed <= _SCRATCH_BYTES else new(array, sealed)
        if open_easy(out, box, sealed, nonce, key):
            raise BadRecord(sealed)
        batch: bytes = view(out, sealed - BOX_OVERHEAD)[:]
        return batch

    return seal, unseal


def _ciphers() -> tuple[Cipher, Cipher]:
    try:
        return direct_ciphers()
    except (ImportError, AttributeError):
        return bound_ciphers()


# Not wrapped: a call costs a twentieth of a small box.
seal_box, open_box = _ciphers()
