"""Ending a lock on the host: nobody in the broker is above one (docs/stores.md, "Locks")."""

import asyncio

from vestibule.server.config import Config
from vestibule.server.folderlock import FolderLock
from vestibule.server.operations.folder import check_served, opened, record


__all__ = ["unlock"]


async def unlock(config: Config, kind: str, name: str) -> str | None:
    """End the lock of a `user` or a `group`; give whose it was, None without one.

    No broker may run. The line in the audit trail goes first: no lock ends without.

    Raises:
        OperationFailed: there is no directory, or the line is not written.
        ConfigError: a broker runs, or the directory cannot be served.
        DirectoryError: nobody has this name, or the disk refuses.
    """
    check_served(config)
    with FolderLock(config.data):
        async with opened(config, config.data) as directory:
            principal = directory.locked_by(kind, name)
            if principal is not None:
                command = f"{kind} unlock"
                said = {"command": command, "name": name, "principal": principal}
                await asyncio.to_thread(record, config.data, "operator_command", **said)
                await directory.unlock(kind, name)
    return principal
