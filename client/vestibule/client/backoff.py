"""The delays and attempts that a `Reconnect` gives, one outage after the other."""

from secrets import SystemRandom
from typing import Final

from vestibule.client.reconnect import Reconnect


__all__ = ["Backoff"]

_random: Final = SystemRandom()


class Backoff:
    """The delays of one session's reconnections. Times are those of one clock."""

    __slots__ = ("_delays", "_left", "_opened", "_setting")

    def __init__(self, setting: Reconnect) -> None:
        self._setting = setting
        self._delays = 0
        self._left = setting.attempts
        self._opened: float | None = None

    def opened(self, now: float) -> None:
        """Note that a session is open."""
        self._opened = now

    def lost(self, now: float) -> None:
        """Note that it was lost; a long life makes the delays start anew."""
        if self._opened is not None and now - self._opened >= self._setting.most:
            self._delays = 0
        self._opened = None
        self._left = self._setting.attempts

    def delay(self, least: float = 0.0) -> float | None:
        """Give the seconds until the next attempt; None: no attempt is left."""
        if self._left is not None:
            if self._left == 0:
                return None
            self._left -= 1
        setting = self._setting
        try:
            whole = min(setting.first * setting.factor**self._delays, setting.most)
        except OverflowError:
            whole = setting.most
        self._delays += 1
        return max(_random.uniform(whole / 2, whole), least)
