"""The logins that are bound to their connection: by SCRAM, by key, by resume ticket."""

import asyncio
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from nacl import signing
from nacl.bindings import randombytes

from vestibule.client.login import (
    Login,
    Opening,
    PlainLogin,
    encoded,
    unbound,
    unproven,
)
from vestibule.protocol.codec import decode_body
from vestibule.protocol.scram import (
    MEMLIMITS,
    NONCE_BYTES,
    OPSLIMITS,
    PasswordKeys,
    ScramExchange,
    canonical_password,
    password_keys,
)
from vestibule.protocol.signatures import SigningKey, key_login, ticket_login


__all__ = ["KeyLogin", "ScramLogin", "TicketLogin", "login_of", "signing_key_of"]

_TOLD: Final = ("properties", "info")
"""What login data may say besides who it is, in every scheme."""


def login_of(auth_data: Any, *, scram: bool = False) -> Login:
    """Choose the scheme: `key` for data with a signing key, `scram` if asked for.

    Raises:
        TypeError: data that no message can carry, a key that is none, or data without
            what the scheme needs. No value is shown.
    """
    if isinstance(auth_data, Mapping) and "signing_key" in auth_data:
        # Such a key is never shown to a broker, not even to one that would take it
        # for plain login data.
        return KeyLogin(auth_data)
    return ScramLogin(auth_data) if scram else PlainLogin(auth_data)


def signing_key_of(value: object) -> SigningKey:
    """Read a signing key: 32 bytes of seed, its text `vsu1_…`, or PyNaCl's object.

    Raises:
        TypeError: it is none; no value is shown.
    """
    try:
        match value:
            case SigningKey():
                return value
            case signing.SigningKey():
                return SigningKey(bytes(value))
            case bytes() | bytearray():
                return SigningKey(bytes(value))
            case str():
                return SigningKey.parse(value.strip())
            case _:
                pass
    except ValueError:
        pass
    raise TypeError("signing_key is an Ed25519 key: 32 bytes, or the text vsu1_…")


class KeyLogin(Login):
    """Signs the connection with a user's Ed25519 key."""

    __slots__ = ("_key", "_told", "_username")

    scheme = "key"

    def __init__(self, auth_data: Mapping[str, Any]) -> None:
        self._username: Final = _text(auth_data, "username", "a login by key")
        self._key: Final = signing_key_of(auth_data["signing_key"])
        self._told: Final = _told(auth_data)

    def open(self, exporter: bytes | None) -> Opening:
        """Sign, or prepare to prove, over the exporter; see `Login.open`."""
        if exporter is None:
            raise unbound()
        key, username = self._key, self._username
        return Opening(
            {
                "username": username,
                "public_key": key.public,
                "signature": key.sign(key_login(exporter, username)),
                **decode_body(self._told),
            }
        )


class TicketLogin(Login):
    """Presents a resume ticket, signed by the key that it was given to."""

    __slots__ = ("_key", "_ticket", "_told")

    scheme = "ticket"

    def __init__(
        self, ticket: bytes, key: SigningKey, told: Mapping[str, Any] | None = None
    ) -> None:
        self._ticket: Final = ticket
        self._key: Final = key
        self._told: Final = _told(told or {})

    def open(self, exporter: bytes | None) -> Opening:
        """Sign, or prepare to prove, over the exporter; see `Login.open`."""
        if exporter is None:
            raise unbound()
        return Opening(
            {
                "ticket": self._ticket,
                "signature": self._key.sign(ticket_login(exporter, self._ticket)),
                **decode_body(self._told),
            }
        )


class ScramLogin(Login):
    """Proves a password without showing it, and has the broker prove that it knows it."""

    __slots__ = ("_password", "_told", "_username")

    scheme = "scram"
    proves_broker = True

    def __init__(self, auth_data: Any) -> None:
        if not isinstance(auth_data, Mapping):
            raise TypeError("a SCRAM login needs username and password")
        self._username: Final = _text(auth_data, "username", "a SCRAM login")
        password = auth_data.get("password")
        if not isinstance(password, str):
            raise TypeError("a SCRAM login needs a password that is a str")
        self._password: Final = canonical_password(password)
        self._told: Final = _told(auth_data)

    def open(self, exporter: bytes | None) -> Opening:
        """Sign, or prepare to prove, over the exporter; see `Login.open`."""
        if exporter is None:
            raise unbound()
        told = decode_body(self._told)
        return _ScramOpening(self._username, self._password, exporter, told)

    def with_password(self, password: str) -> Login:
        """Give the same login with another password."""
        told = decode_body(self._told)
        return ScramLogin({"username": self._username, "password": password, **told})


class _ScramOpening(Opening):
    """The client's side of one SCRAM exchange."""

    __slots__ = ("_exchange", "_exporter", "_keys", "_nonce", "_password", "_username")

    def __init__(
        self, username: str, password: bytes, exporter: bytes, told: dict[str, Any]
    ) -> None:
        self._username: Final = username
        self._password: Final = password
        self._exporter: Final = exporter
        self._nonce: Final = randombytes(NONCE_BYTES)
        self._exchange: ScramExchange | None = None
        self._keys: PasswordKeys | None = None
        super().__init__({"username": username, "client_nonce": self._nonce, **told})

    async def prove(self, challenge: Mapping[str, Any]) -> dict[str, Any]:
        """Hash the password as the broker asks, if any broker asks so, and prove it."""
        opslimit, memlimit = challenge["opslimit"], challenge["memlimit"]
        # Before anything is computed: what asks may be no broker at all.
        if opslimit not in OPSLIMITS or memlimit not in MEMLIMITS:
            raise unproven("the broker asks for a hash of another cost than any has")
        if self._exchange is not None:
            raise unproven("a second challenge to one login")
        self._exchange = ScramExchange(
            username=self._username,
            client_nonce=self._nonce,
            server_nonce=challenge["server_nonce"],
            salt=challenge["salt"],
            opslimit=opslimit,
            memlimit=memlimit,
            exporter=self._exporter,
        )
        # In a thread: it is slow on purpose.
        self._keys = await asyncio.to_thread(
            password_keys, self._password, self._exchange.salt, opslimit, memlimit
        )
        return {"proof": self._exchange.proof(self._keys)}

    def check(self, answer: Mapping[str, Any]) -> None:
        """Check that the broker has proved that it knows the password."""
        exchange, keys = self._exchange, self._keys
        if exchange is None or keys is None:
            raise unproven("the broker admits without having asked for a proof")
        if not exchange.signed(answer.get("server_signature"), keys):
            raise unproven("the broker has not proved that it knows the password")


def _text(auth_data: Mapping[str, Any], name: str, what: str) -> str:
    value = auth_data.get(name)
    if not isinstance(value, str):
        raise TypeError(f"{what} needs a {name} that is a str")
    encoded(value)  # what is no text cannot be sent
    return unicodedata.normalize("NFC", value)


def _told(auth_data: Mapping[str, Any]) -> bytes:
    """Give what is told besides, encoded: a copy that no application changes.

    Raises:
        TypeError: it cannot be sent, or is no mapping.
    """
    told = {key: auth_data[key] for key in _TOLD if auth_data.get(key) is not None}
    if not all(isinstance(value, Mapping) for value in told.values()):
        raise TypeError("properties and info are mappings")
    return encoded({key: dict(value) for key, value in told.items()})
