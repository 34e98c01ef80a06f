from typing import Any

import pytest
from msgspec import Raw

from vestibule.protocol.errors import FramingError
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.logins import (
    MAX_AUTH_DATA_BYTES,
    read_answer,
    read_challenge,
    read_login,
    read_proof,
)
from vestibule.protocol.reserved import (
    Login,
    LoginAnswered,
    LoginAsked,
    LoginProof,
)
from wire import batch


B16, B32, B64 = bytes(16), bytes(32), bytes(64)
LIMITS = WireLimits()

GOOD: dict[str, dict[str, Any]] = {
    "plain": {"auth_data": {"username": "lisa", "more": [1, {"a": b"x"}]}},
    "scram": {"username": "lisa", "client_nonce": B32},
    "key": {"username": "lisa", "public_key": B32, "signature": B64},
    "ticket": {"ticket": B32, "signature": B64},
}


def read(scheme: str, fields: object) -> dict[str, Any]:
    return read_login(Login(1, scheme, Raw(batch(fields))), LIMITS)


@pytest.mark.parametrize(("scheme", "fields"), GOOD.items())
def test_the_fields_of_a_scheme_are_read_and_unknown_ones_passed_over(
    scheme: str, fields: dict[str, Any]
) -> None:
    assert read(scheme, fields) == fields
    assert read(scheme, {**fields, "later": [1]}) == fields
    assert read(scheme, {**fields, "resume_key": B32}) == {**fields, "resume_key": B32}
    if scheme != "plain":
        more = {"properties": {"a": "b"}, "info": {"c": 1}}
        assert read(scheme, {**fields, **more}) == {**fields, **more}


@pytest.mark.parametrize(("scheme", "fields"), GOOD.items())
def test_a_field_that_is_missing_or_of_another_type_ends_the_connection(
    scheme: str, fields: dict[str, Any]
) -> None:
    for name in fields:
        with pytest.raises(FramingError):
            read(scheme, {key: value for key, value in fields.items() if key != name})
        others: list[object] = [None, 5, B16, [], True]
        others.append(b"x" if name == "username" else "text")
        for other in others:
            with pytest.raises(FramingError):
                read(scheme, {**fields, name: other})
    with pytest.raises(FramingError):
        read(scheme, {**fields, "resume_key": B16})
    for not_a_map in ([], None, 5, "text", [["auth_data", {}]]):
        with pytest.raises(FramingError):
            read(scheme, not_a_map)


def test_the_fields_of_an_unknown_scheme_are_left_out() -> None:
    assert read("oauth", {"whatever": 1}) == {}
    with pytest.raises(FramingError):
        read("oauth", [])


def test_login_data_has_at_most_16_kib_as_it_was_sent() -> None:
    fits = {"p": "x" * (MAX_AUTH_DATA_BYTES - 6)}
    assert len(batch(fits)) == MAX_AUTH_DATA_BYTES
    assert read("plain", {"auth_data": fits}) == {"auth_data": fits}
    with pytest.raises(FramingError, match="too long"):
        read("plain", {"auth_data": {"p": "x" * (MAX_AUTH_DATA_BYTES - 5)}})


def test_proofs_challenges_and_answers_have_their_fields() -> None:
    proof = {"proof": B32}
    assert read_proof(LoginProof(1, Raw(batch(proof))), LIMITS) == proof
    asked = {"server_nonce": B32, "salt": B16, "opslimit": 2, "memlimit": 2**26}
    assert read_challenge(LoginAsked(1, Raw(batch(asked))), LIMITS) == asked
    answer: dict[str, Any] = {
        "username": "lisa",
        "client_data": {"any": [b"thing"]},
        "token": None,
        "insecure": ["encryption_off"],
    }
    assert read_answer(LoginAnswered(1, Raw(batch(answer))), LIMITS) == answer
    ticket = {"ticket": B32, "ticket_ttl_ms": 5, "server_signature": B32}
    whole = {**answer, **ticket}
    assert read_answer(LoginAnswered(1, Raw(batch(whole))), LIMITS) == whole
    for bad in ({}, {"proof": B16}, {"proof": "x" * 32}):
        with pytest.raises(FramingError):
            read_proof(LoginProof(1, Raw(batch(bad))), LIMITS)
    for name in asked:
        with pytest.raises(FramingError):
            read_challenge(LoginAsked(1, Raw(batch({**asked, name: "x"}))), LIMITS)
    for name in ("username", "token", "insecure"):
        with pytest.raises(FramingError):
            read_answer(LoginAnswered(1, Raw(batch({**answer, name: 5}))), LIMITS)
