import asyncio
import threading
from collections.abc import Callable

from trails import denial
from vestibule.server.trail.waiting import Settled, Waiting


def waiting(most: int = 3) -> tuple[Waiting, list[int]]:
    lost: list[int] = []
    return Waiting(most, on_lost=lambda: lost.append(1), clock=lambda: 5.0), lost


def kinds(queue: Waiting) -> list[str]:
    batch = queue.take(1_000, gather=0)
    queue.written(batch)
    return [kind for _, kind, _ in batch]


def test_lines_are_taken_in_the_order_they_were_put() -> None:
    queue, _ = waiting()
    for kind in ("message_denied", "login_accepted", "login_refused"):
        queue.put(kind, {})
    assert queue.take(2, gather=0) == [
        (5.0, "message_denied", {}),
        (5.0, "login_accepted", {}),
    ]
    assert queue.take(2, gather=0) == [(5.0, "login_refused", {})]


def test_refusals_beyond_the_bound_are_counted_and_leave_others_alone() -> None:
    queue, lost = waiting()
    for _ in range(5):
        queue.put("message_denied", denial())
    queue.put("login_refused", {})
    for _ in range(9):
        queue.put("session_ended", {})
    assert len(lost) == 2
    assert queue.shares["message_denied"].lost == 2
    assert kinds(queue) == [
        *["message_denied"] * 3,
        "login_refused",
        *["session_ended"] * 9,
    ]
    queue.put("message_denied", denial())
    assert kinds(queue) == ["message_denied"]


def test_deeds_are_lost_only_while_nothing_can_be_written() -> None:
    queue, lost = waiting()
    for _ in range(4):
        queue.put("session_ended", {})
    assert queue.full
    assert lost == []
    queue.failing = True
    queue.put("session_ended", {})
    assert len(lost) == 1


def test_while_the_table_has_no_room_refusals_are_counted() -> None:
    queue, lost = waiting()
    queue.no_refusals = True
    queue.put("message_denied", denial())
    queue.put("session_ended", {})
    assert len(lost) == 1
    assert kinds(queue) == ["session_ended"]


def done(settled: Settled) -> bool:
    return settled._future.done()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_writer_that_waits_is_woken_by_a_line_and_by_the_end() -> None:
    queue, _ = waiting()
    found: list[list[str]] = []

    def work() -> None:
        while taken := kinds(queue):
            found.append(taken)

    thread = in_thread(work)
    queue.put("login_accepted", {})
    while not found:
        pass
    queue.put("session_ended", {})
    queue.close()
    thread.join(5)
    assert not thread.is_alive()
    assert [kind for taken in found for kind in taken] == [
        "login_accepted",
        "session_ended",
    ]


async def test_whoever_waits_is_told_from_the_thread() -> None:
    queue, _ = waiting()
    queue.put("login_accepted", {})
    settled = queue.settle()
    assert not done(settled)
    thread = in_thread(lambda: kinds(queue))
    await asyncio.wait_for(settled.wait(), 5)
    thread.join(5)
    await asyncio.wait_for(queue.settle().wait(), 5)


async def test_whoever_waits_is_told_of_a_failure_also_behind_what_failed() -> None:
    queue, _ = waiting()
    queue.put("login_accepted", {})
    batch = queue.take(1, gather=0)
    queue.put("session_ended", {})
    settled = queue.settle()
    assert not done(settled)
    queue.failed()
    await asyncio.wait_for(settled.wait(), 5)
    await asyncio.wait_for(queue.settle().wait(), 5)
    queue.failing = False
    later = queue.settle()
    queue.written(batch)
    assert not done(later)
    queue.written(queue.take(1, gather=0))
    await asyncio.wait_for(later.wait(), 5)


def test_a_pause_ends_with_a_close() -> None:
    queue, _ = waiting()
    thread = in_thread(lambda: queue.pause(60))
    queue.close()
    thread.join(5)
    assert not thread.is_alive()
