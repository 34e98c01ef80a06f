"""Logins, by scheme: what they say, kept so that nothing can print it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vestibule.client.errors import HandshakeFailed, LoginRefused
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody


__all__ = [
    "Accepted",
    "Login",
    "Opening",
    "PlainLogin",
    "encoded",
    "unbound",
    "unproven",
]


class Opening:
    """One login on one connection, from its fields to the check of its answer.

    `fields` are those of the login message.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields: Final = fields

    async def prove(self, challenge: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the broker's challenge: the fields of the proof.

        Raises:
            HandshakeFailed: SERVER_PROOF_INVALID, for a challenge that no broker makes.
        """
        del challenge
        raise unproven("a challenge to a login that has none")

    def check(self, answer: Mapping[str, Any]) -> None:
        """Check what the broker proves in the fields of `login_accepted`.

        Raises:
            HandshakeFailed: SERVER_PROOF_INVALID.
        """
        del answer


class Login(ABC):
    """What to log in with, as often as it takes. Neither `repr` nor an error shows it."""

    __slots__ = ()

    scheme = ""
    shows_secret = False
    """Whether the broker can read what proves it: not for one that nobody knows."""
    proves_broker = False
    """Whether an accepted login has proved that the broker knows the secret already."""

    @abstractmethod
    def open(self, exporter: bytes | None) -> Opening:
        """Begin on a connection; `exporter` names it, None without encryption.

        Raises:
            LoginRefused: SCHEME_NOT_AVAILABLE, where it cannot be bound to the
                connection.
        """

    def with_password(self, password: str) -> "Login":
        """Give the same login with another password, itself if it has none."""
        del password
        return self

    def with_token(self, token: str) -> "Login":
        """Give the same login with another session token, itself if it has none."""
        del token
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class PlainLogin(Login):
    """Login data as they are, for whatever authenticators the broker has."""

    __slots__ = ("_data",)

    scheme = "plain"
    shows_secret = True

    def __init__(self, auth_data: Any) -> None:
        """Keep a copy of `auth_data`, whatever the application makes of its own.

        Raises:
            TypeError: data that no message can carry.
        """
        self._data: Final = encoded({} if auth_data is None else auth_data)

    def open(self, exporter: bytes | None) -> Opening:
        """Give the data as they are, on whatever connection."""
        del exporter
        return Opening({"auth_data": decode_body(self._data)})

    def with_password(self, password: str) -> Login:
        """Put another password in the place of one, if there is one."""
        data = decode_body(self._data)
        if not (isinstance(data, dict) and "password" in data):
            return self
        return PlainLogin({**data, "password": password})

    def with_token(self, token: str) -> Login:
        """Put another token in the place of one, if there is one."""
        data = decode_body(self._data)
        if not (isinstance(data, dict) and "token" in data):
            return self
        return PlainLogin({**data, "token": token})


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the broker said when it admitted."""

    username: str
    client_data: Any
    token: str | None = field(repr=False)
    insecure: tuple[str, ...]
    broker: str
    """The broker's name, the first segment of every method's path."""
    ticket: bytes | None = field(default=None, repr=False)
    """Good for one login that takes up the session, if there was one to be had."""
    ticket_ttl: float = 0.0
    """Seconds for which it is good once the connection is gone."""

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "Accepted":
        """Read the fields of `login_accepted`; the core has checked the required."""
        token = fields.get("token")
        return cls(
            username=str(fields.get("username", "")),
            client_data=fields.get("client_data"),
            token=token if isinstance(token, str) else None,
            insecure=tuple(str(name) for name in fields.get("insecure") or ()),
            broker=str(fields.get("broker", "vestibule")),
            ticket=fields.get("ticket"),
            ticket_ttl=fields.get("ticket_ttl_ms", 0) / 1000,
        )


def unproven(problem: str) -> HandshakeFailed:
    """Make the error for a broker that does not know what it should."""
    return HandshakeFailed(ErrorCode.SERVER_PROOF_INVALID, problem)


def encoded(value: Any) -> bytes:
    """Encode what an application logs in with.

    Raises:
        TypeError: a value that no message can carry; it is not shown.
    """
    try:
        return bytes(encode_body(value))
    except InvalidBody:
        # The cause would show the value in a traceback.
        raise TypeError("login data hold a value that cannot be sent") from None


def unbound() -> LoginRefused:
    """Make the error of a login that needs a connection with encryption."""
    return LoginRefused(
        ErrorCode.SCHEME_NOT_AVAILABLE,
        "without encryption there are plain logins only",
    )
