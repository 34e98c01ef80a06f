"""`directory.epoch`: the last change acknowledged, beside the database.

A database that is older than it has lost changes that somebody was told of, and is
not served. Everything here blocks.
"""

import os
from pathlib import Path
from typing import Final

from vestibule.server.directory.errors import DirectoryDamaged


__all__ = ["check_epoch", "write_epoch"]

_DIGITS: Final = 20
"""Always as many, so that the file is written in place: it needs no space on a full
disk, and so few bytes of one sector are written together."""

_MODE: Final = 0o600


def write_epoch(path: Path, epoch: int) -> None:
    """Write an epoch and have it on disk.

    Raises:
        OSError: it is not there, and may never be.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, _MODE)
    try:
        os.pwrite(descriptor, f"{epoch:0{_DIGITS}}\n".encode(), 0)
        os.ftruncate(descriptor, _DIGITS + 1)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_epoch(path: Path, epoch: int) -> None:
    """Compare the file with the epoch of the database that was read.

    The database may be one ahead: the process died between the two writes.

    Raises:
        DirectoryDamaged: naming the file and what is wrong.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise DirectoryDamaged(
            "cannot be read: restore a backup", where=str(path)
        ) from None
    if not text.isdigit() or len(text) > _DIGITS:
        raise DirectoryDamaged("holds no epoch: restore a backup", where=str(path))
    acknowledged = int(text)
    if epoch not in (acknowledged, acknowledged + 1):
        raise DirectoryDamaged(
            f"says epoch {acknowledged}, the directory has {epoch}: restore a backup",
            where=str(path),
        )
