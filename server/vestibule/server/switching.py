"""Making a live session somebody else: in one step, and in force before it is told."""

from collections.abc import Callable
from typing import Final, TypeAlias

import structlog

from vestibule.server.admissions import Admission
from vestibule.server.audit import AuditLog
from vestibule.server.directory import Directory
from vestibule.server.errors import place_of
from vestibule.server.following import Following
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions


__all__ = ["Became", "Leaving", "Switching"]

log = structlog.get_logger("vestibule.broker")

Leaving: TypeAlias = Callable[[Session, Admission], None]
"""Hears of a session that is still who it was, and whom it is about to be."""

Became: TypeAlias = Callable[[Session, Admission], None]
"""Hears of a session that is somebody else now, and by which login it was there."""


class Switching:
    """Puts a new login of a session into force.

    Who hears of it does so before the session is answered, in the order of `hear`.
    """

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        following: Following,
        *,
        audit: AuditLog,
    ) -> None:
        self._directory: Final = directory
        self._sessions: Final = sessions
        self._following: Final = following
        self._audit: Final = audit
        self._leaving: list[Leaving] = []
        self._became: list[Became] = []

    def hear(
        self, *, leaving: Leaving | None = None, became: Became | None = None
    ) -> None:
        """Have somebody hear of each switch, before it, after it, or both."""
        if leaving is not None:
            self._leaving.append(leaving)
        if became is not None:
            self._became.append(became)

    async def switch(self, session: Session, admission: Admission) -> None:
        """Make a session whom `admission` says; nothing of the change is in between.

        When it returns, all that the session holds is decided for whom it is now. A
        session of which somebody could not be told is dropped: it may keep what is
        another's.
        """
        before, was = session.admission, session.username
        try:
            for leaving in self._leaving:
                leaving(session, admission)
            session.become(admission, self._directory.policy)
            self._sessions.moved(session, was)
            for became in self._became:
                became(session, before)
        except Exception as problem:  # noqa: BLE001 - whatever it is, nobody goes on
            log.error(  # noqa: TRY400 - the text may hold login data
                "session.not_switched",
                session=session.id,
                exception=type(problem).__name__,
                place=place_of(problem),
            )
            session.link.fail()
            return
        self._audit.note(
            "session_changed",
            session_id=session.id,
            username=session.username,
            what="principal",
            was=was,
            authenticator=session.authenticator,
        )
        await self._following.recheck_session(session)
