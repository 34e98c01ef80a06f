"""Reading a file that holds a secret, or a key that decides whom the broker believes."""

import os
import stat
from pathlib import Path
from typing import Final

from vestibule.server.config_source import ConfigError
from vestibule.server.secret import Secret


__all__ = ["read_public_file", "read_secret_file"]

_MAX_BYTES: Final = 64 * 1024
"""A secret, or four keys, is far below this."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def read_secret_file(path: Path, *, least_bytes: int) -> Secret:
    """Read a secret that its owner alone may read; a newline at its end is not of it.

    Raises:
        ConfigError: missing, unreadable, others may use it, or too short to be one.
    """
    content = _read(path, _OTHERS, "0600").removesuffix(b"\n").removesuffix(b"\r")
    if len(content) < least_bytes:
        raise ConfigError(
            f"the secret is shorter than {least_bytes} bytes", where=str(path)
        )
    return Secret(content)


def read_public_file(path: Path) -> str:
    """Read text that everybody may read, but that its owner alone may change.

    Raises:
        ConfigError: missing, unreadable, others may write it, or no text.
    """
    content = _read(path, _OTHERS_WRITE, "0644")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigError("is not text", where=str(path)) from None


def _read(path: Path, forbidden: int, wanted: str) -> bytes:
    where = str(path)
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that nobody swaps it in between.
            found = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError(f"cannot be read: {reason}", where=where) from None
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError("is not a file", where=where)
    if os.name == "posix" and found.st_mode & forbidden:
        mode = stat.S_IMODE(found.st_mode)
        problem = f"others may use it (mode {mode:04o}): make it {wanted}"
        raise ConfigError(problem, where=where)
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"is longer than {_MAX_BYTES} bytes", where=where)
    return content
