"""The owner of background tasks."""

import asyncio

from vestibule.server.tasks import Tasks


async def test_closing_cancels_what_runs_and_waits_for_it() -> None:
    tasks, cleaned = Tasks(), []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    tasks.start(forever(), name="forever")
    await asyncio.sleep(0)
    assert len(tasks) == 1
    await tasks.close()
    assert cleaned == [True]
    assert len(tasks) == 0


async def test_a_task_that_raises_ends_alone() -> None:
    tasks = Tasks()

    async def broken() -> None:
        raise ValueError("secret")

    task = tasks.start(broken(), name="broken")
    await asyncio.wait([task])
    assert len(tasks) == 0
    await tasks.close()


async def test_closing_waits_also_for_what_an_end_has_started() -> None:
    tasks, ended = Tasks(), []

    async def told() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("told")

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tasks.start(told(), name="told")

    tasks.start(forever(), name="forever")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == ["told"]
    assert len(tasks) == 0


async def test_settling_waits_for_what_ends_by_itself_and_for_what_that_starts() -> (
    None
):
    tasks, ended = Tasks(), []

    async def second() -> None:
        await asyncio.sleep(0.01)
        ended.append("second")

    async def first() -> None:
        await asyncio.sleep(0.01)
        tasks.start(second(), name="second")
        ended.append("first")

    tasks.start(first(), name="first")
    await tasks.settle(5)
    assert ended == ["first", "second"]


async def test_settling_gives_up_in_time_and_cancels_nothing() -> None:
    tasks = Tasks()
    task = tasks.start(asyncio.sleep(60), name="long")
    await tasks.settle(0.01)
    assert not task.done()
    await tasks.close()


async def test_a_task_may_close_its_owner() -> None:
    tasks = Tasks()
    task = tasks.start(tasks.close(), name="closes")
    await asyncio.wait_for(task, 1)
    assert not task.cancelled()
