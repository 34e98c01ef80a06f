"""Lines on their way to the table: a bounded queue between the event loop and a thread.

What strangers and users can make many of, refusals, is bounded and counted where it
goes past the bound. Deeds (changes, admissions, ends, commands) are kept: who does one
waits for room, or for the disk.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias


__all__ = ["Entry", "Settled", "Share", "Waiting"]

_REFUSALS: Final = ("message_denied", "login_refused", "answer_refused")
"""Kinds with a bound each: a flood of one leaves the other's lines alone."""


class Settled:
    """Tells a waiting coroutine, from the thread, that its lines are written."""

    __slots__ = ("_future", "_loop", "target")

    def __init__(self, target: int) -> None:
        self.target: Final = target
        """How many lines were put before it."""
        self._loop: Final = asyncio.get_running_loop()
        self._future: Final[asyncio.Future[None]] = self._loop.create_future()

    async def wait(self) -> None:
        """Wait until `tell` was called."""
        await self._future

    def tell(self) -> None:
        """Wake the waiter, from any thread."""
        # A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done)

    def _done(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


Entry: TypeAlias = tuple[float, str, Mapping[str, Any]]
"""When, which kind, what."""


class Share:
    """What one kind of refusal, or all deeds, may have waiting.

    `put` and `lost` are written by the loop's thread, `taken` by the writer's alone.
    """

    __slots__ = ("lost", "most", "put", "taken", "told")

    def __init__(self, most: int) -> None:
        self.most: Final = most
        self.put = 0
        self.taken = 0
        self.lost = 0
        self.told = 0
        """Of the lost, those that a line has told of; the writer's."""

    @property
    def full(self) -> bool:
        """Whether its bound is reached."""
        return self.put - self.taken >= self.most


class Waiting:
    """The queue. `put` belongs to the loop's thread, `take` to the writer's."""

    def __init__(
        self,
        most: int,
        *,
        on_lost: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.shares: Final = {kind: Share(most) for kind in _REFUSALS}
        self.deeds: Final = Share(most)
        self.no_refusals = False
        """Set by the writer while the table has no room for more of them."""
        self.failing = False
        """Set by the writer while nothing can be written."""
        self._entries: Final[deque[Entry]] = deque()
        self._put = 0
        self._handled = 0
        self._settling: Final[deque[Settled]] = deque()
        self._lock: Final = threading.Lock()
        """Of `_settling` and `_handled`."""
        self._on_lost: Final = on_lost
        self._clock: Final = clock
        self._idle = True
        self._closed = False
        self._wake: Final = threading.Event()
        self._hurry: Final = threading.Event()

    def put(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Take a line on; its fields are not changed afterwards.

        Cheap, and never waits: a refusal that has no place is counted. So is a deed
        while the disk fails; otherwise deeds have a place (`full`).
        """
        share = self.shares.get(kind)
        if share is None:
            share = self.deeds
            no_place = share.put - share.taken >= share.most and self.failing
        else:
            no_place = share.put - share.taken >= share.most or self.no_refusals
        if no_place:
            share.lost += 1
            self._on_lost()
            return
        share.put += 1
        self._put += 1
        self._entries.append((self._clock(), kind, fields))
        if self._idle:
            self._idle = False
            self._wake.set()

    def settle(self) -> Settled:
        """Give what is told once everything before it is written, or has failed."""
        settled = Settled(self._put)
        with self._lock:
            # While nothing can be written, nobody waits for the next attempt.
            if settled.target <= self._handled or self.failing:
                settled.tell()
            else:
                self._settling.append(settled)
        self._hurry.set()
        self._wake.set()
        return settled

    @property
    def full(self) -> bool:
        """Whether whoever wants to do something should wait first."""
        return self.deeds.full

    def take(self, most: int, *, gather: float) -> list[Entry]:
        """Give what waits, in order; empty once it was closed and nothing is left.

        Waits until there is something, and then `gather` seconds for more, unless
        somebody waits for it to be written.
        """
        while True:
            if not self._entries and not self._closed:
                self._idle = True
                # One that came between the look and the flag has seen the flag down.
                if not self._entries:
                    self._wake.wait()
                self._wake.clear()
                self._idle = False
                self._hurry.wait(gather)
            self._hurry.clear()
            batch: list[Entry] = []
            while self._entries and len(batch) < most:
                batch.append(self._entries.popleft())
            if batch or self._closed:
                return batch

    def written(self, batch: list[Entry]) -> None:
        """Make room for as many as a batch held, and tell whoever waited for them."""
        for _, kind, _ in batch:
            self.shares.get(kind, self.deeds).taken += 1
        with self._lock:
            self._handled += len(batch)
            while self._settling and self._settling[0].target <= self._handled:
                self._settling.popleft().tell()

    def failed(self) -> None:
        """Tell everybody who waits: whether to go on is decided elsewhere."""
        with self._lock:
            self.failing = True
            while self._settling:
                self._settling.popleft().tell()

    def pause(self, seconds: float) -> None:
        """Let the writer wait before it tries again; a close ends that."""
        self._hurry.clear()
        if not self._closed:
            self._hurry.wait(seconds)

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

    def close(self) -> None:
        """Let the writer finish what waits, and no more."""
        self._closed = True
        self._wake.set()
        self._hurry.set()

    def abandon(self, left: int) -> None:
        """Count what could not be written at the end."""
        for _ in range(left):
            self._on_lost()
