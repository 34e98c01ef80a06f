"""The layout of `directory.db`: numbered steps, append-only, each whole or not at all.

A step that was released is never changed; the number of steps done is the file's
`user_version`. Every table's last column is a checksum over its name and the others.
"""

import sqlite3
from typing import Final

from vestibule.server.directory.errors import DirectoryDamaged


__all__ = ["MIGRATIONS", "migrate"]

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE meta (
            key TEXT PRIMARY KEY,
            value BLOB NOT NULL,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE users (
            username TEXT PRIMARY KEY,
            user_id TEXT NOT NULL UNIQUE,
            custom_data BLOB NOT NULL,
            application_data BLOB NOT NULL,
            public_key BLOB,
            disabled INTEGER NOT NULL,
            expires INTEGER,
            password TEXT,
            created INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE "groups" (
            name TEXT PRIMARY KEY,
            custom_data BLOB NOT NULL,
            global_permissions TEXT NOT NULL,
            default_path_permissions TEXT NOT NULL,
            created INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE memberships (
            username TEXT NOT NULL,
            group_name TEXT NOT NULL,
            checksum BLOB NOT NULL,
            PRIMARY KEY (username, group_name)
        ) WITHOUT ROWID""",
        """CREATE TABLE includes (
            group_name TEXT NOT NULL,
            included TEXT NOT NULL,
            checksum BLOB NOT NULL,
            PRIMARY KEY (group_name, included)
        ) WITHOUT ROWID""",
        """CREATE TABLE rules (
            holder TEXT NOT NULL,
            section TEXT NOT NULL,
            path TEXT NOT NULL,
            allowed TEXT NOT NULL,
            prohibited TEXT NOT NULL,
            deep INTEGER NOT NULL,
            description TEXT,
            checksum BLOB NOT NULL,
            PRIMARY KEY (holder, section, path)
        ) WITHOUT ROWID""",
        """CREATE TABLE assignments (
            group_name TEXT NOT NULL,
            path TEXT NOT NULL,
            permissions TEXT NOT NULL,
            checksum BLOB NOT NULL,
            PRIMARY KEY (group_name, path)
        ) WITHOUT ROWID""",
        """CREATE TABLE isolated_paths (
            path TEXT PRIMARY KEY,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE session_roles (
            kind TEXT NOT NULL,
            group_name TEXT NOT NULL,
            checksum BLOB NOT NULL,
            PRIMARY KEY (kind, group_name)
        ) WITHOUT ROWID""",
    ),
)


def migrate(connection: sqlite3.Connection, file: str) -> None:
    """Bring a file to the layout of today. Blocks; the connection is in autocommit.

    Raises:
        DirectoryDamaged: the file is of a later version of this program.
        sqlite3.Error: it cannot be read or written.
    """
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    if done > len(MIGRATIONS):
        raise DirectoryDamaged(
            "was written by a later version of vestibule", where=file
        )
    for number, statements in enumerate(MIGRATIONS[done:], start=done + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
