"""Users whose time runs out while they are connected: told like a change."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from vestibule.server.directory.engine import DirectoryChange, Engine


__all__ = ["ExpiryWatch"]

_LONGEST: Final = 60.0
"""Seconds between two looks at the wall clock, which may have been set."""


class ExpiryWatch:
    """Has listeners told when a user expires. `close` must be awaited at the end."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._pending: dict[str, int] = {}
        """Users who will expire, and when."""
        self._moved: Final = asyncio.Event()
        self._note(engine.policy.model.users)
        engine.on_change(self._changed)
        loop = asyncio.get_running_loop()
        self._task: Final = loop.create_task(self._watch(), name="user expiry")

    async def close(self) -> None:
        """Stop watching."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _changed(self, change: DirectoryChange) -> None:
        self._note(change.users)
        self._moved.set()

    def _note(self, names: Iterable[str]) -> None:
        now = self._engine.now()
        for name in names:
            user = self._engine.policy.model.users.get(name)
            if user is None or user.expires is None or user.expires <= now:
                self._pending.pop(name, None)
            else:
                self._pending[name] = user.expires

    async def _watch(self) -> None:
        while True:
            self._moved.clear()
            now = self._engine.now()
            due = [name for name, at in self._pending.items() if at <= now]
            for name in due:
                del self._pending[name]
            if due:
                await self._engine.tell_expired(frozenset(due))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._left(now)):
                    await self._moved.wait()

    def _left(self, now: int) -> float | None:
        """Give the seconds until the next look, None for never."""
        if not self._pending:
            return None
        return min((min(self._pending.values()) - now) / 1000, _LONGEST)
