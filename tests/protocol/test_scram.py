"""SCRAM: every value is that of the vectors; what differs in anything proves nothing."""

from dataclasses import replace
from typing import Any

import pytest

from vestibule.protocol.scram import (
    MEMLIMITS,
    OPSLIMITS,
    PasswordKeys,
    ScramExchange,
    canonical_password,
    password_keys,
)
from wire_vectors import VECTORS


V: dict[str, Any] = {
    name: bytes.fromhex(value)
    if isinstance(value, str)
    and name not in ("username", "password", "unknown_username")
    else value
    for name, value in VECTORS["scram"].items()
}

EXCHANGE = ScramExchange(
    username=V["username"],
    client_nonce=V["client_nonce"],
    server_nonce=V["server_nonce"],
    salt=V["salt"],
    opslimit=V["opslimit"],
    memlimit=V["memlimit"],
    exporter=V["exporter"],
)


@pytest.fixture(scope="module")
def keys() -> PasswordKeys:
    password = canonical_password(V["password"])
    return password_keys(password, V["salt"], V["opslimit"], V["memlimit"])


def test_w30_every_value_is_that_of_the_vectors(keys: PasswordKeys) -> None:
    assert keys.stored_key == V["stored_key"]
    assert keys.server_key == V["server_key"]
    assert EXCHANGE.auth_message == V["auth_message"]
    assert EXCHANGE.proof(keys) == V["proof"]
    assert EXCHANGE.server_signature(V["server_key"]) == V["server_signature"]


def test_each_end_verifies_the_other(keys: PasswordKeys) -> None:
    assert EXCHANGE.proves(V["proof"], V["stored_key"])
    assert EXCHANGE.signed(V["server_signature"], keys)


@pytest.mark.parametrize(
    "changed",
    [
        {"username": "lisb"},
        {"client_nonce": bytes(32)},
        {"server_nonce": bytes(32)},
        {"salt": bytes(16)},
        {"opslimit": 3},
        {"memlimit": 19922945},
        {"exporter": bytes(32)},
    ],
    ids=lambda changed: str(*changed),
)
def test_a_proof_of_another_exchange_proves_nothing(
    keys: PasswordKeys, changed: dict[str, Any]
) -> None:
    other = replace(EXCHANGE, **changed)
    assert not other.proves(V["proof"], V["stored_key"])
    assert not other.signed(V["server_signature"], keys)


def test_a_changed_bit_proves_nothing(keys: PasswordKeys) -> None:
    for place in (0, 31):
        proof = bytearray(V["proof"])
        proof[place] ^= 1
        assert not EXCHANGE.proves(bytes(proof), V["stored_key"])
        signature = bytearray(V["server_signature"])
        signature[place] ^= 1
        assert not EXCHANGE.signed(bytes(signature), keys)


@pytest.mark.parametrize("signature", [None, "text", b"", b"short"])
def test_what_is_no_signature_is_a_wrong_one(
    keys: PasswordKeys, signature: object
) -> None:
    assert not EXCHANGE.signed(signature, keys)


def test_what_the_server_keeps_proves_nothing() -> None:
    stolen = PasswordKeys(V["stored_key"], V["stored_key"], V["server_key"])
    assert not EXCHANGE.proves(EXCHANGE.proof(stolen), V["stored_key"])


def test_a_client_takes_no_cost_that_is_too_low_or_too_high() -> None:
    assert (1 in OPSLIMITS, 10 in OPSLIMITS) == (True, True)
    assert (0 in OPSLIMITS, 11 in OPSLIMITS) == (False, False)
    assert (19 * 2**20 in MEMLIMITS, 2**30 in MEMLIMITS) == (True, True)
    assert (19 * 2**20 - 1 in MEMLIMITS, 2**30 + 1 in MEMLIMITS) == (False, False)


def test_nothing_secret_is_shown(keys: PasswordKeys) -> None:
    assert repr(keys) == "PasswordKeys(...)"
    assert repr(EXCHANGE) == "ScramExchange(...)"
