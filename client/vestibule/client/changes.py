"""Notices that a change of the directory changed what the session may do."""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from vestibule.client.errors import SessionClosed


__all__ = ["Change", "ChangeStream"]

_BUFFER: Final = 1_000
"""Notices that wait to be read; of more the oldest go, which `gaps` tells."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change after which the session may do something else than before."""

    epoch: int
    """Grows from change to change."""
    kinds: tuple[str, ...]
    """Names of the directory events that it emits: `upsert-group`, `link-group`, …"""


class Teller(Protocol):
    """Who tells streams of changes."""

    def enter(self, stream: "ChangeStream") -> None:
        """Tell a stream of changes from now on.

        Raises:
            SessionClosed: the session is over.
        """

    def leave(self, stream: "ChangeStream") -> None:
        """Tell a stream of nothing more."""


class ChangeStream:
    """Changes as they come: `async with … as changes: async for change in changes`.

    `session.security.changes` makes it. The iterator ends quietly when the block or
    the session is closed here, and raises SessionClosed when it ended otherwise.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller: Final = teller
        self._buffer: Final[deque[Change]] = deque()
        self._arrived: Final = asyncio.Event()
        self._entered = False
        self._over = False
        self._reason: str | None = None
        self.gaps = 0
        """How often notices may have been missed: reconnections, a full buffer."""

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a stream of changes is entered once")
        self._entered = True
        self._teller.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._buffer.clear()
        self.finish(None)
        self._teller.leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while not self._buffer:
            if self._over:
                if self._reason is None:
                    raise StopAsyncIteration
                raise SessionClosed(self._reason)
            self._arrived.clear()
            await self._arrived.wait()
        return self._buffer.popleft()

    # What its teller says. Nothing of it waits or raises.

    def deliver(self, change: Change) -> None:
        """Take a notice."""
        if len(self._buffer) >= _BUFFER:
            self._buffer.popleft()
            self.gaps += 1
        self._buffer.append(change)
        self._arrived.set()

    def finish(self, reason: str | None) -> None:
        """End, quietly or because the session is over."""
        if not self._over:
            self._over = True
            self._reason = reason
            self._arrived.set()
