"""Starting a trail: begun at the first start, checked and gone on with at the others.

Everything here blocks.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vestibule.server.trail.chain import Report, check
from vestibule.server.trail.database import Database, TrailError, create
from vestibule.server.trail.head import (
    DATABASE,
    HEAD_FILE,
    KEY_FILE,
    START,
    Head,
    TrailDamaged,
    make_key,
    read_head,
    read_key,
    write_head,
)
from vestibule.server.trail.lines import GENESIS, chained, drafts


__all__ = ["Opened", "add_line", "open_trail", "verify"]

_LOOKED_AT: Final = 1_000
"""Lines that a start checks; `vestibule audit verify` checks all."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The files of a trail, open."""

    writer: Database
    reader: Database
    key: bytes


def open_trail(folder: Path, now: Callable[[], float]) -> Opened:
    """Open the trail of a folder, beginning one where there is none.

    Raises:
        TrailDamaged: a file is missing, or the end is not where the head says.
    """
    if not (folder / DATABASE).exists():
        _begin(folder, now)
    key = read_key(folder)
    head = read_head(folder, key)
    writer = Database.open(folder / DATABASE, write=True)
    try:
        _check_end(folder, writer, head)
        reader = Database.open(folder / DATABASE)
    except BaseException:
        writer.close()
        raise
    return Opened(writer, reader, key)


def verify(folder: Path, expected: list[Head]) -> Report:
    """Check the whole trail of a folder, and that it holds the heads that are given.

    A broker may go on writing meanwhile.

    Raises:
        TrailDamaged: a file is missing or cannot be used.
    """
    key = read_key(folder) if (folder / KEY_FILE).exists() else None
    # Before the lines: those that come meanwhile stand behind it.
    head = read_head(folder, key)
    with closing(Database.open(folder / DATABASE)) as database:
        try:
            return check(database.lines(), heads=[head, *expected])
        except TrailError as problem:
            raise TrailDamaged(
                f"cannot be read ({problem})", where=str(folder / DATABASE)
            ) from None


def add_line(
    folder: Path, kind: str, fields: Mapping[str, Any], *, time: float
) -> Head | None:
    """Add the line of a command, whether or not a broker runs; None without a trail.

    Raises:
        TrailDamaged: the trail cannot be gone on with.
        TrailError, OSError: it cannot be written.
    """
    if not (folder / DATABASE).exists():
        return None
    key = read_key(folder)
    head = read_head(folder, key)
    with closing(Database.open(folder / DATABASE, write=True)) as database:
        with database.transaction():
            _check_end(folder, database, head)
            tail = database.tail()
            lines = []
            for draft in drafts(int(time * 1000), kind, fields):
                line = chained(draft, tail.seq + 1, tail.hash)
                lines.append(line)
                tail = Head(line.seq, line.hash)
            database.append(lines)
        write_head(folder, key, tail, sync=True)
    return tail


def _begin(folder: Path, now: Callable[[], float]) -> None:
    """Make the files, in an order that can be gone on with after a crash."""
    database, head = folder / DATABASE, folder / HEAD_FILE
    try:
        key = read_key(folder) if os.path.lexists(folder / KEY_FILE) else None
        if os.path.lexists(head) and read_head(folder, key) != START:
            raise TrailDamaged(
                f"is missing, and {HEAD_FILE} knows it: restore a backup, or take "
                f"{HEAD_FILE} away to begin another trail",
                where=str(database),
            )
        if key is None:
            key = make_key(folder)
        write_head(folder, key, START, sync=True)
        (draft,) = drafts(int(now() * 1000), "trail_begun", {})
        line = chained(draft, 1, GENESIS)
        create(database, [line])
        write_head(folder, key, Head(line.seq, line.hash), sync=True)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        text = f"cannot be made: {reason}"
        raise TrailDamaged(text, where=str(database)) from None
    except TrailError as problem:
        text = f"cannot be made: {problem}"
        raise TrailDamaged(text, where=str(database)) from None


def _check_end(folder: Path, database: Database, head: Head) -> None:
    """Check the last lines, and that the head is among them.

    The table may be ahead of the head: the process died between the two.

    Raises:
        TrailDamaged: naming the file and what is wrong.
    """
    where = str(folder / DATABASE)
    try:
        first, tail = database.first(), database.tail()
        start = 1 if first is None else first[0]
        begin = max(min(head.seq, tail.seq - _LOOKED_AT + 1), start)
        report = check(database.lines(begin), heads=[head], part=begin > start)
    except TrailError as problem:
        raise TrailDamaged(f"cannot be read ({problem})", where=where) from None
    if report.faults:
        text = f"was changed: {report.faults[0]}; see `vestibule audit verify`"
        raise TrailDamaged(text, where=where)
