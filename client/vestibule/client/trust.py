"""Whether a server key is accepted, why, and what is remembered of it."""

import logging
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final, Self

from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import HandshakeFailed
from vestibule.client.known_brokers import KnownBrokers, default_path
from vestibule.protocol.crypto import fingerprint, fingerprint_text
from vestibule.protocol.errors import ErrorCode


__all__ = ["Source", "Trust"]

log = logging.getLogger("vestibule.client")


class Source(Enum):
    """Why a key is accepted."""

    PINNED = "pinned"
    """The application named it."""
    KNOWN = "known"
    """It stands in the known-brokers file."""
    FIRST_USE = "first use"
    """Nobody has seen this endpoint before: whatever key it has."""


class Trust:
    """What a connection believes of its broker's key. Narrows, and never widens.

    `keys` are the accepted ones; on first use there is none until `settle`.
    """

    __slots__ = ("_file", "_lenient", "_settled", "endpoint", "keys", "source")

    def __init__(
        self,
        endpoint: Endpoint,
        source: Source,
        keys: Sequence[bytes] = (),
        *,
        file: KnownBrokers | None = None,
        lenient: bool = False,
    ) -> None:
        self.endpoint: Final = endpoint
        self.source: Final = source
        self.keys = tuple(keys)
        self._file = file
        self._lenient = lenient
        self._settled = False

    @classmethod
    def pinned(cls, endpoint: Endpoint, keys: Sequence[bytes]) -> Self:
        """Accept exactly `keys`, of which there is at least one."""
        return cls(endpoint, Source.PINNED, keys)

    @classmethod
    def looked_up(
        cls, endpoint: Endpoint, file: Path | None, *, first_use: bool
    ) -> Self:
        """Accept what the known-brokers file says; without a word there, first use.

        `file` is the one that the application named. Without it endpoints on loopback
        are neither looked up nor written. Reads the file: call it outside the loop.

        Raises:
            HandshakeFailed: KNOWN_BROKERS_INVALID; SERVER_KEY_UNKNOWN where first use
                is not allowed.
        """
        lenient = endpoint.loopback and file is None
        known = None if lenient else KnownBrokers(file or default_path())
        keys = () if known is None else known.keys(endpoint)
        if keys:
            return cls(endpoint, Source.KNOWN, keys, file=known)
        if not first_use:
            raise HandshakeFailed(
                ErrorCode.SERVER_KEY_UNKNOWN,
                f"no key of {endpoint.text} is known: name it as server_key",
                {"endpoint": endpoint.text},
            )
        return cls(endpoint, Source.FIRST_USE, file=known, lenient=lenient)

    @property
    def hint(self) -> bytes:
        """The fingerprint that the hello carries; zeros if no key is known."""
        return fingerprint(self.keys[0]) if self.keys else bytes(16)

    @property
    def plain_allowed(self) -> bool:
        """Whether a password may be shown to whoever holds the key."""
        return self.source is not Source.FIRST_USE or self._lenient

    @property
    def writes(self) -> bool:
        """Whether `admitted` may write a file."""
        return self._file is not None

    def accepts(self, key: bytes) -> bool:
        """Whether a server with this key may be talked to."""
        return key in self.keys or (
            self.source is Source.FIRST_USE and not self._settled
        )

    def settle(self, key: bytes) -> None:
        """Note the key of the first connection: from now on only it is accepted."""
        self.keys = (key,)
        self._settled = True

    def admitted(self, key: bytes, offered: Sequence[bytes]) -> None:
        """Note that a login at a broker with `key` succeeded and what keys it has.

        `offered` is the broker's list; one that does not hold its own key is ignored.
        Writes the known-brokers file if that is where the trust comes from: call it
        outside the loop. Failing to write is logged; the connection goes on.
        """
        keys = tuple(offered)
        if key not in keys:
            if keys:
                log.warning("server_keys.ignored", extra=self._place())
            keys = (key,)
        self.keys = keys
        if self._file is None:
            return
        try:
            done = self._file.write(self.endpoint, keys, own=key)
        except (OSError, HandshakeFailed) as problem:
            log.warning(
                "known_brokers.not_written",
                extra={**self._place(), "exception": type(problem).__name__},
            )
            return
        if not done:
            log.warning("known_brokers.other_key", extra=self._place())

    def _place(self) -> dict[str, str]:
        return {"endpoint": self.endpoint.text}

    def refusal(self, key: bytes) -> HandshakeFailed:
        """Make the error for a key that is not accepted, with both fingerprints."""
        expected = [fingerprint_text(known) for known in self.keys]
        received = fingerprint_text(key)
        return HandshakeFailed(
            ErrorCode.SERVER_KEY_CHANGED,
            f"{self.endpoint.text} has the key {received},"
            f" expected was {' or '.join(expected)}",
            {
                "endpoint": self.endpoint.text,
                "received": received,
                "expected": expected,
            },
        )
