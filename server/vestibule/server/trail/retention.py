"""What is taken from the beginning of a trail, and the line that says so."""

from collections.abc import Callable
from typing import Any, Final, Protocol

from vestibule.server.trail.database import Database


__all__ = ["Limits", "Retention"]

_SLACK: Final = 100
"""A hundredth of the limit goes at once, so that few lines tell of it."""


class Limits(Protocol):
    """How much is kept; the section `audit` of the configuration."""

    @property
    def max_lines(self) -> int:
        """Lines that are kept at most, as far as `min_age` allows."""

    @property
    def max_age(self) -> float | None:
        """Seconds after which a line goes; None: none goes for its age."""

    @property
    def min_age(self) -> float:
        """Seconds for which no line goes because there are too many."""


class Retention:
    """Decides, by number and age, how far a trail is to be cut."""

    def __init__(self, limits: Limits, *, now: Callable[[], float]) -> None:
        self._limits: Final = limits
        self._slack: Final = max(limits.max_lines // _SLACK, 1)
        self._now: Final = now

    def due(self, database: Database) -> tuple[int, dict[str, Any]] | None:
        """Give the last line to go, and what to tell of it; None if all may stay.

        Raises:
            TrailError: it cannot be read.
        """
        first = database.first()
        if first is None:
            return None
        kept, last = first[0], database.tail().seq
        start = max(
            kept, self._for_number(database, kept, last), self._for_age(database)
        )
        # The last line stays: the chain goes on from it.
        cut = min(start - 1, last - 1)
        head = database.head_at(cut)
        if cut < kept or head is None:
            return None
        told = {"first": kept, "last": cut, "last_hash": head.hash.hex()}
        return cut, {**told, "count": cut - kept + 1}

    def too_many(self, database: Database) -> bool:
        """Whether there are more lines than are kept, and so many that it is worth it.

        Raises:
            TrailError: it cannot be read.
        """
        first = database.first()
        return first is not None and self._over(first[0], database.tail().seq) > 0

    def crowded(self, database: Database) -> bool:
        """Whether there are too many lines, and even the first is too young to go.

        Then no more refusals are taken: otherwise whoever makes enough of them would
        push out what was recorded of deeds.

        Raises:
            TrailError: it cannot be read.
        """
        first = database.first()
        if first is None or database.tail().seq - first[0] < self._limits.max_lines:
            return False
        return first[1] > self._before(self._limits.min_age)

    def _for_number(self, database: Database, kept: int, last: int) -> int:
        over = self._over(kept, last)
        if over == 0:
            return kept
        young = database.young(self._before(self._limits.min_age))
        wanted = kept + over
        return wanted if young is None else min(wanted, young)

    def _over(self, kept: int, last: int) -> int:
        """Give how many lines are to go for their number."""
        over = last - kept + 1 - self._limits.max_lines
        return over if over >= self._slack else 0

    def _for_age(self, database: Database) -> int:
        age = self._limits.max_age
        if age is None:
            return 0
        young = database.young(self._before(age))
        return database.tail().seq if young is None else young

    def _before(self, seconds: float) -> int:
        return int((self._now() - seconds) * 1000)
