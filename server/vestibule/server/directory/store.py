"""`directory.db`: the only module that talks to SQLite.

One connection writes, in transactions that begin at once; another, read-only, reads.
A transaction that is reported as written has reached the disk.
"""

import asyncio
import logging
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiosqlite

from vestibule.server.directory.checksums import checksum
from vestibule.server.directory.errors import DirectoryDamaged
from vestibule.server.directory.migrations import migrate
from vestibule.server.directory.rows import Drop, Operation, Put, Row, Table


__all__ = ["Store", "StoreError", "create"]

_EPOCH_KEY: Final = "epoch"
"""The key in `meta` of the number of the last change."""

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_BUSY_MS: Final = 5_000
"""How long a transaction waits for a backup that reads at the same time."""

_UNREADABLE: Final = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What a damaged file is noticed by. SQLite's own text quotes it, and may be no text."""

# At DEBUG it would write every parameter into the log, verifiers of passwords too.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class StoreError(Exception):
    """Nothing was written; the cause is the database's own error, if it had one."""


def _put(table: Table) -> str:
    columns = ", ".join((*table.columns, "checksum"))
    places = ", ".join("?" for _ in (*table.columns, "checksum"))
    return f'INSERT OR REPLACE INTO "{table.title}" ({columns}) VALUES ({places})'  # noqa: S608 - names of the program's own


def _drop(table: Table) -> str:
    keys = " AND ".join(f"{column} = ?" for column in table.columns[: table.keys])
    return f'DELETE FROM "{table.title}" WHERE {keys}'  # noqa: S608 - as above


_PUTS: Final = {table: _put(table) for table in Table}
_DROPS: Final = {table: _drop(table) for table in Table}


def _statement(operation: Operation) -> str:
    match operation:
        case Put(table):
            return _PUTS[table]
        case Drop(table):
            return _DROPS[table]


def _parameters(operation: Operation) -> Row:
    match operation:
        case Put(table, row):
            return (*row, checksum(table.title, row))
        case Drop(_, key):
            return key


def _batches(operations: Iterable[Operation]) -> Iterator[tuple[str, Iterable[Row]]]:
    """Give the statements in order, runs of equal ones as one with all their rows.

    Checksums are made as the rows are taken: in the database's thread.
    """
    for statement, run in groupby(operations, key=_statement):
        yield statement, map(_parameters, list(run))


def _epoch_row(epoch: int) -> Put:
    return Put(Table.META, (_EPOCH_KEY, epoch.to_bytes(8, "big")))


