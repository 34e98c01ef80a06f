"""The two hellos and the clear greeting, byte by byte (docs/protocol.md, "Hellos").

Reading refuses whatever writing does not make: each hello has one form.
"""

import struct
from dataclasses import dataclass
from typing import Final

from vestibule.protocol.boxes import BOX_OVERHEAD
from vestibule.protocol.crypto import check_public_key
from vestibule.protocol.errors import (
    CloseCode,
    InvalidClientHello,
    InvalidServerHello,
)
from vestibule.protocol.limits import WireLimits


__all__ = [
    "CLEAR_GREETING_BYTES",
    "CLIENT_HELLO_BYTES",
    "HINT_BYTES",
    "PROOF_BYTES",
    "SESSION_ID_BYTES",
    "SUITE",
    "VERSION",
    "ClearGreeting",
    "ClientHello",
    "ServerHello",
    "choose",
]

CLIENT_HELLO_BYTES: Final = 512
"""Padded to this, so that no answer is longer than its question."""

HINT_BYTES: Final = 16
SESSION_ID_BYTES: Final = 16

PROOF_BYTES: Final = len(b"finished") + 32 + BOX_OVERHEAD

VERSION: Final = 1
"""The only version so far."""

SUITE: Final = "x25519-xsalsa20poly1305-blake2b"
"""The only suite so far."""

_MAGIC: Final = b"VSTB"
_CLIENT, _SERVER, _CLEAR = 1, 2, 3
_MAX_VERSIONS: Final = 16
_MAX_SUITES: Final = 8
_MAX_SUITE_CHARACTERS: Final = 64

_CLIENT_HEAD: Final = struct.Struct(f">4sBB32s{HINT_BYTES}s")
_SERVER_HEAD: Final = struct.Struct(f">4sBBH32s32s{SESSION_ID_BYTES}s6IB")
_GREETING: Final = struct.Struct(f">4sBBH{SESSION_ID_BYTES}s6I")

