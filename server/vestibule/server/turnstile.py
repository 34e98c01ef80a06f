"""A turnstile: counts who is passing, by key, and wakes who waits for one to be through.

So a bound on outcomes holds for what runs side by side too: as many pass at once as
could all end badly without breaking it, and the rest wait for what becomes of them.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias


__all__ = ["Key", "Turnstile"]

Key: TypeAlias = str | tuple[str, str]
"""What is counted apart: an address, or a name and an address."""


class _Passing:
    """Those that pass under one key; `left` is set when one of them is through."""

    __slots__ = ("count", "left")

    def __init__(self) -> None:
        self.count = 0
        self.left = asyncio.Event()


class Turnstile:
    """Holds something for keys that somebody passes under, and for no others.

    A waiter is held by its own task alone: one that is cancelled leaves nothing. Those
    that wait go on in the order in which they came.
    """

    __slots__ = ("_passing",)

    def __init__(self) -> None:
        self._passing: Final[dict[Key, _Passing]] = {}

    def __len__(self) -> int:
        return len(self._passing)

    def passing(self, key: Key) -> int:
        """Count who passes under `key`."""
        one = self._passing.get(key)
        return 0 if one is None else one.count

    async def wait(self, key: Key) -> None:
        """Wait until one that passes under `key` is through; at once if none does."""
        one = self._passing.get(key)
        if one is not None:
            await one.left.wait()

    @contextmanager
    def under(self, *keys: Key) -> Iterator[None]:
        """Pass under `keys`, which differ, for as long as the block takes."""
        for key in keys:
            self._passing.setdefault(key, _Passing()).count += 1
        try:
            yield
        finally:
            for key in keys:
                self._through(key)

    def _through(self, key: Key) -> None:
        one = self._passing[key]
        one.count -= 1
        one.left.set()
        if one.count:
            one.left = asyncio.Event()
        else:
            del self._passing[key]
