"""The identity key's file in the data folder: made once, read strictly, rotated.

Whoever has this file is the broker. So it is made for its owner alone, and refused if
others may read it.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.identity import (
    MAX_IDENTITY_KEYS,
    identity_text,
    parse_identity,
)
from vestibule.server.config_source import ConfigError
from vestibule.server.folderlock import LOCK_FILE


__all__ = [
    "DIRECTORY_FILE",
    "IDENTITY_FILE",
    "KeyFileError",
    "check_data_folder",
    "make_keys",
    "read_keys",
    "rotate_keys",
    "unmake",
]

IDENTITY_FILE: Final = "identity.key"
DIRECTORY_FILE: Final = "directory.db"

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAX_BYTES: Final = 64 * 1024
"""A file of four keys and a page of comments is far below this."""


class KeyFileError(ConfigError):
    """The identity file or the data folder cannot be used; the text names it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(problem, where=str(path))


def check_data_folder(folder: Path) -> bool:
    """Tell whether a first start may fill `folder`: neither key nor directory is there.

    False means that both are. A key without a directory, or the reverse, is a folder
    that lost something: starting would put a new administrator beside old clients, or
    a new identity beside old users.

    Raises:
        KeyFileError: one without the other, or no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise KeyFileError(folder, "is not a folder")
    # lexists: a link to a file that is gone is not a fresh folder.
    key = os.path.lexists(folder / IDENTITY_FILE)
    directory = os.path.lexists(folder / DIRECTORY_FILE)
    if key and not directory:
        problem = f"has {IDENTITY_FILE} and no {DIRECTORY_FILE}: restore a backup"
        raise KeyFileError(folder, problem)
    if directory and not key:
        problem = f"has {DIRECTORY_FILE} and no {IDENTITY_FILE}: restore a backup"
        raise KeyFileError(folder, problem)
    return not key


def unmake(folder: Path) -> None:
    """Take back a first start that failed: the key and the directory it has made.

    Only for whom `check_data_folder` told that there was neither. What is left would
    be a broker whose administrator's password nobody was told.
    """
    made = [
        folder / IDENTITY_FILE,
        folder / LOCK_FILE,
        *folder.glob(f"{Path(DIRECTORY_FILE).stem}.*"),
        *folder.glob("audit.*"),
    ]
    with suppress(OSError):
        for path in made:
            path.unlink(missing_ok=True)
        folder.rmdir()  # stays if it holds anything else


def read_keys(folder: Path) -> list[IdentityKey]:
    """Read the identity keys, the current one first.

    Raises:
        KeyFileError: missing, unreadable, readable or writable by others, without a
            key, or a line that is none; the line's number is named, its text not.
    """
    path = folder / IDENTITY_FILE
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that nobody swaps it in between.
            found = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise KeyFileError(path, problem) from None
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(path, "is not a file")
    if os.name == "posix" and found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        problem = f"others may use it (mode {mode:04o}): make it {_MODE:04o}"
        raise KeyFileError(path, problem)
    if len(content) > _MAX_BYTES:
        raise KeyFileError(path, f"is longer than {_MAX_BYTES} bytes")
    try:
        return parse_identity(content.decode())
    except UnicodeDecodeError:
        raise KeyFileError(path, "is not text") from None
    except ValueError as problem:
        raise KeyFileError(path, str(problem)) from None


def make_keys(folder: Path) -> list[IdentityKey]:
    """Make the first identity key, and the folder, for their owner alone.

    The file is on disk when this returns.

    Raises:
        KeyFileError: there is a file already, or it cannot be written.
    """
    path = folder / IDENTITY_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.path.lexists(path):
            raise KeyFileError(path, "is there already")
    except OSError as error:
        raise KeyFileError(folder, f"cannot be made: {error.strerror}") from None
    keys = [IdentityKey.generate()]
    _write(path, keys)
    return keys


def rotate_keys(folder: Path) -> list[IdentityKey]:
    """Put a new key first and keep the next three; give all, the new one first.

    A running broker goes on with the old one until it is started again.

    Raises:
        KeyFileError: as `read_keys`, or it cannot be written.
    """
    keys = [IdentityKey.generate(), *read_keys(folder)][:MAX_IDENTITY_KEYS]
    _write(folder / IDENTITY_FILE, keys)
    return keys


def _write(path: Path, keys: list[IdentityKey]) -> None:
    """Write the whole file in one step, mode 0600, and have it on disk."""
    try:
        # mkstemp makes it 0600, whatever the umask.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(identity_text(keys))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyFileError(path, f"cannot be written: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    """Have the folder's entries on disk, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
