"""Signed logins: the values of the vectors, and keys that keep to themselves."""

import copy
import pickle  # noqa: TID251 - to see it refused

import pytest

from vestibule.protocol.signatures import (
    SigningKey,
    key_login,
    ticket_login,
    verifies,
)
from wire_vectors import VECTORS


def values(section: str) -> dict[str, bytes]:
    return {
        name: value.encode() if name == "username" else bytes.fromhex(value)
        for name, value in VECTORS[section].items()
    }


KEY = values("key_login")
TICKET = values("ticket_login")


def test_w33_a_login_by_key_is_that_of_the_vectors() -> None:
    key = SigningKey(KEY["seed"])
    signed = key_login(KEY["exporter"], KEY["username"].decode())
    assert key.public == KEY["public_key"]
    assert signed == KEY["signed_bytes"]
    assert key.sign(signed) == KEY["signature"]
    assert verifies(key.public, signed, KEY["signature"])


def test_w37_a_login_by_ticket_is_that_of_the_vectors() -> None:
    key = SigningKey(TICKET["seed"])
    signed = ticket_login(TICKET["exporter"], TICKET["ticket"])
    assert key.public == TICKET["resume_key"]
    assert signed == TICKET["signed_bytes"]
    assert key.sign(signed) == TICKET["signature"]
    assert verifies(key.public, signed, TICKET["signature"])


def test_d108_a_signature_is_for_one_connection_one_purpose_and_one_name() -> None:
    key, signature = KEY["public_key"], KEY["signature"]
    for signed in (
        key_login(bytes(32), "lisa"),
        key_login(KEY["exporter"], "lisb"),
        ticket_login(KEY["exporter"], b"lisa"),
    ):
        assert not verifies(key, signed, signature)


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_a_changed_bit_verifies_nothing(place: int) -> None:
    signature = bytearray(KEY["signature"])
    signature[place] ^= 1
    assert not verifies(KEY["public_key"], KEY["signed_bytes"], bytes(signature))


@pytest.mark.parametrize(
    "public",
    [
        bytes(32),
        b"\x01" + bytes(31),
        b"\xff" * 32,
        (2**255 - 19).to_bytes(32, "little"),
        b"short",
    ],
)
def test_keys_of_small_order_and_what_is_none_verify_nothing(public: bytes) -> None:
    # With the neutral element as the key and as R, 0 is a signature of everything.
    forged = b"\x01" + bytes(63)
    assert not verifies(public, b"anything", forged)
    assert not verifies(public, b"anything", bytes(64))


def test_a_signature_of_another_length_is_none() -> None:
    assert not verifies(KEY["public_key"], KEY["signed_bytes"], b"")


def test_a_key_has_one_text_form() -> None:
    key = SigningKey.generate()
    text = key.secret_text()
    assert text.startswith("vsu1_")
    assert len(text) == 48
    assert SigningKey.parse(text).public == key.public
    for wrong in (text[:-1], text + "=", "vss1_" + text[5:], ""):
        with pytest.raises(ValueError, match="key") as caught:
            SigningKey.parse(wrong)
        assert text[5:20] not in str(caught.value)


def test_a_signing_key_is_not_shown_copied_or_pickled() -> None:
    key = SigningKey.generate()
    assert repr(key) == str(key) == "SigningKey(...)"
    for spread in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            spread(key)
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(bytes(31))
