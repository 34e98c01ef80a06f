"""What every test of the client has: a fake broker, and no forgotten failure."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from client.fake_broker import FakeBroker


@pytest.fixture(autouse=True)
async def nothing_is_forgotten() -> AsyncIterator[None]:
    """Fail a test in which a task or callback raised and nobody looked."""
    reports: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reports.append(context))
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, f"tasks outlive the test: {left}"
    assert not reports, reports


@pytest.fixture
async def broker() -> FakeBroker:
    return FakeBroker()
