"""The messages with tags 0 to 15: padding, keys, the end, the login, signs of life.

They are the wire's own. Those from tag 16 on are in `messages`.
"""

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Raw

from vestibule.protocol.messages import Message


__all__ = [
    "FIRST_MESSAGE_TAG",
    "AnyReserved",
    "Bye",
    "Login",
    "LoginAnswered",
    "LoginAsked",
    "LoginProof",
    "LoginRefusal",
    "Pad",
    "Ping",
    "Pong",
    "Rekey",
    "ServerKeys",
    "Tag",
]


class Tag(IntEnum):
    """The reserved tags that this version uses; the rest below 16 are kept."""

    PAD = 0
    REKEY = 1
    BYE = 2
    LOGIN = 3
    LOGIN_CHALLENGE = 4
    LOGIN_PROOF = 5
    LOGIN_ACCEPTED = 6
    LOGIN_REFUSED = 7
    SERVER_KEYS = 8
    PING = 9
    PONG = 10


FIRST_MESSAGE_TAG: Final = 16
"""From here on tags belong to `messages`."""

_Key: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class Pad(Message, tag=int(Tag.PAD), frozen=True):
    """Bytes that mean nothing: they hide the length of a login."""

    filling: bytes


class Rekey(Message, tag=int(Tag.REKEY), frozen=True):
    """The sender's direction goes on with the next key after this record."""


class Bye(Message, tag=int(Tag.BYE), frozen=True):
    """The sender's direction ends with this record.

    `retry_after_ms` is a hint to a client that reconnects, 0 for none.
    """

    code: int
    reason: str
    retry_after_ms: int


class Login(Message, tag=int(Tag.LOGIN), frozen=True):
    """A client asks to be admitted; `logins` knows the fields of each scheme."""

    id: int
    scheme: str
    fields: Raw


class LoginAsked(Message, tag=int(Tag.LOGIN_CHALLENGE), frozen=True):
    """The challenge: the server asks for the proof of a login."""

    id: int
    fields: Raw


class LoginProof(Message, tag=int(Tag.LOGIN_PROOF), frozen=True):
    """The proof that a challenge asked for; `id` is that of the login."""

    id: int
    fields: Raw


class LoginAnswered(Message, tag=int(Tag.LOGIN_ACCEPTED), frozen=True):
    """The login succeeded."""

    id: int
    fields: Raw


class LoginRefusal(Message, tag=int(Tag.LOGIN_REFUSED), frozen=True):
    """The login was refused; `details` is a map."""

    id: int
    code: str
    reason: str
    details: Raw


class ServerKeys(Message, tag=int(Tag.SERVER_KEYS), frozen=True):
    """All identity keys that the broker answers with, the current one first."""

    keys: Annotated[list[_Key], msgspec.Meta(min_length=1, max_length=4)]


class Ping(Message, tag=int(Tag.PING), frozen=True):
    """Asks for a `Pong` of the same number."""

    number: int


class Pong(Message, tag=int(Tag.PONG), frozen=True):
    """Answers a `Ping`."""

    number: int


AnyReserved: TypeAlias = (
    Pad
    | Rekey
    | Bye
    | Login
    | LoginAsked
    | LoginProof
    | LoginAnswered
    | LoginRefusal
    | ServerKeys
    | Ping
    | Pong
)
"""What may stand in a record besides the messages from tag 16 on."""
