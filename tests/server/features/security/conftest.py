"""Directories for the methods of `security`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from directories import Copies, Hub, copies_of, opened


@pytest.fixture(scope="module")
def fresh_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
async def hub(copy: Copies) -> AsyncIterator[Hub]:
    async with opened(copy()) as directory:
        yield Hub(directory)
