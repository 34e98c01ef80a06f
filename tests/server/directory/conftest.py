import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from directories import Clock, Copies, Hub, copies_of, opened


@pytest.fixture(scope="session")
def fresh_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as its first start leaves it; its one hash is paid once."""
    folder = tmp_path_factory.mktemp("fresh") / "data"

    async def make() -> None:
        async with opened(folder):
            pass

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(fresh_folder: Path, tmp_path: Path) -> Copies:
    return copies_of(fresh_folder, tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hub(copy: Copies, clock: Clock) -> AsyncIterator[Hub]:
    async with opened(copy(), now=clock) as directory:
        yield Hub(directory)
