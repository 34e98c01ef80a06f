"""Many deadlines for one timer: over, late, moved."""

import asyncio
from collections.abc import Callable
from typing import Any

from vestibule.server.deadlines import Deadlines


class Thing:
    def __init__(self, due: float) -> None:
        self.due = due
        self.over = False
        self.told: list[float] = []
        self.was_late = asyncio.Event()

    def late(self) -> None:
        self.told.append(asyncio.get_running_loop().time())
        self.was_late.set()


async def test_what_is_not_over_in_time_is_late_once_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    began = loop.time()
    things = [Thing(began + 0.03), Thing(began + 0.01), Thing(began + 0.02)]
    for thing in things:
        deadlines.watch(thing)
    for thing in things:
        await asyncio.wait_for(thing.was_late.wait(), 1)
    for thing in things:
        (told,) = thing.told
        assert told >= thing.due - 0.001
    assert len(deadlines) == 0


async def test_what_is_over_is_never_late_and_is_forgotten() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    done, last = Thing(loop.time()), Thing(loop.time() + 0.01)
    done.over = True
    deadlines.watch(done)
    deadlines.watch(last)
    await asyncio.wait_for(last.was_late.wait(), 1)
    assert done.told == []
    assert len(deadlines) == 0


async def test_a_deadline_may_move_later_while_it_is_watched() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    thing = Thing(loop.time() + 0.01)
    deadlines.watch(thing)
    thing.due = moved = loop.time() + 0.04
    await asyncio.wait_for(thing.was_late.wait(), 1)
    assert thing.told[0] >= moved - 0.001


class Again(Thing):
    """Is watched anew whenever it is late."""

    def __init__(self, due: float, deadlines: Deadlines, times: int) -> None:
        super().__init__(due)
        self.deadlines = deadlines
        self.times = times

    def late(self) -> None:
        self.told.append(self.due)
        if len(self.told) == self.times:
            self.was_late.set()
        else:
            self.deadlines.watch(self)


class CountingLoop:
    """Tells the time, and keeps every timer that is set."""

    def __init__(self) -> None:
        self.timers: list[asyncio.TimerHandle] = []
        self.time = asyncio.get_running_loop().time

    def call_at(self, when: float, look: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append(asyncio.get_running_loop().call_at(when, look))
        return self.timers[-1]

    def still_set(self) -> int:
        now = self.time()
        return sum(not one.cancelled() and one.when() > now for one in self.timers)


async def test_what_is_watched_anew_when_it_is_late_leaves_one_timer() -> None:
    loop: Any = CountingLoop()
    deadlines = Deadlines(loop)
    again = Again(loop.time(), deadlines, times=10)
    deadlines.watch(Thing(loop.time() + 60))
    deadlines.watch(again)
    await asyncio.wait_for(again.was_late.wait(), 1)
    assert loop.still_set() == 1
    deadlines.close()
    assert loop.still_set() == 0


async def test_closing_watches_nothing_any_more() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    thing = Thing(loop.time())
    deadlines.watch(thing)
    deadlines.close()
    await asyncio.sleep(0.01)
    assert thing.told == []
