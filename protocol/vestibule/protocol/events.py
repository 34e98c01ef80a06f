"""What happened on a connection: the values that the protocol core hands to its owner.

They are structs because one is made for each record. What may hold a secret is not
shown by `repr`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from vestibule.protocol.errors import CloseCode, EndReason, ErrorCode
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import AnyNotice, AnyRequest


__all__ = [
    "ByeReceived",
    "ByeSaid",
    "Ended",
    "Event",
    "HandshakeCompleted",
    "HandshakeRefused",
    "LoginAccepted",
    "LoginChallenged",
    "LoginProofReceived",
    "LoginReceived",
    "LoginRefusedReceived",
    "Malformed",
    "Noticed",
    "Received",
    "ServerKeysReceived",
]


class _Event(msgspec.Struct, frozen=True):
    """The base of events."""


class _Secretive(_Event, frozen=True):
    """The base of events with fields that no log may show."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    # What rich and pytest would print instead.
    def __rich_repr__(self) -> Any:
        yield "..."


class Malformed(_Event, frozen=True):
    """A message that is not handled, in its place among the others.

    `id` is its request id if it wants an answer and the id could be read, else 0.
    `call` is the call or request that it names, if it is an answer, else 0.
    """

    id: int
    code: ErrorCode
    tag: int
    call: int = 0


# At the responder.


class LoginReceived(_Secretive, frozen=True):
    """A well-formed login, the attempt number `attempt` of its connection.

    Obligation: `admit`, `refuse` or `challenge`. Until then the core reads nothing.
    Guarantee: `fields` holds the known fields of a known scheme, with their types.
    """

    id: int
    scheme: str
    fields: dict[str, Any]
    attempt: int


class LoginProofReceived(_Secretive, frozen=True):
    """The proof that answers a challenge. Obligation: as for `LoginReceived`."""

    id: int
    fields: dict[str, Any]


class Received(_Event, frozen=True):
    """The messages of one record of an admitted client, in their order."""

    messages: Sequence[AnyRequest | Malformed]


# At the initiator.


class HandshakeCompleted(_Event, frozen=True):
    """The server has proved its key (None without encryption); a login may follow."""

    session_id: str
    server_key: bytes | None
    limits: WireLimits


class HandshakeRefused(_Event, frozen=True):
    """This end refuses the ServerHello; `Ended` follows. `server_key` is what it said."""

    code: ErrorCode
    problem: str
    server_key: bytes | None


class LoginChallenged(_Secretive, frozen=True):
    """The server wants a proof. Obligation: `prove`, or `bye`."""

    id: int
    fields: dict[str, Any]


class LoginAccepted(_Secretive, frozen=True):
    """The login succeeded; the connection is admitted."""

    id: int
    fields: dict[str, Any]


class LoginRefusedReceived(_Event, frozen=True):
    """The login was refused; another one may be tried unless the end follows."""

    id: int
    code: str
    reason: str
    details: dict[str, Any]


class ServerKeysReceived(_Event, frozen=True):
    """All identity keys that the broker answers with, the current one first."""

    keys: tuple[bytes, ...]


class Noticed(_Event, frozen=True):
    """The messages of one record of the broker, in their order.

    Bodies are not checked: `codec.decode_body` tells whoever reads one.
    """

    messages: Sequence[AnyNotice | Malformed]


# The end, at both.


class ByeReceived(_Event, frozen=True):
    """The other end said bye first. `Ended` follows in the same list."""

    code: int
    reason: EndReason
    retry_after_ms: int


class ByeSaid(_Event, frozen=True):
    """This end's core said bye by itself; no message is read any more.

    Obligation: send `outgoing()` and re-arm the timer. `Ended` follows, when the other
    end has answered or a second later.
    """

    code: CloseCode
    reason: EndReason
    problem: str


class Ended(_Event, frozen=True):
    """The connection is over: the last event, once.

    Obligation: send `outgoing()`, in which a bye may be left, then close the WebSocket
    with `close_code` and no reason, or with `drop` abort the transport. `problem` is a
    constant for the log, empty where nothing went wrong.
    """

    close_code: int | None
    reason: EndReason
    drop: bool = False
    problem: str = ""


Event: TypeAlias = (
    LoginReceived
    | LoginProofReceived
    | Received
    | HandshakeCompleted
    | HandshakeRefused
    | LoginChallenged
    | LoginAccepted
    | LoginRefusedReceived
    | ServerKeysReceived
    | Noticed
    | ByeReceived
    | ByeSaid
    | Ended
)
"""Whatever `receive`, `tick` and the answers to a login give."""
