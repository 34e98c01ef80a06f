"""Data folders as a broker leaves them, and as it holds them while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from directories import Copies, Hub, copies_of, opened
from trails import denial, trail
from vestibule.server.config import Config
from vestibule.server.folderlock import FolderLock
from vestibule.server.keyfile import make_keys


Running = Callable[[Config], AbstractAsyncContextManager[Hub]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys, a directory with lisa in staff, and a trail."""
    folder = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        make_keys(folder)
        async with trail(folder) as lines, opened(folder) as directory:
            hub = Hub(directory)
            await hub.group("staff", {"events": {"news/*": {}}})
            lisa = {"username": "lisa", "password": "sesame", "groups": {"staff": True}}
            await directory.add_user(lisa, by="_ADMIN")
            for number in range(5):
                lines.put("message_denied", denial(str(number)))

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Copies:
    return copies_of(made, tmp_path)


def config_of(folder: Path) -> Config:
    """Give the configuration of a broker on a folder."""
    passwords = {"opslimit": 2, "memlimit": 19 * 1024 * 1024}
    return Config(data=folder, name="hub", passwords=passwords, http=None)


@pytest.fixture
def config(copy: Copies) -> Config:
    return config_of(copy())


@pytest.fixture
def running() -> Running:
    """Give a block in which a folder is held and written as by a broker."""

    @asynccontextmanager
    async def run(config: Config) -> AsyncIterator[Hub]:
        with FolderLock(config.data):
            async with trail(config.data), opened(config.data) as directory:
                yield Hub(directory)

    return run
