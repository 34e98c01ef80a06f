"""The inbox: order, answers past the rest, turns, bounds."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from vestibule.protocol import messages
from vestibule.server.inbox import Inbox, InboxLimits
from vestibule.server.tasks import Tasks
from vestibule.server.turns import Turns


class FakeSession:
    id = "00" * 16
    ended = False


class FakeRouter:
    """Notes what it handles; names in `slow` wait for their event, `end` ends."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.slow: dict[str, asyncio.Event] = {}

    def handle(self, session: Any, message: Any) -> Awaitable[None] | None:
        if isinstance(message, messages.Respond):
            self.handled.append(f"answer {message.call}")
            return None
        self.handled.append(message.name)
        if message.name == "end":
            session.ended = True
        waiting = self.slow.get(message.name)
        return None if waiting is None else self.wait(waiting)

    async def wait(self, waiting: asyncio.Event) -> None:
        await waiting.wait()


class Reading:
    def __init__(self) -> None:
        self.paused = 0
        self.resumed = 0

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.resumed += 1


def publish(name: str, number: int = 1) -> messages.Publish:
    return messages.Publish(number, name, messages.NIL)


def inbox(router: FakeRouter, reading: Reading, tasks: Tasks, **limits: Any) -> Inbox:
    settings: dict[str, Any] = {
        "turn_messages": 256,
        "waiting_messages": 4,
        "waiting_bytes": 1_000,
        "per_second": None,
        **limits,
    }
    session: Any = FakeSession()
    fake: Any = router
    return Inbox(
        session,
        fake,
        limits=InboxLimits(**settings),
        tasks=tasks,
        turns=Turns(asyncio.get_running_loop()),
        loop=asyncio.get_running_loop(),
        pause=reading.pause,
        resume=reading.resume,
    )


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_messages_are_handled_in_their_order_behind_a_slow_one() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks)
    router.slow["b"] = asyncio.Event()
    box.take([publish(name) for name in "abc"], 30)
    box.take([publish("d")], 10)
    assert router.handled == ["a", "b"]
    router.slow["b"].set()
    await settle()
    assert router.handled == ["a", "b", "c", "d"]
    await tasks.close()


async def test_answers_pass_what_waits() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks)
    router.slow["a"] = asyncio.Event()
    box.take([publish("a"), publish("b"), messages.Respond(5, messages.NIL)], 30)
    assert router.handled == ["a", "answer 5"]
    box.close()
    await tasks.close()


async def test_one_turn_handles_only_so_many_and_the_rest_comes_in_later_ones() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks, turn_messages=10, waiting_messages=1_000)
    box.take([publish(str(number)) for number in range(25)], 10)
    assert len(router.handled) == 0
    seen = []
    for _ in range(6):
        await asyncio.sleep(0)
        seen.append(len(router.handled))
    assert max(b - a for a, b in zip([0, *seen], seen, strict=False)) == 10
    assert router.handled == [str(number) for number in range(25)]
    await tasks.close()


async def test_reading_pauses_while_too_much_waits_and_resumes_at_half() -> None:
    router, reading, tasks = FakeRouter(), Reading(), Tasks()
    box = inbox(router, reading, tasks)
    router.slow["0"] = asyncio.Event()
    box.take([publish(str(number)) for number in range(5)], 10)
    assert reading.paused == 0
    box.take([publish("5")], 10)
    assert (reading.paused, reading.resumed) == (1, 0)
    router.slow["0"].set()
    await settle()
    assert (reading.paused, reading.resumed) == (1, 1)
    assert len(router.handled) == 6
    await tasks.close()


async def test_finishing_waits_for_what_came_before() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks)
    finished: list[bool] = []
    router.slow["a"] = asyncio.Event()
    box.take([publish("a"), publish("b")], 20)
    box.finish(lambda: finished.append(True))
    await settle()
    assert finished == []
    router.slow["a"].set()
    await settle()
    assert finished == [True]
    assert router.handled == ["a", "b"]
    await tasks.close()


async def test_closing_drops_what_waits() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks)
    router.slow["a"] = asyncio.Event()
    box.take([publish("a"), publish("b")], 20)
    await settle()
    box.close()
    await settle()
    assert router.handled == ["a"]
    assert len(tasks) == 0


async def test_the_rest_of_a_record_is_not_handled_once_the_session_has_ended() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks)
    box.take([publish("a"), publish("end"), publish("b")], 30)
    await settle()
    assert router.handled == ["a", "end"]
    await tasks.close()


async def test_l6_a_rate_is_kept_and_nothing_is_dropped() -> None:
    router, tasks = FakeRouter(), Tasks()
    box = inbox(router, Reading(), tasks, per_second=1_000.0, waiting_messages=500)
    loop = asyncio.get_running_loop()
    began = loop.time()
    box.take([publish(str(number)) for number in range(300)], 10)
    done = asyncio.Event()
    box.finish(done.set)
    await done.wait()
    assert len(router.handled) == 300
    assert loop.time() - began >= (300 - 100) / 1_000 * 0.95
    await tasks.close()
