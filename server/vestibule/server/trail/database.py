"""`audit.db`: the one table of the trail. Everything here blocks.

Append-only: a line is never changed, and only retention takes lines, from the
beginning. A batch that is reported as written has reached the disk.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from vestibule.server.trail.head import START, Head, TrailDamaged
from vestibule.server.trail.lines import Line
from vestibule.server.trail.queries import Query


__all__ = ["Database", "TrailError", "create"]

_LAYOUT: Final = 1
"""The file's `user_version`; a change of the layout is the next number and a step."""

_SCHEMA: Final = (
    """CREATE TABLE lines (
        seq INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        kind TEXT NOT NULL,
        user TEXT NOT NULL,
        session TEXT NOT NULL,
        action TEXT NOT NULL,
        path TEXT NOT NULL,
        verdict TEXT NOT NULL,
        fields TEXT NOT NULL,
        previous BLOB NOT NULL,
        hash BLOB NOT NULL
    )""",
    "CREATE INDEX lines_time ON lines (time)",
    "CREATE INDEX lines_user ON lines (user, seq)",
    """CREATE TRIGGER lines_are_not_edited BEFORE UPDATE ON lines
        BEGIN SELECT RAISE (ABORT, 'the trail is append-only'); END""",
    f"PRAGMA user_version = {_LAYOUT:d}",
)

_COLUMNS: Final = ", ".join(Line._fields)
_PLACES: Final = ", ".join("?" for _ in Line._fields)
_INSERT: Final = f"INSERT INTO lines ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608 - names of the program's own
_SELECT: Final = f"SELECT {_COLUMNS} FROM lines"  # noqa: S608 - as above

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_BUSY_SECONDS: Final = 5.0
"""How long a batch waits for another that is being written."""

_STEPS: Final = 10_000
"""SQLite's instructions between two looks at whether a query takes too long."""


_REFUSED: Final = (sqlite3.Error, UnicodeDecodeError, OverflowError)
"""What SQLite refuses with: its text may quote a damaged file, and be no text, and a
number may be more than a file should hold."""


class TrailError(Exception):
    """The database refused; the cause is its own error."""


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _REFUSED as problem:
        raise TrailError(str(problem)) from problem


def create(path: Path, lines: Sequence[Line]) -> None:
    """Make a database in one step: it is there completely or not at all.

    Raises:
        OSError, TrailError: it cannot be made.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    # SQLite gives its other files the mode of this one.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
    with _told():
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.executemany(_INSERT, lines)
            connection.execute("COMMIT")
        finally:
            connection.close()
    for rest in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    temporary.replace(path)


def _prepare(
    path: Path, connection: sqlite3.Connection, mode: int, *, write: bool
) -> None:
    """Look at mode and layout, and set what the file itself remembers."""
    if os.name == "posix" and mode & _OTHERS:
        text = f"others may use it (mode {mode:04o}): make it {_MODE:04o}"
        raise TrailDamaged(text, where=str(path))
    if write:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout != _LAYOUT:
        text = "is no audit trail, or one of another version of vestibule"
        raise TrailDamaged(text, where=str(path))


class Database:
    """An open trail, to read, or to read and write. One thread uses it at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: Final = connection

    @classmethod
    def open(cls, path: Path, *, write: bool = False) -> "Database":
        """Open a file that is there.

        Raises:
            TrailDamaged: it cannot be read, others may use it, or it is of a later
                version.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            uri = f"file:{quote(str(path))}?mode={'rw' if write else 'ro'}"
            connection = sqlite3.connect(
                uri,
                uri=True,
                isolation_level=None,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
            )
        except (OSError, *_REFUSED) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            raise TrailDamaged(f"cannot be used ({reason})", where=str(path)) from None
        try:
            _prepare(path, connection, mode, write=write)
        except _REFUSED as problem:
            connection.close()
            text = f"cannot be used ({problem})"
            raise TrailDamaged(text, where=str(path)) from None
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # Reading. Each raises a TrailError.

    def tail(self) -> Head:
        """Give the last line's number and hash."""
        return self._end("ORDER BY seq DESC") or START

    def head_at(self, seq: int) -> Head | None:
        """Give a line's number and hash, if it is there."""
        return self._end("WHERE seq = ?", seq)

    def _end(self, which: str, *values: int) -> Head | None:
        with _told():
            row = self._connection.execute(
                f"SELECT seq, hash FROM lines {which} LIMIT 1",  # noqa: S608 - texts of this class
                values,
            ).fetchone()
        return None if row is None else Head(*row)

    def first(self) -> tuple[int, int] | None:
        """Give number and time of the first line that is there."""
        with _told():
            row = self._connection.execute(
                "SELECT seq, time FROM lines ORDER BY seq LIMIT 1"
            ).fetchone()
        return None if row is None else (row[0], row[1])

    def last_time(self) -> int | None:
        """Give the time of the last line, if it has one."""
        with _told():
            row = self._connection.execute(
                "SELECT time FROM lines ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        return row[0] if row is not None and isinstance(row[0], int) else None

    def young(self, time: int) -> int | None:
        """Give the number of the first line that is younger than a time."""
        with _told():
            row = self._connection.execute(
                "SELECT seq FROM lines WHERE time > ? ORDER BY seq LIMIT 1", (time,)
            ).fetchone()
        return None if row is None else row[0]

    def lines(self, since: int = 0) -> Iterator[Line]:
        """Give all lines from a number on, in order."""
        with _told():
            for row in self._connection.execute(
                f"{_SELECT} WHERE seq >= ? ORDER BY seq", (since,)
            ):
                yield Line(*row)

    def select(self, query: Query, *, expired: Callable[[], bool]) -> list[Line]:
        """Give the lines that a query asks for, latest first, and one more if there is.

        It is interrupted, with a TrailError, once `expired` answers true.
        """
        conditions, values = query.conditions()
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        self._connection.set_progress_handler(expired, _STEPS)
        try:
            with _told():
                rows = self._connection.execute(
                    f"{_SELECT} {where}ORDER BY seq DESC LIMIT ?",
                    (*values, query.limit + 1),
                ).fetchall()
        finally:
            self._connection.set_progress_handler(None, 0)
        return [Line(*row) for row in rows]

    def problems(self) -> list[str]:
        """Ask SQLite whether its file is sound; empty if it is."""
        with _told():
            rows = self._connection.execute("PRAGMA integrity_check(10)").fetchall()
        return [line for (line,) in rows if line != "ok"]

    def backup(self, path: Path) -> None:
        """Copy all that is there now into a new file, also while somebody writes."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
        with _told():
            copy = sqlite3.connect(path)
            try:
                self._connection.backup(copy)
                # It stands by itself, without a file of what is still to be merged.
                copy.execute("PRAGMA journal_mode = DELETE")
            finally:
                copy.close()

    # Writing.

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write what the block writes, or nothing.

        Raises:
            TrailError: nothing was written.
        """
        with _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def append(self, lines: Iterable[Line]) -> None:
        """Add lines, within a transaction."""
        with _told():
            self._connection.executemany(_INSERT, lines)

    def cut(self, last: int) -> None:
        """Take the lines up to a number, within a transaction."""
        with _told():
            self._connection.execute("DELETE FROM lines WHERE seq <= ?", (last,))
