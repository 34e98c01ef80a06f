"""What every test of the client has: a fake broker, and no forgotten failure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from client.fake_broker import FakeBroker
from client.shell import FakeSession, Opened, Shell
from vestibule import client
from vestibule.client import cli_joining


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


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    for name in ("URL", "SERVER_KEY", "KNOWN_BROKERS", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VESTIBULE_{name}", raising=False)
    made = Shell(FakeSession(), [])

    @asynccontextmanager
    async def open_session(
        url: str, auth_data: dict[str, Any], **options: Any
    ) -> AsyncIterator[FakeSession]:
        made.opened.append(Opened(url, auth_data, options))
        if isinstance(
            made.session.answer, client.LoginRefused | client.HandshakeFailed
        ):
            raise made.session.answer
        yield made.session

    monkeypatch.setattr(client, "open_session", open_session)
    cli_joining.others.cache_clear()
    yield made
    cli_joining.others.cache_clear()
