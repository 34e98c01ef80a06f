"""A broker for the examples: in this process, on a free port, gone afterwards."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from vestibule.server import Broker, Config


@asynccontextmanager
async def hub(**settings: Any) -> AsyncIterator[Broker]:
    """Run a broker; `settings` are keys of its configuration."""
    with tempfile.TemporaryDirectory(prefix="hub-") as folder:
        config = Config(
            data=Path(folder) / "data",
            listen={"host": "127.0.0.1", "port": 0},
            http=None,
            shutdown={"drain": 0.5, "spread": 0.1},
            **settings,
        )
        async with Broker(config) as broker:
            yield broker


def administrator(broker: Broker) -> dict[str, str]:
    """Give the login data of the administrator that the first start has made."""
    password = broker.first_password
    if password is None:
        raise RuntimeError("this was not the first start")
    return {"username": "_ADMIN", "password": password.reveal()}


async def add_user(broker: Broker, user: dict[str, Any]) -> None:
    """Make a user, as `session.exchange.security.add_user` does."""
    await broker.directory.add_user(user, by="example")
