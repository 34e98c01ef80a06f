"""When a lost connection is tried again: the setting."""

import math
from dataclasses import dataclass


__all__ = ["Reconnect"]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a session whose connection was lost is taken up again.

    The delay before attempt n (from 0) is random between half and all of
    `min(first * factor ** n, most)` seconds, and never below what the broker asked
    for. `attempts` bounds the attempts of one outage; None: no bound.

    Raises:
        ValueError: a number that makes no schedule.
    """

    first: float = 0.25
    factor: float = 2.0
    most: float = 30.0
    attempts: int | None = None

    def __post_init__(self) -> None:
        numbers = (self.first, self.factor, self.most)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("first, factor and most are finite numbers")
        if self.first < 0 or self.most < 0 or self.factor < 1:
            raise ValueError("first and most are at least 0, factor at least 1")
        if self.attempts is not None and self.attempts < 1:
            raise ValueError("attempts is at least 1, or None")
