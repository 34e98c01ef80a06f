"""What the broker itself tells sessions: directory events, session events, notices.

Events go the way of every event: to who is attached, subscribes and may
(docs/permissions.md, "Events of the directory").
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import structlog

from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import EndReason
from vestibule.protocol.names import parse_name
from vestibule.server import replies
from vestibule.server.admissions import Admission
from vestibule.server.attachments import Attachments, Family
from vestibule.server.directory import DirectoryChange
from vestibule.server.directory.changelog import DirectoryEvent, directory_events
from vestibule.server.directory.own_events import COMPONENT
from vestibule.server.directory.times import time_text
from vestibule.server.errors import RequestError
from vestibule.server.features.events import Events
from vestibule.server.session import Session


__all__ = ["Announcer"]

log = structlog.get_logger("vestibule.announcing")


class Announcer:
    """Emits the broker's own events.

    `protocol` is what connections speak, `now` the time in milliseconds since 1970.
    Nothing that fails here is more than a line in the log.
    """

    def __init__(
        self,
        events: Events,
        attachments: Attachments,
        *,
        broker_name: str,
        protocol: str,
        encrypted: bool,
        now: Callable[[], int],
    ) -> None:
        self._events: Final = events
        self._attachments: Final = attachments
        self._broker_name: Final = broker_name
        self._protocol: Final = protocol
        self._encrypted: Final = encrypted
        self._now: Final = now

    async def changed(
        self, change: DirectoryChange, touched: Iterable[Session]
    ) -> None:
        """Tell of a change that is in force: first whom it touches, then who listens.

        Called before the change is acknowledged, for one change after another.
        """
        listened = bool(self._attachments.of(Family.DIRECTORY))
        touched = [session for session in touched if not session.ended]
        if not listened and not touched:
            return
        told = list(self._told(change))
        if touched:
            kinds = list(dict.fromkeys(event.name for event in told))
            replies.change_noticed(touched, change.epoch, kinds)
        if listened:
            about = {"epoch": change.epoch, "at": change.at, "by": change.by}
            for event in told:
                data = partial(_together, event, about)
                self._emit(Family.DIRECTORY, event.name, data)

    def _told(self, change: DirectoryChange) -> Iterable[DirectoryEvent]:
        return directory_events(
            change.before,
            change.after,
            users=change.users,
            groups=change.groups,
            broker_name=self._broker_name,
        )

    def connected(self, session: Session) -> None:
        """Tell that a session has begun, or goes on as somebody else."""
        if self._attachments.of(Family.SESSIONS):
            self._emit(Family.SESSIONS, "connect", partial(self._facts, session))

    def ended(self, session: Session, reason: EndReason) -> None:
        """Tell that a session has ended, or ceases to be who it was."""
        if reason is not EndReason.PRINCIPAL_CHANGED:
            self._attachments.ended(session)
        if self._attachments.of(Family.SESSIONS):
            data = partial(self._facts, session, reason)
            self._emit(Family.SESSIONS, "disconnect", data)

    def leaving(self, session: Session, admission: Admission) -> None:
        """Tell that a session ceases to be who it is, if it is to be somebody else."""
        if admission.username != session.username:
            self.ended(session, EndReason.PRINCIPAL_CHANGED)

    def became(self, session: Session, before: Admission) -> None:
        """Tell that a session is somebody else now."""
        if before.username != session.username:
            self.connected(session)

    def _facts(
        self, session: Session, reason: EndReason | None = None
    ) -> dict[str, Any]:
        """Give what is told of a session: no groups, no token, nothing secret."""
        facts = {
            "session_id": session.id,
            "username": session.username,
            "authenticator": session.authenticator,
            "remote_address": session.remote_address,
            "protocol": self._protocol,
            "encrypted": self._encrypted,
            "connected_at": time_text(session.started_at),
            "info": dict(session.info),
        }
        if reason is not None:
            facts["ended_at"] = time_text(self._now())
            facts["reason"] = str(reason)
        return facts

    def _emit(
        self, family: Family, event: str, data: Callable[[], Mapping[str, Any]]
    ) -> None:
        name = parse_name(f"{self._broker_name}/{COMPONENT}/{event}")
        try:
            body = encode_body(data())
            self._events.announce(name, body, self._attachments.of(family))
        except RequestError as problem:
            # Too long for a record, as the user or group itself would be if asked for.
            log.warning("event.not_told", name=event, code=str(problem.code))
        except Exception as problem:  # noqa: BLE001 - it stops no change and no end
            log.error("event.failed", name=event, exception=type(problem).__name__)  # noqa: TRY400 - the text may hold data


def _together(event: DirectoryEvent, about: Mapping[str, Any]) -> dict[str, Any]:
    return {**event.data, **about}
