"""The end of sessions at the time that their `$ExpiryTime` names."""

import asyncio
from collections.abc import Callable
from typing import Final

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.deadlines import Deadlines
from vestibule.server.session import Session


__all__ = ["SessionExpiry"]

_LONGEST: Final = 10.0
"""Seconds between two looks at the wall clock, which may have been set."""


class _Look:
    """When to look at a session next, unless it is looked at for another time."""

    __slots__ = ("_session", "_watch", "due", "over")

    def __init__(
        self, session: Session, due: float, watch: Callable[[Session], None]
    ) -> None:
        self._session: Final = session
        self._watch: Final = watch
        self.due: Final = due
        self.over = False

    def late(self) -> None:
        self._watch(self._session)


class SessionExpiry:
    """Ends sessions in time, without waiting for a message of theirs.

    `now` is the wall clock, in seconds.
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
        due = self._loop.time() + min(left, _LONGEST)
        look = self._looks[session] = _Look(session, due, self.watch)
        self._deadlines.watch(look)

    def forget(self, session: Session) -> None:
        """Look at a session no more."""
        look = self._looks.pop(session, None)
        if look is not None:
            look.over = True
