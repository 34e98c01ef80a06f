"""Directories for tests: one made once, then copied; cheap users; short questions."""

import base64
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vestibule.server.directory import Directory
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.secret import Secret


ADMIN_PASSWORD = "sesame"
COMPONENTS = {"security": SECURITY_METHODS}
BY = "_ADMIN"


@dataclass(frozen=True)
class Cheap:
    """The least that hashing may cost."""

    opslimit: int = 2
    memlimit: int = 19 * 1024 * 1024
    min_length: int = 1
    workers: int = 2
    queue: int = 64


def key(number: int = 0) -> str:
    """Give a public key, for users that need something to log in with."""
    return base64.b64encode(bytes([number]) * 32).decode()


class Clock:
    """A wall clock that moves a second at each look, and when it is told."""

    def __init__(self) -> None:
        self.seconds = 1_900_000_000.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[Directory]:
    """Open a directory for the time of a block."""
    settings: dict[str, Any] = {
        "broker_name": "hub",
        "components": COMPONENTS,
        "passwords": Cheap(),
        "admin_password": Secret(ADMIN_PASSWORD),
        **options,
    }
    directory = await Directory.open(folder, **settings)
    try:
        yield directory
    finally:
        await directory.close()


class Hub:
    """A directory, and the changes and questions of the cases in few words."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)

    async def user(self, name: str, *groups: str, **facts: Any) -> dict[str, Any]:
        """Make a user that has no password."""
        if "password" not in facts:
            facts = {"public_key": key(next(self._numbers)), **facts}
        user = {"username": name, "groups": dict.fromkeys(groups, True), **facts}
        return await self.directory.add_user(user, by=BY)

    async def group(
        self, name: str, permissions: Mapping[str, Any] | None = None, **facts: Any
    ) -> dict[str, Any]:
        """Make or change a group."""
        if permissions is not None:
            facts["permissions"] = dict(permissions)
        return await self.directory.upsert_group({"name": name, **facts}, by=BY)

    def may(self, username: str, action: str, *paths: str) -> list[bool]:
        """Ask for each path whether a user may."""
        explain = self.directory.explain
        return [explain(username, action, path)["allowed"] for path in paths]

    @property
    def epoch(self) -> int:
        """The epoch in force."""
        return self.directory.policy.epoch


Copies = Callable[[], Path]


def copies_of(made: Path, into: Path) -> Copies:
    """Give a function that makes fresh copies of a data folder."""
    numbers = itertools.count()

    def copy() -> Path:
        return shutil.copytree(made, into / f"data{next(numbers)}")

    return copy
