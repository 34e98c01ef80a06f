"""The directory as a document, and locks, on the host: without a broker running."""

from typing import Any

from vestibule.server.config import Config
from vestibule.server.folderlock import FolderLock
from vestibule.server.operations.folder import (
    OPERATOR,
    check_served,
    copied,
    opened,
)


__all__ = ["export_directory", "import_directory"]


async def export_directory(config: Config) -> dict[str, Any]:
    """Give the directory as one document; a broker may run.

    Raises:
        OperationFailed, ConfigError: it cannot be read.
    """
    check_served(config)
    async with copied(config) as directory:
        return directory.export_directory()


async def import_directory(
    config: Config, document: object, *, prune: bool, dry_run: bool
) -> list[dict[str, Any]]:
    """Make the directory what a document says, and give what that changes.

    A dry run works on a copy, so a broker may run; otherwise none may.

    Raises:
        FolderInUse: a broker runs.
        DirectoryError: it is refused, and nothing has changed.
        OperationFailed, ConfigError: the directory cannot be read or written.
    """
    check_served(config)
    if dry_run:
        async with copied(config) as directory:
            return await directory.import_directory(
                document, prune=prune, dry_run=True, by=OPERATOR
            )
    with FolderLock(config.data):
        async with opened(config, config.data) as directory:
            return await directory.import_directory(document, prune=prune, by=OPERATOR)
