"""The fields of logins, their proofs and their answers, by scheme.

A reader ignores keys that it does not know; a required one that is missing, or one of a
wrong type, ends the connection (docs/protocol.md, "Login").
"""

from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from vestibule.protocol.errors import FramingError, InvalidBody
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.reserved import (
    Login,
    LoginAnswered,
    LoginAsked,
    LoginProof,
    LoginRefusal,
)
from vestibule.protocol.values import DECODE_ERRORS, decode_value


__all__ = [
    "MAX_AUTH_DATA_BYTES",
    "Scheme",
    "read_answer",
    "read_challenge",
    "read_login",
    "read_proof",
    "read_refusal",
]

MAX_AUTH_DATA_BYTES: Final = 16_384
"""Credentials in a map, encoded: a token of 8 KiB and a few names."""


class Scheme(StrEnum):
    """How a client proves who it is. Another scheme is refused as not available."""

    PLAIN = "plain"
    SCRAM = "scram"
    KEY = "key"
    TICKET = "ticket"


_Bytes32: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Bytes64: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
_Map: TypeAlias = dict[str, Any]


class _Fields(msgspec.Struct, frozen=True, omit_defaults=True):
    """The base of field maps: unknown keys are passed over."""


class _PlainFields(_Fields, frozen=True):
    auth_data: Raw
    resume_key: _Bytes32 | UnsetType = UNSET


class _ScramFields(_Fields, frozen=True):
    username: str
    client_nonce: _Bytes32
    resume_key: _Bytes32 | UnsetType = UNSET
    properties: _Map | UnsetType = UNSET
    info: _Map | UnsetType = UNSET


class _KeyFields(_Fields, frozen=True):
    username: str
    public_key: _Bytes32
    signature: _Bytes64
    resume_key: _Bytes32 | UnsetType = UNSET
    properties: _Map | UnsetType = UNSET
    info: _Map | UnsetType = UNSET


class _TicketFields(_Fields, frozen=True):
    ticket: _Bytes32
    signature: _Bytes64
    resume_key: _Bytes32 | UnsetType = UNSET
    properties: _Map | UnsetType = UNSET
    info: _Map | UnsetType = UNSET


class _ProofFields(_Fields, frozen=True):
    proof: _Bytes32


class _ChallengeFields(_Fields, frozen=True):
    server_nonce: _Bytes32
    salt: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    opslimit: int
    memlimit: int


class _AnswerFields(_Fields, frozen=True):
    username: str
    client_data: Any
    token: str | None
    insecure: list[str]
    broker: str | UnsetType = UNSET
    server_signature: _Bytes32 | UnsetType = UNSET
    ticket: _Bytes32 | UnsetType = UNSET
    ticket_ttl_ms: int | UnsetType = UNSET


_OF_SCHEME: Final[dict[str, type[_Fields]]] = {
    Scheme.PLAIN: _PlainFields,
    Scheme.SCRAM: _ScramFields,
    Scheme.KEY: _KeyFields,
    Scheme.TICKET: _TicketFields,
}

T = TypeVar("T", bound=_Fields)


def read_login(login: Login, limits: WireLimits) -> dict[str, Any]:
    """Read the fields of a login; those of an unknown scheme are left out.

    Raises:
        FramingError: they are not those of the scheme, or break the value rules.
    """
    # The message and its map of fields are two containers, and auth_data lies in them.
    whole = _map(login.fields, limits)
    kind = _OF_SCHEME.get(login.scheme)
    if kind is None:
        return {}
    fields = _known(login.fields, kind)
    if isinstance(fields.get("auth_data"), Raw):
        auth_data = whole["auth_data"]
        if not isinstance(auth_data, dict):
            raise FramingError("auth_data that is no map")
        if len(memoryview(fields["auth_data"])) > MAX_AUTH_DATA_BYTES:
            raise FramingError("auth_data that is too long")
        fields["auth_data"] = auth_data
    return fields


def read_proof(proof: LoginProof, limits: WireLimits) -> dict[str, Any]:
    """Read the fields of a proof.

    Raises:
        FramingError: as `read_login`.
    """
    _map(proof.fields, limits)
    return _known(proof.fields, _ProofFields)


def read_challenge(challenge: LoginAsked, limits: WireLimits) -> dict[str, Any]:
    """Read the fields of a challenge, at the client.

    Raises:
        FramingError: as `read_login`.
    """
    _map(challenge.fields, limits)
    return _known(challenge.fields, _ChallengeFields)


def read_answer(answer: LoginAnswered, limits: WireLimits) -> dict[str, Any]:
    """Read the fields of an accepted login, at the client.

    Raises:
        FramingError: as `read_login`.
    """
    _map(answer.fields, limits)
    return _known(answer.fields, _AnswerFields)


def read_refusal(refusal: LoginRefusal, limits: WireLimits) -> dict[str, Any]:
    """Read the details of a refused login, at the client.

    Raises:
        FramingError: they are no map, or break the value rules.
    """
    return _map(refusal.details, limits)


def _map(fields: Raw, limits: WireLimits) -> dict[str, Any]:
    """Decode a map under the value rules; the message around it is one container."""
    try:
        value = decode_value(fields, limits.data_depth - 1, limits.data_nodes)
    except InvalidBody as error:
        raise FramingError(str(error)) from None
    if not isinstance(value, dict):
        raise FramingError("fields that are no map")
    return value


def _known(fields: Raw, kind: type[_Fields]) -> dict[str, Any]:
    try:
        known = msgspec.msgpack.decode(fields, type=kind)
    except DECODE_ERRORS:
        raise FramingError("login fields that are missing or of a wrong type") from None
    given = msgspec.structs.asdict(known)
    return {name: value for name, value in given.items() if value is not UNSET}
