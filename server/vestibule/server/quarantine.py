"""The quarantine: a connection without a user. `admit` is the only way to a session."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.admissions import Admission, Turned
from vestibule.server.attempts import Attempt, read_attempt
from vestibule.server.audit import AuditLog
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.handler import ConnectionData
from vestibule.server.judging import Judge
from vestibule.server.session import Link, Session
from vestibule.server.sessions import Sessions


__all__ = ["Door", "Quarantine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What every quarantine of a broker decides with, and makes sessions of.

    `now` is the wall clock, in seconds.
    """

    judge: Judge
    directory: Directory
    sessions: Sessions
    counters: Counters
    audit: AuditLog
    now: Callable[[], float] = time.time


class Quarantine:
    """One connection that has no user, and nothing to do but log in.

    At most one login is evaluated at a time; the protocol core sees to that.
    `exporter` names the exchange of keys, `send` sends the fields of a challenge.
    """

    def __init__(
        self,
        door: Door,
        connection: ConnectionData,
        *,
        exporter: bytes | None,
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        self._door: Final = door
        self._connection: Final = connection
        self._exporter: Final = exporter
        self._send: Final = send
        self._proof: asyncio.Future[Mapping[str, Any]] | None = None

    async def admit(
        self, scheme: str, fields: Mapping[str, Any], link: Link
    ) -> tuple[Session, Admission] | Turned:
        """Decide a login: the session it makes and why, or what to refuse it with."""
        attempt = read_attempt(
            self._connection,
            scheme,
            fields,
            exporter=self._exporter,
            challenge=self._challenge,
        )
        if isinstance(attempt, Turned):
            return attempt
        admission = await self._door.judge.judge(attempt)
        if isinstance(admission, Turned):
            return admission
        return self._session(attempt, admission, link), admission

    async def _challenge(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask the client for a proof and wait for it."""
        self._proof = asyncio.get_running_loop().create_future()
        self._send(dict(fields))
        return await self._proof

    def proved(self, fields: Mapping[str, Any]) -> None:
        """Take the proof that answers the challenge."""
        if self._proof is not None and not self._proof.done():
            self._proof.set_result(fields)

    def _session(self, attempt: Attempt, admission: Admission, link: Link) -> Session:
        door = self._door
        replaced = door.sessions.get(admission.replaces)
        if replaced is not None:
            replaced.link.end(
                CloseCode.SESSION_REPLACED, EndReason.REPLACED, discard=True
            )
        session = Session(
            self._connection,
            admission,
            policy=door.directory.policy,
            link=link,
            connected_at=asyncio.get_running_loop().time(),
            started_at=int(door.now() * 1000),
            info=attempt.info,
            resume_key=attempt.resume_key,
            exporter=attempt.exporter,
        )
        door.counters.add("sessions_admitted")
        door.audit.login_accepted(
            session_id=session.id,
            username=session.username,
            address=session.remote_address,
            authenticator=session.authenticator,
        )
        return session
