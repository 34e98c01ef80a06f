"""The end of sessions at the time that their `$ExpiryTime` names."""

import asyncio
from collections.abc import Callable
from typing import Final

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.deadlines import Deadlines
from vestibule.server.session import Session


__all__ = ["SessionExpiry"]

_LONGEST: Final = 10.0
"""Seconds between two looks: what is over is forgotten by then."""


class _Look:
    """A session and when it ends, unless it has another time by then."""

    __slots__ = ("_clock", "_ends", "_session", "over")

    def __init__(
        self, session: Session, ends: float, clock: Callable[[], float]
    ) -> None:
        self._session: Final = session
        self._ends: Final = ends
        self._clock: Final = clock
        self.over = False

    @property
    def due(self) -> float:
        return min(self._ends, self._clock() + _LONGEST)

    def late(self) -> None:
        self._session.link.end(CloseCode.SESSION_EXPIRED, EndReason.EXPIRED)


class SessionExpiry:
    """Ends sessions in time, without waiting for a message of theirs.

    `now` is the wall clock, in seconds. It is asked once, when a time is set: what is
    left then is measured by the clock of the loop, which nobody sets.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]
    ) -> None:
        self._loop: Final = loop
        self._now: Final = now
        self._deadlines: Final = Deadlines(loop)
        self._looks: dict[Session, _Look] = {}

    def watch(self, session: Session) -> None:
        """End a session when its time has come; to be told of each new time."""
        self.forget(session)
        at = session.expires_at
        if at is None or session.ended:
            return
        left = at / 1000 - self._now()
        if left <= 0:
            session.link.end(CloseCode.SESSION_EXPIRED, EndReason.EXPIRED)
            return
        ends = self._loop.time() + left
        look = self._looks[session] = _Look(session, ends, self._loop.time)
        self._deadlines.watch(look)

    def forget(self, session: Session) -> None:
        """Look at a session no more."""
        look = self._looks.pop(session, None)
        if look is not None:
            look.over = True
