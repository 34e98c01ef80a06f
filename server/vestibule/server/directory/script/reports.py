"""What is wrong with a script: where, and in words for people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final


__all__ = ["Fault", "Report", "in_order"]

_MOST: Final = 100
"""Reports that are answered: more than anybody reads at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a line, and in which column. It names no password."""

    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong, and where. Lines and columns begin with 1."""

    message: str
    line: int
    column: int

    @property
    def shape(self) -> dict[str, Any]:
        """How it is sent."""
        return {"message": self.message, "line": self.line, "column": self.column}


def in_order(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Give reports by line, as many as are answered."""
    return tuple(sorted(reports, key=lambda report: report.line)[:_MOST])
