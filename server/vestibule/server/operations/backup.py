"""Backing up a data folder, also while a broker runs on it. Everything here blocks."""

import os
import shutil
import tempfile
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final

from vestibule.server.config import Config
from vestibule.server.directory.copying import check_rows, copy_directory
from vestibule.server.directory.times import time_text
from vestibule.server.keyfile import IDENTITY_FILE
from vestibule.server.operations.folder import OperationFailed, check_served, record
from vestibule.server.operations.manifest import Manifest
from vestibule.server.trail import DATABASE, KEY_FILE, Database, TrailError
from vestibule.server.trail.chain import check
from vestibule.server.trail.head import read_head, read_key, write_head


__all__ = ["KEYS", "back_up", "put_in_place", "sync"]

KEYS: Final = (IDENTITY_FILE, KEY_FILE)
"""The secret keys: whoever has the first is the broker to its clients."""

_MODE: Final = 0o600


def back_up(config: Config, into: Path, *, keys: bool) -> Manifest:
    """Copy directory and audit trail, each as it is after some whole change.

    The trail is copied after the directory, so it tells of each change that the copy
    has. `keys` are copied only if asked for. The backup is there whole or not at all.

    Raises:
        OperationFailed, ConfigError: it was not made; the line says why.
    """
    check_served(config)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise OperationFailed(f"{into}: is there already and not empty")
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
        try:
            manifest = _copy(config.data, made, keys=keys)
            manifest.write(made)
            sync(made)
            put_in_place(made, into)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except TrailError as problem:
        raise OperationFailed(f"{config.data / DATABASE}: {problem}") from None
    except OSError as problem:
        raise OperationFailed(f"{into}: {problem.strerror}") from None
    record(config.data, "operator_command", command="backup", keys=keys)
    return manifest


def _copy(folder: Path, made: Path, *, keys: bool) -> Manifest:
    epoch = copy_directory(folder, made)
    check_rows(made)
    head = None
    if (folder / DATABASE).exists():
        key = read_key(folder)
        # Before the lines: those that come meanwhile stand behind it.
        known = read_head(folder, key)
        with closing(Database.open(folder / DATABASE)) as trail:
            trail.backup(made / DATABASE)
        with closing(Database.open(made / DATABASE)) as copy:
            # The copy gets a head of its own, which would vouch for whatever it holds.
            faults = check(copy.lines(), heads=[known]).faults
            if faults:
                raise OperationFailed(f"{folder / DATABASE}: {faults[0]}")
            head = copy.tail()
        write_head(made, key, head, sync=True)
    if keys:
        for name in KEYS:
            if (folder / name).exists():
                _copy_file(folder / name, made / name)
    return Manifest(
        version=version("vestibule"),
        made=time_text(int(time.time() * 1000)),
        epoch=epoch,
        head=None if head is None else str(head),
        keys=keys,
    )


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file for its owner alone."""
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(source.read_bytes())


def sync(folder: Path) -> None:
    """Have every file of a folder, and the folder, on disk."""
    for path in [*folder.iterdir(), folder]:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put_in_place(made: Path, place: Path) -> None:
    """Give a folder that is complete its name; an empty one of that name makes room.

    Raises:
        OSError: it was not moved.
    """
    if place.exists():
        place.rmdir()
    made.rename(place)
    if os.name == "posix":
        descriptor = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
