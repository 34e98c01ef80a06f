"""One process at a time writes a data folder: a broker, or a command without one."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vestibule.server.config_source import ConfigError


if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["LOCK_FILE", "FolderInUse", "FolderLock"]

LOCK_FILE: Final = "broker.lock"
_MODE: Final = 0o600


class FolderInUse(ConfigError):  # noqa: N818 - it names the state of the folder
    """Another process holds the data folder."""


class FolderLock:
    """The lock of a data folder, which is made if it is not there.

    The file stays; the lock on it ends with the process, however that ends, so that
    nothing is in the way after a crash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            FolderInUse: somebody has it.
            ConfigError: its file cannot be made.
        """
        path = self._folder / LOCK_FILE
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            descriptor = os.open(path, flags, _MODE)
        except OSError as problem:
            raise ConfigError(
                f"cannot be made: {problem.strerror}", where=str(path)
            ) from None
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise FolderInUse(
                "is in use: a broker runs on it, or another command writes it",
                where=str(self._folder),
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _lock(descriptor: int) -> None:
    """Lock an open file, for this opening of it alone."""
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        # flock belongs to the opening, so two brokers of one process collide too.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