CLEAR_GREETING_BYTES: Final = _GREETING.size


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """What a client offers. `ephemeral` is the public half of its key."""

    ephemeral: bytes
    hint: bytes
    versions: tuple[int, ...] = (VERSION,)
    suites: tuple[str, ...] = (SUITE,)

    def encode(self) -> bytes:
        """Give the 512 bytes."""
        parts = [
            _CLIENT_HEAD.pack(_MAGIC, _CLIENT, 0, self.ephemeral, self.hint),
            bytes((len(self.versions),)),
            *(version.to_bytes(2, "big") for version in self.versions),
            bytes((len(self.suites),)),
            *(_counted(suite) for suite in self.suites),
        ]
        return b"".join(parts).ljust(CLIENT_HELLO_BYTES, b"\0")

    @classmethod
    def decode(cls, data: bytes) -> "ClientHello":
        """Read the first message of a client.

        Raises:
            InvalidClientHello: PROTOCOL_ERROR, for any byte that the layout does not allow.
        """
        try:
            return cls._decode(data)
        except (ValueError, IndexError, struct.error) as error:
            raise InvalidClientHello(CloseCode.PROTOCOL_ERROR, str(error)) from None

    @classmethod
    def _decode(cls, data: bytes) -> "ClientHello":
        if len(data) != CLIENT_HELLO_BYTES:
            raise ValueError("a ClientHello of another length")
        magic, kind, flags, ephemeral, hint = _CLIENT_HEAD.unpack_from(data)
        if magic != _MAGIC or kind != _CLIENT or flags:
            raise ValueError("not a ClientHello")
        check_public_key(ephemeral)
        at = _CLIENT_HEAD.size
        count = data[at]
        if not 1 <= count <= _MAX_VERSIONS:
            raise ValueError("no versions, or too many")
        end = at + 1 + 2 * count
        versions = struct.unpack(f">{count}H", data[at + 1 : end])
        if 0 in versions or len(set(versions)) != count:
            raise ValueError("version zero, or one twice")
        count = data[end]
        if not 1 <= count <= _MAX_SUITES:
            raise ValueError("no suites, or too many")
        at = end + 1
        suites: list[str] = []
        for _ in range(count):
            suite = _suite(data, at)
            suites.append(suite)
            at += 1 + len(suite)
        if len(set(suites)) != count:
            raise ValueError("a suite twice")
        if data.count(0, at) != len(data) - at:
            raise ValueError("padding that is not zero")
        return cls(
            ephemeral=ephemeral, hint=hint, versions=versions, suites=tuple(suites)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHello:
    """What a server chose. `encode` leaves out the proof, which is made from it."""

    version: int
    suite: str
    ephemeral: bytes
    identity: bytes
    session_id: bytes
    limits: WireLimits

    def encode(self) -> bytes:
        """Give the hello without the proof."""
        suite = _counted(self.suite)
        head = _SERVER_HEAD.pack(
            _MAGIC,
            _SERVER,
            0,
            self.version,
            self.ephemeral,
            self.identity,
            self.session_id,
            *_announced(self.limits),
            suite[0],
        )
        return head + suite[1:]

    @classmethod
    def decode(cls, data: bytes, offered: ClientHello) -> "ServerHello":
        """Read a ServerHello, but for its proof: the last 56 bytes of `data`.

        Raises:
            InvalidServerHello: for any byte that the layout does not allow, and for a
                version or suite that was not `offered`.
        """
        try:
            hello = cls._decode(data)
        except (ValueError, IndexError, struct.error) as error:
            raise InvalidServerHello(str(error)) from None
        if hello.version not in offered.versions or hello.suite not in offered.suites:
            problem = "a version or suite that was not offered"
            raise InvalidServerHello(problem)
        return hello

    @classmethod
    def _decode(cls, data: bytes) -> "ServerHello":
        fields = _SERVER_HEAD.unpack_from(data)
        magic, kind, flags, version, ephemeral, identity, session_id = fields[:7]
        if magic != _MAGIC or kind != _SERVER or flags:
            raise ValueError("not a ServerHello")
        suite = _suite(data, _SERVER_HEAD.size - 1)
        if len(data) != _SERVER_HEAD.size + len(suite) + PROOF_BYTES:
            raise ValueError("a ServerHello of another length")
        check_public_key(ephemeral)
        check_public_key(identity)
        return cls(
            version=version,
            suite=suite,
            ephemeral=ephemeral,
            identity=identity,
            session_id=session_id,
            limits=_limits(fields[7:13]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearGreeting:
    """What a server without encryption says first."""

    session_id: bytes
    limits: WireLimits

    def encode(self) -> bytes:
        """Give the 48 bytes."""
        limits = _announced(self.limits)
        return _GREETING.pack(_MAGIC, _CLEAR, 0, VERSION, self.session_id, *limits)

    @classmethod
    def decode(cls, data: bytes) -> "ClearGreeting":
        """Read it.

        Raises:
            InvalidServerHello: it is no such greeting.
        """
        try:
            return cls._decode(data)
        except (ValueError, struct.error) as error:
            raise InvalidServerHello(str(error)) from None

    @classmethod
    def _decode(cls, data: bytes) -> "ClearGreeting":
        fields = _GREETING.unpack(data)
        magic, kind, flags, version, session_id = fields[:5]
        if (magic, kind, flags, version) != (_MAGIC, _CLEAR, 0, VERSION):
            raise ValueError("not a greeting of this version")
        return cls(session_id=session_id, limits=_limits(fields[5:]))


def choose(offered: ClientHello) -> tuple[int, str]:
    """Choose a version and a suite from what a client offers.

    Raises:
        InvalidClientHello: NO_COMMON_VERSION.
    """
    if VERSION not in offered.versions or SUITE not in offered.suites:
        raise InvalidClientHello(
            CloseCode.NO_COMMON_VERSION, "no common version or suite"
        )
    return VERSION, SUITE


def _counted(suite: str) -> bytes:
    return bytes((len(suite),)) + suite.encode("ascii")


def _suite(data: bytes, at: int) -> str:
    """Read a counted suite name; a name that is cut off is no name."""
    size = data[at]
    name = data[at + 1 : at + 1 + size]
    if not 1 <= size <= _MAX_SUITE_CHARACTERS or len(name) != size:
        raise ValueError("a suite name of another length")
    # 0x21 to 0x7E: visible ASCII.
    if not all(0x21 <= character <= 0x7E for character in name):  # noqa: PLR2004 - bytes of the format
        raise ValueError("a suite name with another character")
    return name.decode("ascii")


def _announced(limits: WireLimits) -> tuple[int, ...]:
    """Give the six limits that travel, in their order."""
    return (
        limits.quarantine_message_bytes,
        limits.message_bytes,
        limits.batch_messages,
        limits.quarantine_timeout_ms,
        limits.login_attempts,
        limits.heartbeat_ms,
    )


def _limits(announced: tuple[int, ...]) -> WireLimits:
    """Take the six limits as announced; `WireLimits` refuses what makes no sense."""
    quarantine, message, batch, timeout, attempts, heartbeat = announced
    return WireLimits(
        quarantine_message_bytes=quarantine,
        message_bytes=message,
        batch_messages=batch,
        quarantine_timeout_ms=timeout,
        login_attempts=attempts,
        heartbeat_ms=heartbeat,
    )
