"""The layout of `directory.db`: numbered steps, append-only, each whole or not at all.

A step that was released is never changed; the number of steps done is the file's
`user_version`. Every table's last column is a checksum over its name and the others.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from vestibule.server.directory.checksums import checksum
from vestibule.server.directory.errors import DirectoryDamaged


__all__ = ["MIGRATIONS", "migrate"]

Step: TypeAlias = tuple[str, ...] | Callable[[sqlite3.Connection], None]


def _memberships_by_user(connection: sqlite3.Connection) -> None:
    """Keep the groups of a user in one row: there are ten times as many as users."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    found = connection.execute(
        "SELECT username, group_name, checksum FROM memberships ORDER BY 1, 2"
    )
    for username, group, sum_ in found:
        if checksum("memberships", (username, group)) != sum_:
            raise DirectoryDamaged(
                "is damaged (a row of memberships): restore a backup",
                where="directory.db",
            )
        groups[username].append(group)
    connection.execute("DROP TABLE memberships")
    connection.execute(
        """CREATE TABLE memberships (
            username TEXT PRIMARY KEY,
            group_names BLOB NOT NULL,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID"""
    )
    rows = ((name, msgspec.msgpack.encode(sorted(of))) for name, of in groups.items())
    connection.executemany(
        "INSERT INTO memberships VALUES (?, ?, ?)",
        ((*row, checksum("memberships", row)) for row in rows),
    )


MIGRATIONS: Final[tuple[Step, ...]] = (
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
    # Tables of their own, not columns: the checksums of rows that are there stay good.
    (
        """CREATE TABLE locks (
            holder TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE implicit_groups (
            name TEXT PRIMARY KEY,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE trusted_properties (
            key TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            value TEXT NOT NULL,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE tokens (
            digest BLOB PRIMARY KEY,
            token_id TEXT NOT NULL UNIQUE,
            user_id TEXT NOT NULL,
            username TEXT NOT NULL,
            login_type TEXT NOT NULL,
            profile TEXT NOT NULL,
            issued_at INTEGER NOT NULL,
            broker_key BLOB NOT NULL,
            used INTEGER NOT NULL,
            active_at INTEGER NOT NULL,
            revoked_at INTEGER,
            reason TEXT,
            checksum BLOB NOT NULL
        ) WITHOUT ROWID""",
    ),
    _memberships_by_user,
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
    for number, step in enumerate(MIGRATIONS[done:], start=done + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if callable(step):
                step(connection)
            else:
                for statement in step:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
