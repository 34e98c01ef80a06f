"""Revocation: which sessions a change of the directory ends, and when."""

from collections.abc import Iterator

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.counters import Counters
from vestibule.server.directory import DirectoryChange
from vestibule.server.directory.roles import RolesKind
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions


__all__ = ["endings", "revoke"]


def revoke(change: DirectoryChange, sessions: Sessions, counters: Counters) -> None:
    """End the sessions that a change leaves without whom they are there by.

    All at once, but the one that made the change: it is answered first.
    """
    for session, reason in list(endings(change, sessions)):
        own = session.id == change.session_id
        if not (own and reason is EndReason.PASSWORD_CHANGED):
            counters.add("sessions_revoked")
            _end(session, reason, own=own)


def endings(
    change: DirectoryChange, sessions: Sessions
) -> Iterator[tuple[Session, EndReason]]:
    """Give the sessions bound to users that are gone, shut out or renewed, and why.

    And those of nobody, where the directory lets in nobody any more.
    """
    causes = (
        (change.deleted_users, EndReason.USER_DELETED),
        (change.disabled_users, EndReason.REVOKED),
        (change.password_changed, EndReason.PASSWORD_CHANGED),
    )
    for usernames, reason in causes:
        for username in usernames:
            for session in sessions.of(username):
                if session.bound:
                    yield session, reason
    if change.anonymous_closed:
        for session in sessions.of(""):
            if session.roles.kind is RolesKind.ANONYMOUS:
                yield session, EndReason.REVOKED


def _end(session: Session, reason: EndReason, *, own: bool) -> None:
    if own:
        session.ends_with = reason
    else:
        session.link.end(CloseCode.SESSION_REVOKED, reason, discard=True)
