"""What all operations share: a data folder, opened as a broker opens it, or copied."""

import asyncio
import getpass
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from vestibule.server.config import Config
from vestibule.server.directory import Directory, DirectoryChange
from vestibule.server.directory.copying import copy_directory
from vestibule.server.directory.difference import differences
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.keyfile import check_data_folder
from vestibule.server.trail import TrailError, add_line


__all__ = [
    "OPERATOR",
    "OperationFailed",
    "check_served",
    "copied",
    "opened",
    "record",
]

OPERATOR: Final = "_OPERATOR"
"""Who does what is done on the broker's host; no user can be called so."""


class OperationFailed(Exception):  # noqa: N818 - what happened
    """An operation was not done; the text is the line that says why."""


def check_served(config: Config) -> None:
    """Check that there is a data folder that a broker has made. Blocks.

    Raises:
        OperationFailed: there is none.
        KeyFileError: it has lost something.
    """
    if check_data_folder(config.data):
        raise OperationFailed(f"{config.data}: there is no directory here")


@asynccontextmanager
async def opened(config: Config, folder: Path) -> AsyncIterator[Directory]:
    """Open the directory of a folder, checked whole, for the time of a block.

    Each change leaves a line in the folder's audit trail. Nobody else may have the
    folder: hold its `FolderLock`, or have made it oneself.

    Raises:
        DirectoryDamaged: it cannot be served.
    """
    directory = await Directory.open(
        folder,
        broker_name=config.name,
        components={"security": SECURITY_METHODS},
        passwords=config.passwords,
        case_insensitive=config.usernames_case_insensitive,
    )

    async def changed(change: DirectoryChange) -> None:
        def detail() -> list[dict[str, Any]]:
            return differences(change.before, change.after, config.name)

        said = {"epoch": change.epoch, "detail": detail}
        await asyncio.to_thread(record, folder, "directory_changed", **said)

    directory.on_change(changed)
    try:
        yield directory
    finally:
        await directory.close()


@asynccontextmanager
async def copied(config: Config) -> AsyncIterator[Directory]:
    """Open a copy of the directory as it is now, whether or not a broker runs.

    Raises:
        DirectoryDamaged: it cannot be served.
        OperationFailed: it cannot be copied.
    """
    try:
        # Beside the original: a copy has the verifiers of passwords too.
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=config.data) as name:
            folder = Path(name)
            await asyncio.to_thread(copy_directory, config.data, folder)
            async with opened(config, folder) as directory:
                yield directory
    except OSError as problem:
        raise OperationFailed(f"{config.data}: {problem.strerror}") from None


def record(folder: Path, kind: str, **fields: Any) -> None:
    """Leave a line in a folder's audit trail, if it has one. Blocks.

    Raises:
        OperationFailed: it cannot be written.
    """
    who: dict[str, Any] = {"user": OPERATOR}
    with suppress(OSError, KeyError):
        who["os_user"] = getpass.getuser()
    try:
        add_line(folder, kind, {**who, **fields}, time=time.time())
    except (TrailError, OSError) as problem:
        raise OperationFailed(f"the audit line is not written: {problem}") from None