def create(path: Path, operations: Iterable[Operation], epoch: int) -> None:
    """Make a whole database in one step: it is there completely or not at all. Blocks.

    Raises:
        OSError, sqlite3.Error: it cannot be made.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    # SQLite gives its other files the mode of this one.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
    connection = sqlite3.connect(temporary, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection, str(path))
        connection.execute("BEGIN IMMEDIATE")
        for statement, rows in _batches((*operations, _epoch_row(epoch))):
            connection.executemany(statement, rows)
        connection.execute("COMMIT")
    finally:
        connection.close()
    for rest in ("-wal", "-shm", "-journal"):
        # Left by a database that is gone, it would be taken for this one's.
        path.with_name(path.name + rest).unlink(missing_ok=True)
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the folder's entries on disk, where the system can do that. Blocks."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """An open database. `open` makes it, `close` must be awaited at the end."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection
    ) -> None:
        self._path: Final = path
        self._writer: Final = writer
        self._reader: Final = reader
        # Transactions of one connection would run into each other.
        self._writing: Final = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Open a file that is there, and bring its layout up to date.

        Raises:
            DirectoryDamaged: it cannot be read, or is of a later version.
        """
        opened: list[aiosqlite.Connection] = []
        try:
            await asyncio.to_thread(_prepare, path)
            for mode in ("rw", "ro"):
                uri = f"file:{quote(str(path))}?mode={mode}"
                opened.append(
                    await aiosqlite.connect(uri, uri=True, isolation_level=None)
                )
            writer, reader = opened
            await writer.execute(f"PRAGMA busy_timeout = {_BUSY_MS:d}")
            await writer.execute("PRAGMA synchronous = FULL")
        except BaseException as problem:
            for connection in opened:
                await connection.close()
            if isinstance(problem, _UNREADABLE):
                raise _damaged(path, problem) from None
            raise
        return cls(path, writer, reader)

    async def load(self) -> tuple[int, dict[Table, list[Row]]]:
        """Read everything, checked: SQLite's own structure and every row's checksum.

        Raises:
            DirectoryDamaged: naming the file, and the table where it is known.
        """
        rows: dict[Table, list[Row]] = {}
        try:
            for (line,) in await self._all("PRAGMA quick_check(1)"):
                if line != "ok":
                    raise DirectoryDamaged(
                        f"is damaged ({line}): restore a backup", where=str(self._path)
                    )
            for table in Table:
                columns = ", ".join((*table.columns, "checksum"))
                found = await self._all(f'SELECT {columns} FROM "{table.title}"')  # noqa: S608 - names of the program's own
                rows[table] = [self._checked(table, tuple(row)) for row in found]
        except _UNREADABLE as problem:
            raise _damaged(self._path, problem) from None
        meta: dict[str, bytes] = dict(rows[Table.META])
        if _EPOCH_KEY not in meta:
            raise DirectoryDamaged(
                "is damaged (no epoch): restore a backup", where=str(self._path)
            )
        return int.from_bytes(meta[_EPOCH_KEY], "big"), rows

    def _checked(self, table: Table, row: Row) -> Row:
        values = row[:-1]
        if checksum(table.title, values) != row[-1]:
            raise DirectoryDamaged(
                f"is damaged (a row of {table.title}): restore a backup",
                where=str(self._path),
            )
        return values

    async def _all(self, statement: str) -> Iterable[Sequence[Any]]:
        return await self._reader.execute_fetchall(statement)

    async def write(
        self, operations: Sequence[Operation], *, before: int, after: int
    ) -> None:
        """Write one transaction that leads from one epoch to another.

        They are equal for what makes no epoch. The file must still be at `before`:
        nobody else writes to it.

        Raises:
            StoreError: nothing was written.
        """
        async with self._writing:
            await self._begin()
            try:
                await self._check_epoch(before)
                await self._finish((*operations, _epoch_row(after)))
            except BaseException:
                await self._roll_back()
                raise

    async def put(self, operations: Sequence[Operation]) -> None:
        """Write one transaction of what belongs to no epoch.

        Raises:
            StoreError: nothing was written.
        """
        async with self._writing:
            await self._begin()
            try:
                await self._finish(operations)
            except BaseException:
                await self._roll_back()
                raise

    async def _begin(self) -> None:
        try:
            await self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as problem:
            raise StoreError("no transaction can begin") from problem

    async def _check_epoch(self, epoch: int) -> None:
        try:
            found = await self._writer.execute_fetchall(
                "SELECT value FROM meta WHERE key = ?", (_EPOCH_KEY,)
            )
        except sqlite3.Error as problem:
            raise StoreError("the transaction failed") from problem
        if [int.from_bytes(value, "big") for (value,) in found] != [epoch]:
            raise StoreError("another process has changed the directory")

    async def _finish(self, operations: Iterable[Operation]) -> None:
        """Write into the transaction that has begun, and commit it."""
        try:
            for statement, rows in _batches(operations):
                await self._writer.executemany(statement, rows)
            await self._writer.execute("COMMIT")
        except sqlite3.Error as problem:
            raise StoreError("the transaction failed") from problem

    async def _roll_back(self) -> None:
        if not self._writer.in_transaction:
            return  # SQLite has done so itself, as it does when the disk is full.
        try:
            await self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            # What is not committed is not there; the next BEGIN will tell.
            return

    async def close(self) -> None:
        """Close both connections; what was written stays."""
        await self._reader.close()
        await self._writer.close()


def _prepare(path: Path) -> None:
    """Look at the file's mode, and set what the file itself remembers. Blocks."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & _OTHERS:
        problem = f"others may use it (mode {mode:04o}): make it {_MODE:04o}"
        raise DirectoryDamaged(problem, where=str(path))
    uri = f"file:{quote(str(path))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS:d}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, str(path))


def _damaged(path: Path, problem: Exception) -> DirectoryDamaged:
    return DirectoryDamaged(f"cannot be used ({problem})", where=str(path))
