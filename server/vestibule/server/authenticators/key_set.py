"""A JSON Web Key Set read from its URL: kept, renewed, and never more often than said.

Tokens decide nothing about where keys come from. What a token can cause is one
reading of the configured URL in `refresh_interval`, however many tokens come
(docs/authentication.md, "JSON Web Tokens").
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from vestibule.server.authenticators.web_keys import (
    InvalidKeySet,
    WebKey,
    keys_of_set,
)
from vestibule.server.config_authenticators import Jwt
from vestibule.server.outgoing import NoAnswer, Outgoing, Response
from vestibule.server.tasks import Tasks


__all__ = ["KeySet"]

_MOST_BYTES: Final = 256 * 1024
"""A set of a hundred keys with their certificates is less."""

_MOST_OF_ONE_ID: Final = 4
_OK: Final = 200

log = structlog.get_logger("vestibule.login")


class KeySet:
    """The keys of `jwt.keys_url`, as they were read last.

    `clock` counts seconds. Keys that could not be renewed serve until they are `stale`.
    """

    def __init__(
        self,
        settings: Jwt,
        outgoing: Outgoing,
        *,
        tasks: Tasks,
        clock: Callable[[], float],
    ) -> None:
        self._url: Final = settings.keys_url or ""
        self._settings: Final = settings
        self._algorithms: Final = frozenset[str](settings.algorithms)
        self._outgoing: Final = outgoing
        self._tasks: Final = tasks
        self._clock: Final = clock
        self._keys: tuple[WebKey, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the first reading, before any token comes."""
        self._renew()

    async def close(self) -> None:
        """Close the connections that keys were read by."""
        await self._outgoing.close()

    async def candidates(
        self, algorithm: str, key_id: str | None
    ) -> tuple[WebKey, ...]:
        """Give the keys of that id; without one the only key of the algorithm."""
        age = self._age()
        if age is None or age >= self._settings.cache:
            self._renew()
        if age is None or age >= self._settings.stale:
            await self._wait()
        found = self._choose(algorithm, key_id)
        if not found and key_id is not None:
            # The issuer may have changed its keys.
            self._renew()
            await self._wait()
            found = self._choose(algorithm, key_id)
        return found

    def _choose(self, algorithm: str, key_id: str | None) -> tuple[WebKey, ...]:
        age = self._age()
        if age is None or age >= self._settings.stale:
            return ()
        fit = [key for key in self._keys if algorithm in key.algorithms]
        if key_id is None:
            return tuple(fit) if len(fit) == 1 else ()
        return tuple(key for key in fit if key.id == key_id)[:_MOST_OF_ONE_ID]

    def _age(self) -> float | None:
        return None if self._read_at is None else self._clock() - self._read_at

    def _renew(self) -> None:
        """Begin a reading, unless one is under way or was begun a short time ago."""
        now = self._clock()
        if self._reading is not None or (
            self._tried_at is not None
            and now - self._tried_at < self._settings.refresh_interval
        ):
            return
        self._tried_at = now
        self._reading = self._tasks.start(self._read(), name="key set")

    async def _wait(self) -> None:
        if self._reading is not None:
            # Whoever waits may leave; the reading goes on for the others.
            await asyncio.wait({self._reading})

    def _taken(self, response: Response) -> tuple[WebKey, ...]:
        if response.status != _OK:
            raise NoAnswer(f"HTTP status {response.status}")
        return keys_of_set(response.body, self._algorithms)

    async def _read(self) -> None:
        begun = self._clock()
        try:
            response = await self._outgoing.get(
                self._url, seconds=self._settings.timeout, most_bytes=_MOST_BYTES
            )
            self._keys = self._taken(response)
            self._read_at = begun
            log.info("key_set.read", keys=len(self._keys))
        except (NoAnswer, InvalidKeySet) as problem:
            log.warning("key_set.failed", problem=str(problem))
        finally:
            self._reading = None
