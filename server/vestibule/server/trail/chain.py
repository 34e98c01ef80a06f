"""Checking a trail: which lines were edited, taken out, put in or moved.

Pure, and in one pass over the lines in their order, so that it needs no memory for a
long trail. Whoever can write the table can also make a whole new chain: that is what
the head is for.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vestibule.server.trail.head import Head
from vestibule.server.trail.lines import GENESIS, Line, digest


__all__ = ["CUT", "Fault", "Report", "check"]

CUT: Final = "lines_cut"
"""The kind of line that says what retention took from the beginning."""

_MOST_FAULTS: Final = 100
"""A trail with more is not read line by line by anybody."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and at which line."""

    seq: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.seq}: {self.problem}"


@dataclass(slots=True)
class Report:
    """What a check found; a trail without faults has not been changed inside."""

    lines: int = 0
    first: int | None = None
    head: Head | None = None
    """The last line; None of an empty trail."""
    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    """Faults beyond the first hundred."""
    cut: int = 0
    """The last line that retention took, 0 if it took none."""

    def fault(self, seq: int, problem: str) -> None:
        """Note one thing that is wrong."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(seq, problem))
        else:
            self.more += 1


def check(
    lines: Iterable[Line], *, heads: Iterable[Head] = (), part: bool = False
) -> Report:
    """Check a chain from its first line on, and that it holds the given heads.

    A head is the last line as somebody knew it once: the trail must hold that very
    line, unless retention has taken it since. Of a `part`, what is before its first
    line is not missed.
    """
    report = Report()
    wanted: dict[int, set[bytes]] = {}
    for head in heads:
        wanted.setdefault(head.seq, set()).add(head.hash)
    beginning: Line | None = None
    anchors: dict[int, bytes] = {}
    before: Line | None = None
    for line in lines:
        report.lines += 1
        if before is None:
            beginning = line
            report.first = line.seq
        else:
            _follows(report, before, line)
        if digest(line) != line.hash:
            report.fault(line.seq, "was edited: its hash is of something else")
        elif line.kind == CUT:
            anchors.update(_anchor(line))
        if wanted.pop(line.seq, {line.hash}) != {line.hash}:
            report.fault(line.seq, "is another line than the head says")
        before = line
    if before is not None:
        report.head = Head(before.seq, before.hash)
    report.cut = max(anchors, default=0)
    if beginning is not None and not part:
        _begins(report, beginning, anchors)
    for seq in sorted(wanted):
        _misses(report, seq, before)
    report.faults.sort(key=lambda fault: fault.seq)
    return report


def _follows(report: Report, before: Line, line: Line) -> None:
    if line.seq <= before.seq:
        report.fault(line.seq, f"stands behind line {before.seq}: it was moved")
    elif line.seq == before.seq + 2:
        report.fault(before.seq + 1, "is missing")
    elif line.seq > before.seq + 1:
        report.fault(before.seq + 1, f"is missing, with those up to {line.seq - 1}")
    elif line.previous != before.hash:
        report.fault(before.seq, f"was replaced: line {line.seq} follows another")


def _begins(report: Report, line: Line, anchors: dict[int, bytes]) -> None:
    """Check that what is missing before the first line is what retention took."""
    taken = line.seq - 1
    if line.seq == 1:
        if line.previous != GENESIS:
            report.fault(1, "was replaced: it follows another line")
    elif taken > report.cut:
        report.fault(report.cut + 1, f"is missing, with those up to {taken}")
    elif taken < report.cut:
        report.fault(line.seq, f"was cut, with those up to {report.cut}, and is here")
    elif anchors[taken] != line.previous:
        report.fault(line.seq, "does not follow the last line that was cut")


def _misses(report: Report, seq: int, last: Line | None) -> None:
    """Tell of a head that no line was; 0 is the head of an empty trail."""
    if seq == 0 or seq <= report.cut:
        return
    end = 0 if last is None else last.seq
    if seq > end:
        report.fault(
            end + 1, f"is missing, with those up to {seq}: the end was cut off"
        )
    # One that is missing inside has been told already.


def _anchor(line: Line) -> Iterator[tuple[int, bytes]]:
    """Read what retention says that it took last."""
    try:
        fields: dict[str, Any] = json.loads(line.fields)
        yield int(fields["last"]), bytes.fromhex(fields["last_hash"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return
