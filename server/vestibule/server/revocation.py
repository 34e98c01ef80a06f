"""Revocation: which sessions a change of the directory ends, and when."""

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.counters import Counters
from vestibule.server.directory import DirectoryChange
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions


__all__ = ["revoke"]


def revoke(change: DirectoryChange, sessions: Sessions, counters: Counters) -> None:
    """End the sessions bound to users that are gone, shut out or renewed.

    All at once, but the one that made the change: it is answered first.
    """
    causes = (
        (change.deleted_users, EndReason.USER_DELETED),
        (change.disabled_users, EndReason.REVOKED),
        (change.password_changed, EndReason.PASSWORD_CHANGED),
    )
    for usernames, reason in causes:
        for username in usernames:
            for session in sessions.of(username):
                own = session.id == change.session_id
                keeps = own and reason is EndReason.PASSWORD_CHANGED
                if session.bound and not keeps:
                    counters.add("sessions_revoked")
                    _end(session, reason, own=own)


def _end(session: Session, reason: EndReason, *, own: bool) -> None:
    if own:
        session.ends_with = reason
    else:
        session.link.end(CloseCode.SESSION_REVOKED, reason, discard=True)
