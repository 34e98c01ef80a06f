"""Examining a data folder and its host: what is wrong, and what soon will be.

Changes nothing; a broker may run meanwhile.
"""

import asyncio
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from vestibule.server.config import Config, ConfigError
from vestibule.server.directory.copying import check_rows, epoch_of, problems_of
from vestibule.server.directory.epochfile import check_epoch
from vestibule.server.directory.opening import DATABASE, EPOCH
from vestibule.server.folderlock import FolderInUse, FolderLock
from vestibule.server.keyfile import IDENTITY_FILE, check_data_folder, read_keys
from vestibule.server.operations.folder import OperationFailed, copied
from vestibule.server.serving import check
from vestibule.server.trail import (
    DATABASE as TRAIL,
    HEAD_FILE,
    KEY_FILE,
    Database,
    TrailError,
    verify,
)


if sys.platform != "win32":
    import resource

__all__ = ["Finding", "Health", "examine"]

_FILES: Final = (DATABASE, EPOCH, IDENTITY_FILE, TRAIL, HEAD_FILE, KEY_FILE)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH

_SPACE_FAILED: Final = 64 * 1024 * 1024
_SPACE_WARNING: Final = 1024 * 1024 * 1024
_FUTURE_SECONDS: Final = 60.0
"""Clocks that are kept by a protocol differ by far less."""

_YEARS: Final = (1_767_225_600, 4_102_444_800)
"""From 2026 to 2100: what is before has not been set, what is after neither."""

_LOOK_SECONDS: Final = 0.2
_DRIFT: Final = 0.05
_OWN_DESCRIPTORS: Final = 64
_RETRIES: Final = 5


class Health(StrEnum):
    """How something was found."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    health: Health
    told: str


Found = Iterator[tuple[Health, str]]


async def examine(config: Config) -> list[Finding]:
    """Look at everything; each check is made, whatever the others find."""
    findings = []
    for name, look in _CHECKS.items():
        findings += await asyncio.to_thread(_looked, name, look, config)
    findings += await _directory_opens(config)
    return findings


def _looked(
    name: str, look: Callable[[Config], Found], config: Config
) -> list[Finding]:
    try:
        found = [Finding(name, health, told) for health, told in look(config)]
    except (ConfigError, OperationFailed, TrailError, OSError) as problem:
        return [Finding(name, Health.FAILED, str(problem))]
    return found or [Finding(name, Health.OK, "")]


def _configuration(config: Config) -> Found:
    check(config)
    for name in config.insecure_settings():
        yield Health.WARNING, f"gives up protection: {name}"


def _folder(config: Config) -> Found:
    if check_data_folder(config.data):
        yield Health.FAILED, f"{config.data}: there is no directory here"
        return
    found = config.data.stat()
    if os.name == "posix" and found.st_mode & _OTHERS_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        yield Health.FAILED, f"{config.data}: others may write it (mode {mode:04o})"
    try:
        with FolderLock(config.data):
            yield Health.OK, "no broker runs on it"
    except FolderInUse:
        yield Health.OK, "a broker runs on it"


def _files(config: Config) -> Found:
    for name in _FILES:
        path = config.data / name
        if not path.exists():
            yield Health.WARNING, f"{path}: is missing"
            continue
        found = path.stat()
        mode = stat.S_IMODE(found.st_mode)
        if os.name != "posix":
            continue
        if mode & _OTHERS:
            told = f"{path}: others may use it (mode {mode:04o}): make it 0600"
            yield Health.FAILED, told
        if found.st_uid != config.data.stat().st_uid:
            yield Health.FAILED, f"{path}: has another owner than its folder"
    read_keys(config.data)


def _database(config: Config) -> Found:
    for problem in problems_of(config.data):
        yield Health.FAILED, f"{config.data / DATABASE}: {problem}"
    check_rows(config.data)
    yield Health.OK, f"epoch {_epoch(config.data, _RETRIES)}"


def _epoch(folder: Path, retries: int) -> int:
    """Give the epoch that database and file agree on."""
    epoch = epoch_of(folder)
    try:
        check_epoch(folder / EPOCH, epoch)
    except ConfigError:
        # A broker that runs may have gone on between the two looks.
        if not retries:
            raise
        return _epoch(folder, retries - 1)
    return epoch


def _trail(config: Config) -> Found:
    with closing(Database.open(config.data / TRAIL)) as database:
        for problem in database.problems():
            yield Health.FAILED, f"{config.data / TRAIL}: {problem}"
        last = database.last_time()
    report = verify(config.data, [])
    for fault in report.faults:
        yield Health.FAILED, str(fault)
    if report.more:
        yield Health.FAILED, f"and {report.more} more faults"
    if last is not None and last / 1000 > time.time() + _FUTURE_SECONDS:
        yield Health.WARNING, "the last line is of a time that is still to come"
    if not report.faults:
        yield Health.OK, f"{report.lines} lines, head {report.head}"


def _clock(_: Config) -> Found:
    wall, steady = time.time(), time.monotonic()
    if not _YEARS[0] <= wall <= _YEARS[1]:
        yield Health.FAILED, "the wall clock is not set: its year cannot be"
    time.sleep(_LOOK_SECONDS)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    if abs(drift) > _DRIFT:
        told = f"the wall clock jumped by {drift:+.3f} s in {_LOOK_SECONDS} s"
        yield Health.WARNING, told


def _disk(config: Config) -> Found:
    free = shutil.disk_usage(config.data).free
    told = f"{free // (1024 * 1024)} MiB are free"
    if free < _SPACE_FAILED:
        yield Health.FAILED, told
    elif free < _SPACE_WARNING:
        yield Health.WARNING, told
    else:
        yield Health.OK, told


def _descriptors(config: Config) -> Found:
    if sys.platform == "win32":
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = config.quarantine.max_connections + _OWN_DESCRIPTORS
    told = f"{most} are allowed; strangers alone may take {needed}"
    enough = most == resource.RLIM_INFINITY or most >= 2 * needed
    yield (Health.OK if enough else Health.WARNING), told


def _memory(config: Config) -> Found:
    passwords = config.passwords
    needed = passwords.workers * passwords.memlimit
    available = _available()
    told = f"password hashing may take {needed // (1024 * 1024)} MiB"
    if available is None:
        yield Health.OK, told
        return
    told += f"; {available // (1024 * 1024)} MiB are available"
    yield (Health.WARNING if needed > available // 2 else Health.OK), told


def _available() -> int | None:
    """Give the memory that can be had without swapping, where the system tells it."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


_CHECKS: Final[dict[str, Callable[[Config], Found]]] = {
    "configuration": _configuration,
    "data folder": _folder,
    "files": _files,
    "directory": _database,
    "audit trail": _trail,
    "clock": _clock,
    "disk": _disk,
    "descriptors": _descriptors,
    "memory": _memory,
}


async def _directory_opens(config: Config) -> list[Finding]:
    """Open a copy as a start opens the original."""
    name = "directory opens"
    try:
        async with copied(config) as directory:
            model = directory.policy.model
            told = f"{len(model.users)} users, {len(model.groups)} groups"
            future = int((time.time() + _FUTURE_SECONDS) * 1000)
            late = [
                one.username for one in model.users.values() if one.modified > future
            ]
    except (ConfigError, OperationFailed, OSError) as problem:
        return [Finding(name, Health.FAILED, str(problem))]
    if late:
        told += f"; {len(late)} changed at a time that is still to come"
        return [Finding(name, Health.WARNING, told)]
    return [Finding(name, Health.OK, told)]
