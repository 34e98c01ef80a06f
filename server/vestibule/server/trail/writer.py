"""The thread that writes the trail: takes lines, chains them, keeps the head.

Lines that cannot be written are kept and tried again; the broker goes on or refuses
meanwhile (`audit.on_failure`). Nothing here runs on the event loop.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from vestibule.server.trail.chain import CUT
from vestibule.server.trail.database import Database, TrailError
from vestibule.server.trail.head import Head, write_head
from vestibule.server.trail.lines import Draft, chained, drafts
from vestibule.server.trail.retention import Retention
from vestibule.server.trail.waiting import Entry, Share, Waiting


__all__ = ["Writer"]

_BATCH: Final = 256
"""Events of one transaction: some milliseconds of a thread's work."""

_GATHER: Final = 0.05
"""Seconds for which a line waits for others, unless somebody waits for it."""

_RETRY: Final = 1.0
"""Seconds until what could not be written is tried again."""

_RETENTION_EVERY: Final = 60.0
"""Seconds between two looks at what has become too old."""

_TELL_EVERY: Final = 3600.0
"""Seconds between two lines of the log that tell the head."""

_BREATH: Final = 32
"""Events after which the thread gives way to the loop."""

log = structlog.get_logger("vestibule.trail")


class Writer:
    """Owns the database from `start` until `join` has returned."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        key: bytes,
        waiting: Waiting,
        retention: Retention,
        *,
        now: Callable[[], float],
    ) -> None:
        self._folder: Final = folder
        self._database: Final = database
        self._key: Final = key
        self._waiting: Final = waiting
        self._retention: Final = retention
        self._now: Final = now
        self._written: Head | None = None
        self._told: Head | None = None
        self._next_look = 0.0
        self._next_telling = 0.0
        self.unwritten = 0
        """Lines that were left when it ended."""
        self._thread: Final = threading.Thread(
            target=self._run, name="vestibule audit trail", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until all that waits is written, or cannot be. Blocks."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while batch := self._waiting.take(_BATCH, gather=_GATHER):
                self._handle(batch)
                self._tell_head()
            self._tell_head(last=True)
        finally:
            self._database.close()

    def _handle(self, batch: list[Entry]) -> None:
        """Write a batch, for as long as that takes."""
        made = self._drafts(batch)
        while True:
            closed = self._waiting.closed
            try:
                self._write(made)
            except Exception as problem:  # noqa: BLE001 - others wait for this thread
                self._failed(problem)
                if not closed:
                    self._waiting.pause(_RETRY)
                    continue
                self.unwritten += len(made)
            break
        self._waiting.written(batch)

    def _drafts(self, batch: list[Entry]) -> list[Draft]:
        made: list[Draft] = []
        for number, (moment, kind, fields) in enumerate(batch):
            made.extend(_drafted(int(moment * 1000), kind, fields))
            if number % _BREATH == _BREATH - 1:
                time.sleep(0)
        return made

    def _write(self, made: list[Draft]) -> None:
        lost = self._losses()
        for kind, _, count in lost:
            told = {"of": kind, "count": count}
            made = [*made, *self._own("lines_lost", told)]
        with self._database.transaction():
            tail = self._append(made)
            cut = self._due()
            if cut is not None:
                last, told = cut
                tail = self._append(self._own(CUT, told), tail)
                self._database.cut(last)
        for _, share, count in lost:
            share.told += count
        self._written = tail
        self._waiting.no_refusals = self._retention.crowded(self._database)
        if self._waiting.failing:
            self._waiting.failing = False
            log.info("audit.written_again")
        self._keep_head(tail)

    def _append(self, made: list[Draft], tail: Head | None = None) -> Head:
        tail = self._tail() if tail is None else tail
        lines = []
        for draft in made:
            line = chained(draft, tail.seq + 1, tail.hash)
            tail = Head(line.seq, line.hash)
            lines.append(line)
        self._database.append(lines)
        return tail

    def _tail(self) -> Head:
        """Give the last line. A command may have added some behind the broker's last.

        Raises:
            TrailError: the line that was written last is gone or another one.
        """
        written = self._written
        if written is not None and self._database.head_at(written.seq) != written:
            raise TrailError(f"line {written.seq} is not the one that was written")
        return self._database.tail()

    def _due(self) -> tuple[int, dict[str, Any]] | None:
        soon = time.monotonic() < self._next_look
        if soon and not self._retention.too_many(self._database):
            return None
        self._next_look = time.monotonic() + _RETENTION_EVERY
        return self._retention.due(self._database)

    def _losses(self) -> list[tuple[str, Share, int]]:
        shares = {**self._waiting.shares, "deeds": self._waiting.deeds}
        return [
            (kind, share, share.lost - share.told)
            for kind, share in shares.items()
            if share.lost > share.told
        ]

    def _own(self, kind: str, fields: dict[str, Any]) -> list[Draft]:
        return list(drafts(int(self._now() * 1000), kind, fields))

    def _keep_head(self, head: Head) -> None:
        try:
            write_head(self._folder, self._key, head)
        except OSError as problem:
            # The table has the line; a head that is behind is made good by the next.
            log.error("audit.head_failed", problem=str(problem))  # noqa: TRY400 - the text says all

    def _failed(self, problem: Exception) -> None:
        if not self._waiting.failing:
            # The text of what is not the database's may hold anything.
            known = isinstance(problem, TrailError)
            text = str(problem) if known else type(problem).__name__
            log.error("audit.write_failed", problem=text)
        self._waiting.failed()

    def _tell_head(self, *, last: bool = False) -> None:
        """Put the head into the log: whoever keeps that can find a trail cut off."""
        head = self._written
        due = last or time.monotonic() >= self._next_telling
        if head is None or head == self._told or not due:
            return
        self._next_telling = time.monotonic() + _TELL_EVERY
        self._told = head
        log.info("audit.head", head=str(head))


def _drafted(time: int, kind: str, fields: Mapping[str, Any]) -> list[Draft]:
    """Make the lines of an event; one that cannot be told leaves a line all the same."""
    try:
        return list(drafts(time, kind, fields))
    except Exception as problem:  # noqa: BLE001 - the others have their lines
        return list(drafts(time, kind, {"failed": type(problem).__name__}))
