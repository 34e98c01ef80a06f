"""A directory with users of every kind, made once."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from directories import Copies, Hub, copies_of, opened
from login_attempts import LISAS_KEY


KEY_TEXT = base64.b64encode(LISAS_KEY.public).decode()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory once; its hashes are slow."""
    folder = tmp_path_factory.mktemp("schemes") / "data"

    async def make() -> None:
        async with opened(folder) as directory:
            hub = Hub(directory)
            await hub.user("lisa", password="sesame", public_key=KEY_TEXT)
            await hub.user(
                "disabled", password="sesame", public_key=KEY_TEXT, disabled=True
            )
            await hub.user("keyless", password="sesame")
            await hub.user("passwordless", public_key=KEY_TEXT)

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Copies:
    return copies_of(made, tmp_path)


@pytest.fixture
async def hub(copy: Copies) -> AsyncIterator[Hub]:
    async with opened(copy()) as directory:
        yield Hub(directory)
