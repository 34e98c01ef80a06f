"""Time that moves when it is told to."""

__all__ = ["ManualClock"]


class ManualClock:
    """A clock for whatever takes one: calling it gives seconds, `advance` moves it."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Give the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now += seconds
