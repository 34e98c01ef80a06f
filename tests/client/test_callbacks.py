import asyncio
import logging

import pytest

from vestibule.client.callbacks import Callbacks
from vestibule.client.tasks import Tasks


@pytest.fixture
async def tasks() -> Tasks:
    return Tasks()


async def test_sync_ones_are_called_at_once(tasks: Tasks) -> None:
    seen: list[int] = []
    callbacks = Callbacks(tasks)
    callbacks.call(seen.append, 1)
    callbacks.call(None, 2)
    assert seen == [1]
    assert len(tasks) == 0


async def test_async_ones_are_awaited_in_order_by_one_task(tasks: Tasks) -> None:
    seen: list[int] = []
    first = asyncio.Event()

    async def slow(number: int) -> None:
        await first.wait()
        seen.append(number)

    async def quick(number: int) -> None:
        seen.append(number)

    callbacks = Callbacks(tasks)
    callbacks.call(slow, 1)
    callbacks.call(quick, 2)
    await asyncio.sleep(0)
    assert len(tasks) == 1
    assert seen == []
    first.set()
    await callbacks.drain(1.0)
    assert seen == [1, 2]


async def test_one_that_raises_is_logged_and_stops_nothing(
    tasks: Tasks, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def sync_bad() -> None:
        raise ValueError

    async def async_bad() -> None:
        raise ValueError

    async def good() -> None:
        seen.append(1)

    callbacks = Callbacks(tasks)
    with caplog.at_level(logging.ERROR):
        for callback in (sync_bad, async_bad, good):
            callbacks.call(callback)
        await callbacks.drain(1.0)
    assert seen == [1]
    assert [r.message for r in caplog.records] == ["callback.failed"] * 2


async def test_one_that_does_not_end_is_given_up_with_its_owner(
    tasks: Tasks, caplog: pytest.LogCaptureFixture
) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    callbacks = Callbacks(tasks)
    callbacks.call(never)
    callbacks.call(never)
    with caplog.at_level(logging.WARNING):
        await callbacks.drain(0.01)
    assert [r.message for r in caplog.records] == ["callback.slow"]
    await tasks.close()
