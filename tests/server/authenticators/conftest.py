"""A directory of a few users and groups, and who may come in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from directories import Hub, copies_of, opened
from vestibule.server.attempts import Attempt, read_attempt
from vestibule.server.authenticators.entrance import Entrance
from vestibule.server.directory import Directory
from vestibule.server.handler import ConnectionData, Headers


STRANGER = ConnectionData(
    "192.0.2.1", Headers([("Origin", "https://app.example")]), "00" * 16
)

Logging = Callable[..., Attempt]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make it once; its one hash is slow."""
    folder = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        async with opened(folder) as directory:
            hub = Hub(directory)
            for group in ("staff", "jwt-staff", "jwt-_odd"):
                await hub.group(group)
            await hub.user("lisa", "staff")
            for name in ("gone", "late"):
                await hub.user(name)
            await directory.update_user({"username": "gone", "disabled": True}, by="x")

    asyncio.run(make())
    return folder


@pytest.fixture
async def directory(made: Path, tmp_path: Path) -> AsyncIterator[Directory]:
    async with opened(copies_of(made, tmp_path)()) as directory:
        yield directory


@pytest.fixture
def entrance(directory: Directory) -> Entrance:
    """Let in everybody but `late`, who is locked out where strangers come from."""
    return Entrance(
        directory,
        lambda name, address: 5.0 if (name, address) == ("late", "192.0.2.1") else None,
    )


@pytest.fixture
def login() -> Logging:
    """Make a plain login."""

    def make(**auth_data: Any) -> Attempt:
        read = read_attempt(STRANGER, "plain", {"auth_data": auth_data})
        assert isinstance(read, Attempt)
        return read

    return make
