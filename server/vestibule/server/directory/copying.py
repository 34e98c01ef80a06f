"""A copy of a directory that may be in use, and SQLite's own look at the file.

Everything here blocks.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from vestibule.server.directory.checksums import checksum
from vestibule.server.directory.epochfile import write_epoch
from vestibule.server.directory.errors import DirectoryDamaged
from vestibule.server.directory.opening import DATABASE, EPOCH
from vestibule.server.directory.rows import Table


__all__ = ["check_rows", "copy_directory", "epoch_of", "problems_of"]

_MODE: Final = 0o600
_BUSY_SECONDS: Final = 5.0


def copy_directory(folder: Path, into: Path) -> int:
    """Copy database and epoch as they are after some whole change; give its epoch.

    A broker that runs goes on writing meanwhile.

    Raises:
        DirectoryDamaged: the database cannot be read.
        OSError: the copy cannot be written.
    """
    copy = into / DATABASE
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
    with _reading(folder / DATABASE) as source, closing(sqlite3.connect(copy)) as made:
        # All pages in one step: one transaction, so one state.
        source.backup(made)
        epoch = _epoch(made, folder)
        # The copy stands by itself, without a file of what is still to be merged.
        made.execute("PRAGMA journal_mode = DELETE")
    write_epoch(into / EPOCH, epoch)
    return epoch


def epoch_of(folder: Path) -> int:
    """Give the epoch of the database as it is now.

    Raises:
        DirectoryDamaged: it cannot be read.
    """
    with _reading(folder / DATABASE) as connection:
        return _epoch(connection, folder)


def _epoch(connection: sqlite3.Connection, folder: Path) -> int:
    found = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchall()
    if len(found) != 1 or not isinstance(found[0][0], bytes):
        raise DirectoryDamaged("has no epoch", where=str(folder / DATABASE))
    return int.from_bytes(found[0][0], "big")


def check_rows(folder: Path) -> None:
    """Check the checksum of every row, without changing the file.

    Raises:
        DirectoryDamaged: naming the table.
    """
    with _reading(folder / DATABASE) as connection:
        # A file that an earlier version left has not all tables yet.
        there = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )
        }
        for table in Table:
            if table.title not in there:
                continue
            columns = ", ".join((*table.columns, "checksum"))
            for row in connection.execute(f'SELECT {columns} FROM "{table.title}"'):  # noqa: S608 - names of the program's own
                if checksum(table.title, row[:-1]) != row[-1]:
                    raise DirectoryDamaged(
                        f"is damaged (a row of {table.title}): restore a backup",
                        where=str(folder / DATABASE),
                    )


def problems_of(folder: Path) -> list[str]:
    """Ask SQLite whether the database is sound; empty if it is.

    Raises:
        DirectoryDamaged: it cannot be read.
    """
    with _reading(folder / DATABASE) as connection:
        rows = connection.execute("PRAGMA integrity_check(10)").fetchall()
    return [line for (line,) in rows if line != "ok"]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)
        ) as connection:
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as problem:
        # The text of SQLite's own errors quotes a damaged file, and may be no text.
        raise DirectoryDamaged(f"cannot be used ({problem})", where=str(path)) from None
