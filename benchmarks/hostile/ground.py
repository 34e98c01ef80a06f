"""What every scenario stands on: a broker process, its memory, and findings."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.peers.vestibule import program
from vestibule.client import Session, open_session


__all__ = ["ADMIN", "PASSWORD", "Finding", "Ground", "Server"]

PASSWORD = "measured by night"  # noqa: S105 - of a broker that lives for minutes
ADMIN = {"username": "_ADMIN", "password": PASSWORD}
START_SECONDS = 30.0
STOP_SECONDS = 10.0
MIB = 2**20
SOURCES = 200
"""Addresses of 127.0.0.0/8 that load comes from."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of a scenario, and the most that it may be; None: only told."""

    what: str
    value: float
    unit: str
    limit: float | None

    @property
    def passed(self) -> bool:
        """Whether it keeps its limit."""
        return self.limit is None or self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Server:
    """A running broker."""

    url: str
    key: str
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.url.removeprefix("ws://").split(":")
        return host, int(port)

    def rss(self) -> float:
        """Give its resident memory in MiB; 0 where the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except OSError:
            return 0.0
        return pages * resource.getpagesize() / MIB

    def admin(self) -> Any:
        """Log in as the administrator."""
        return open_session(self.url, ADMIN, server_key=self.key)

    async def add_group(self, admin: Session, name: str, **sections: Any) -> None:
        """Make a group; `sections` are those of its permissions."""
        group = {"name": name, "permissions": sections}
        await admin.exchange.security.upsert_group(group, overwrite_permissions=True)

    async def add_user(self, admin: Session, name: str, *groups: str) -> dict[str, str]:
        """Make a user and give its login data."""
        login = {"username": name, "password": f"{name} of {PASSWORD}"}
        member = dict.fromkeys(groups, True)
        await admin.exchange.security.upsert_user({**login, "groups": member})
        return login


@dataclass(frozen=True, slots=True)
class Ground:
    """How large the scenarios are."""

    short: bool = False

    def amount(self, full: int, short: int) -> int:
        """Choose a size."""
        return short if self.short else full

    @asynccontextmanager
    async def broker(self, **settings: Any) -> AsyncIterator[Server]:
        """Run a broker; `settings` are keys of its configuration."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with tempfile.TemporaryDirectory(prefix="vestibule-attacks-") as folder:
            config = Path(folder) / "config.yaml"  # JSON is YAML
            listen = {"host": "127.0.0.1", "port": 0}
            defaults = {"data": f"{folder}/data", "listen": listen, "http": None}
            config.write_text(json.dumps({**defaults, **settings}))
            with (Path(folder) / "log").open("w") as log:
                process = await asyncio.create_subprocess_exec(
                    program() or "vestibule",
                    "serve",
                    "--json",
                    "--config",
                    str(config),
                    stdin=DEVNULL,
                    stdout=PIPE,
                    stderr=log,
                    env={**os.environ, "VESTIBULE_ADMIN_PASSWORD": PASSWORD},
                )
                try:
                    yield await announced(process)
                finally:
                    await ended(process)


async def announced(process: Process) -> Server:
    """Wait until a broker says where it listens."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    async with asyncio.timeout(START_SECONDS):
        line = await process.stdout.readline()
    facts = json.loads(line)
    return Server(facts["url"], facts["server_key"], process.pid)


async def ended(process: Process) -> None:
    """End a broker: politely, then not."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
