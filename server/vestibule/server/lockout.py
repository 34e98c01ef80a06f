"""Counting failed logins: per name and address, and per address.

Both tables are bounded, so an attacker who invents names or addresses makes the
broker forget, never grow. Times are seconds of a monotonic clock.
"""

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from vestibule.server.components import Caller
from vestibule.server.session import Session
from vestibule.server.turnstile import Turnstile


__all__ = ["AddressFailures", "Lockout", "OwnPasswords"]

_ENTRIES: Final = 10_000
"""Pairs, or addresses, that are remembered; the oldest goes first."""


class Lockout:
    """Refuses a name from an address after `attempts` failures, for `interval` seconds.

    Other addresses are not affected, so nobody can lock out another's user. Unknown
    names are counted like known ones. Attempts while locked extend nothing.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        attempts: int,
        interval: float,
        clock: Callable[[], float],
    ) -> None:
        self._enabled: Final = enabled
        self._attempts: Final = attempts
        self._interval: Final = interval
        self._clock: Final = clock
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()
        self.turnstile: Final = Turnstile()
        """Who is evaluated, and may fail yet: one for all that counts here."""

    def locked(self, username: str, address: str) -> float | None:
        """Give the seconds until the pair is free again, None if it is."""
        count, seconds = self._counted(username, address)
        return seconds if count >= self._attempts else None

    def failures_left(self, username: str, address: str) -> int | None:
        """Give how many failures more lock the pair, None if no number does."""
        if not self._enabled:
            return None
        count, _ = self._counted(username, address)
        return max(self._attempts - count, 0)

    def _counted(self, username: str, address: str) -> tuple[int, float]:
        """Give the failures that count, and the seconds for which they do."""
        count, last = self._failures.get((username, address), (0, 0.0))
        seconds = last + self._interval - self._clock()
        return (count, seconds) if seconds > 0 else (0, 0.0)

    def failed(self, username: str, address: str) -> None:
        """Count a failure of the pair; one whose interval has passed begins anew."""
        if not self._enabled:
            return
        count, _ = self._counted(username, address)
        self._failures.pop((username, address), None)
        self._failures[username, address] = (count + 1, self._clock())
        if len(self._failures) > _ENTRIES:
            self._failures.popitem(last=False)

    def succeeded(self, username: str, address: str) -> None:
        """Forget the failures of the pair."""
        self._failures.pop((username, address), None)


class AddressFailures:
    """Refuses an address that has failed `most` times within `window` seconds.

    A success does not clear it: one account of one's own would buy any number of
    guesses at others.
    """

    def __init__(self, *, most: int, window: float, clock: Callable[[], float]) -> None:
        self._most: Final = most
        self._window: Final = window
        self._clock: Final = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def retry_after(self, address: str) -> float | None:
        """Give the seconds until the address may try again, None if it may."""
        times = self._recent(address)
        if len(times) < self._most:
            return None
        return times[0] + self._window - self._clock()

    def failures_left(self, address: str) -> int:
        """Give how many failures more shut the address out."""
        return self._most - len(self._recent(address))

    def _recent(self, address: str) -> Sequence[float]:
        """Give the times of the failures that count, at most `most`, oldest first."""
        times = self._failures.get(address)
        if times is None:
            return ()
        since = self._clock() - self._window
        while times and times[0] <= since:
            times.popleft()
        if not times:
            del self._failures[address]
        return times

    def failed(self, address: str) -> None:
        """Count a failure of the address."""
        times = self._failures.setdefault(address, deque(maxlen=self._most))
        times.append(self._clock())
        self._failures.move_to_end(address)
        if len(self._failures) > _ENTRIES:
            self._failures.popitem(last=False)


class OwnPasswords:
    """Counts wrong old passwords of live sessions like failed logins of their user."""

    def __init__(
        self,
        lockout: Lockout,
        addresses: AddressFailures,
        sessions: Mapping[str, Session],
    ) -> None:
        self._lockout: Final = lockout
        self._addresses: Final = addresses
        self._sessions: Final = sessions

    def locked(self, caller: Caller) -> bool:
        """Whether the caller's user is locked from the caller's address."""
        address = self._address(caller)
        return self._lockout.locked(caller.username, address) is not None

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        """Wait while those under evaluation may use up every failure that is left.

        A user's sessions are many: side by side they guess no more than one would.
        """
        key = (caller.username, self._address(caller))
        turnstile = self._lockout.turnstile
        while (left := self._lockout.failures_left(*key)) and (
            turnstile.passing(key) >= left
        ):
            await turnstile.wait(key)
        with turnstile.under(key):
            yield

    def failed(self, caller: Caller) -> None:
        """Count a wrong old password, of the user and of the address.

        A success elsewhere clears the former: whoever has stolen a token has those.
        """
        address = self._address(caller)
        self._addresses.failed(address)
        self._lockout.failed(caller.username, address)

    def _address(self, caller: Caller) -> str:
        session = self._sessions.get(caller.session_id)
        return "" if session is None else session.remote_address
