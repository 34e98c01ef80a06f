import asyncio
import logging

import pytest

from vestibule.client.tasks import Tasks


async def test_closing_cancels_what_runs_and_waits_for_it() -> None:
    tasks = Tasks()
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks.start(work(), name="work")
    await asyncio.sleep(0)
    assert len(tasks) == 1
    await tasks.close()
    assert ended.is_set()
    assert len(tasks) == 0


async def test_a_task_that_raises_is_logged_by_type_and_ends_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = Tasks()

    async def work() -> None:
        raise ValueError("sesame")

    with caplog.at_level(logging.ERROR):
        tasks.start(work(), name="work")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    record = caplog.records[-1]
    assert (record.message, vars(record)["exception"]) == ("task.failed", "ValueError")
    assert "sesame" not in caplog.text
    await tasks.close()


async def test_a_task_may_close_its_owner() -> None:
    tasks = Tasks()
    task = tasks.start(tasks.close(), name="closer")
    await task


async def test_after_the_end_nothing_is_started() -> None:
    tasks = Tasks()
    await tasks.close()
    ran = False

    async def work() -> None:
        nonlocal ran
        ran = True

    task = tasks.start(work(), name="late")
    await asyncio.wait([task])
    assert task.cancelled()
    assert not ran
