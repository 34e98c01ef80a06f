"""Bringing changes into force for live sessions, before they are acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeAlias

import structlog

from vestibule.protocol.errors import EndReason
from vestibule.server.audit import AuditLog
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory, DirectoryChange, ScriptRun
from vestibule.server.directory.difference import differences
from vestibule.server.hooks import Hooks
from vestibule.server.revocation import revoke
from vestibule.server.router import Feature
from vestibule.server.schemes.tickets import Tickets
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions
from vestibule.server.tasks import Tasks


__all__ = ["Begun", "Following", "Over", "Told"]

log = structlog.get_logger("vestibule.broker")

Told: TypeAlias = Callable[[DirectoryChange, Sequence[Session]], Awaitable[None]]
"""Hears of a change that is in force, and of the sessions whose rights it changed."""

Begun: TypeAlias = Callable[[Session], None]
"""Hears that a session has logged in."""

Over: TypeAlias = Callable[[Session, EndReason], None]
"""Hears that a session is over, and why."""


class Following:
    """Makes live sessions follow the directory, and features follow sessions.

    `tasks` owns what an end goes on with when the session is gone.
    """

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        hooks: Hooks,
        *,
        tickets: Tickets,
        counters: Counters,
        audit: AuditLog,
        tasks: Tasks,
    ) -> None:
        self._directory: Final = directory
        self._sessions: Final = sessions
        self._features: Sequence[Feature] = ()
        self._hooks: Final = hooks
        self._tickets: Final = tickets
        self._counters: Final = counters
        self._audit: Final = audit
        self._tasks: Final = tasks
        self._told: list[Told] = []
        self._begun: list[Begun] = []
        self._over: list[Over] = []

    def drive(self, *features: Feature) -> None:
        """Take the features that keep something for sessions, in their order."""
        self._features = features

    def tell(self, told: Told) -> None:
        """Have somebody hear of each change that is in force, before its caller does."""
        self._told.append(told)

    def hear(self, begun: Begun, over: Over) -> None:
        """Have somebody hear of each session's begin and end; neither raises."""
        self._begun.append(begun)
        self._over.append(over)

    def admitted(self, session: Session) -> None:
        """Enter a session that was just admitted, and tell whoever hears of it."""
        self._sessions.add(session)
        for begun in self._begun:
            begun(session)

    async def changed(self, change: DirectoryChange) -> None:
        """Bring a change of the directory into force, before it is acknowledged."""
        touched = self._follow()
        revoke(change, self._sessions, self._counters)
        self._tickets.follow(change, self._sessions.get(change.session_id or ""))
        await self.recheck_all(touched)
        for told in self._told:
            try:
                await told(change, touched)
            except Exception as problem:  # noqa: BLE001 - the change stands all the same
                log.error("change.not_told", exception=type(problem).__name__)  # noqa: TRY400 - the text may hold data
        self._audit.changed(
            epoch=change.epoch,
            by=change.by,
            session_id=change.session_id,
            users=change.users,
            groups=change.groups,
            detail=partial(
                differences,
                change.before,
                change.after,
                self._directory.policy.broker_name,
                users=change.users,
                groups=change.groups,
            ),
        )
        # An acknowledged change has its line, whatever happens next.
        await self._audit.settled()

    async def ran(self, run: ScriptRun) -> None:
        """Write down what became of a script, before it is answered."""
        self._audit.script(
            by=run.by,
            session_id=run.session_id,
            script=run.script,
            accepted=run.accepted,
            outcome=run.outcome,
            epoch=run.epoch,
            view=str(run.view),
        )
        await self._audit.settled()

    def _follow(self) -> list[Session]:
        """Have every session decided by the policy of now; give those it touches."""
        policy = self._directory.policy
        touched = []
        for session in list(self._sessions.values()):
            before = session.subject
            session.follow(policy)
            if not session.subject.same_rights(before):
                touched.append(session)
        return touched

    async def recheck(self, username: str | None = None) -> None:
        """Decide again what stands of the sessions of `username`, or of all."""
        sessions = (
            list(self._sessions.values())
            if username is None
            else self._sessions.of(username)
        )
        for session in sessions:
            session.generation += 1
        await self.recheck_all(sessions)

    async def recheck_session(self, session: Session) -> None:
        """Decide again what stands of one session.

        Until a handler is waited for, nothing else happens meanwhile.
        """
        await self._recheck(session)

    async def recheck_all(self, sessions: Iterable[Session]) -> None:
        """Decide again what stands of `sessions`, side by side where a handler waits."""
        if self._hooks.decides:
            await asyncio.gather(*(self._recheck(session) for session in sessions))
        else:
            for session in sessions:
                await self._recheck(session)

    async def _recheck(self, session: Session) -> None:
        for feature in self._features:
            if session.ended:
                return
            try:
                await feature.recheck(session)
            except Exception as problem:  # noqa: BLE001 - other sessions have their turn
                # It may hold what it has no right to any more.
                _log_failure(session, problem)
                session.link.fail()

    def ended(self, session: Session, reason: EndReason) -> None:
        """Forget a session that is over, and tell whoever hears of it."""
        self._sessions.discard(session)
        self._tickets.ended(session, reason)
        for feature in self._features:
            try:
                feature.session_ended(session)
            except Exception as problem:  # noqa: BLE001 - the others hear of it too
                _log_failure(session, problem)
        for over in self._over:
            over(session, reason)
        self._audit.session_ended(
            session_id=session.id,
            username=session.username,
            address=session.remote_address,
            reason=reason,
        )
        self._tasks.start(
            self._hooks.on_client_disconnect(session.username),
            name=f"end of {session.id}",
        )


def _log_failure(session: Session, problem: Exception) -> None:
    log.error("feature.failed", session=session.id, exception=type(problem).__name__)
