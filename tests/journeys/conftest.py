"""A broker on a real socket, encrypted, with its directory on disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vestibule.protocol.crypto import parse_server_key
from vestibule.server import Broker, Config
from vestibule.server.testing import RawPeer


CHEAP_PASSWORDS = {"opslimit": 2, "memlimit": 19 * 1024 * 1024}
ADMIN_PASSWORD = "correct horse battery"

Starting = Callable[..., AbstractAsyncContextManager[Broker]]


@pytest.fixture
def starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starting:
    """Start a broker on a free port; settings are keys of the configuration."""
    monkeypatch.setenv("VESTIBULE_ADMIN_PASSWORD", ADMIN_PASSWORD)

    @asynccontextmanager
    async def start(
        handler: object | None = None, /, **settings: Any
    ) -> AsyncIterator[Broker]:
        settings = {
            "data": str(tmp_path / "data"),
            "listen": {"host": "127.0.0.1", "port": 0},
            "http": None,
            "passwords": CHEAP_PASSWORDS,
            "shutdown": {"drain": 0.5, "spread": 0.1},
            **settings,
        }
        async with Broker(Config(**settings), handler) as broker:
            yield broker

    return start


async def raw_peer(
    broker: Broker, headers: dict[str, str] | None = None, *, url: str = ""
) -> RawPeer:
    """Connect a peer that makes its own messages, over a socket; `url`: by a relay."""
    host, port = (url or broker.url).removeprefix("ws://").split(":")
    key = parse_server_key(broker.server_key)
    _, peer = await asyncio.get_running_loop().create_connection(
        lambda: RawPeer(key, headers or {}), host, int(port)
    )
    return peer


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, at most five seconds."""
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to be")
