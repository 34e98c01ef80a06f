"""Resume tickets: good for one login, by the key they were given to, in memory alone.

A ticket is kept by its hash with the `user_id` it was given to. It lives as long as its
session and, where that was cut off, for a while after it (docs/protocol.md, "Resume
tickets").
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from vestibule.protocol.errors import EndReason
from vestibule.server import replies
from vestibule.server.directory import Directory, DirectoryChange
from vestibule.server.families import Continued
from vestibule.server.session import Session


__all__ = ["TICKET_BYTES", "KeptTicket", "Tickets"]

TICKET_BYTES: Final = 32

_AWAY: Final = 100_000
"""Tickets of sessions that are gone; the oldest goes first. Each is about 500 bytes."""

_COMES_BACK: Final = frozenset(
    {EndReason.TRUNCATED, EndReason.SHUTTING_DOWN, EndReason.SLOW_READER}
)
"""Ends after which a client is expected again."""

_DIRECTORY: Final = "directory"


@dataclass(slots=True, repr=False, weakref_slot=True)
class KeptTicket:
    """What is kept of a ticket: never the ticket itself."""

    digest: bytes
    resume_key: bytes
    """The key whose signature it takes."""
    session_id: str
    username: str
    user_id: str
    continued: Continued
    """What its session was under; looked up anew at the session itself while it lives."""
    until: float | None = None
    """When it ends; None while its session lives."""
    expires_at: int | None = None
    """When its session would have expired, in milliseconds since 1970."""
    void: bool = False
    """Whether it was voided after its use, while others decided about the login."""

    def __repr__(self) -> str:
        return f"KeptTicket({self.session_id})"


class Tickets:
    """Every ticket that may still be used.

    `ttl` is in seconds, as what `clock` gives. Of one user at most `per_user` sessions
    that are gone keep theirs.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        ttl: float,
        per_user: int,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Take `clock`, which only goes on, and `now`, the wall clock, in seconds."""
        self._directory: Final = directory
        self._ttl: Final = ttl
        self._per_user: Final = per_user
        self._clock: Final = clock
        self._now: Final = now
        self._kept: dict[bytes, KeptTicket] = {}
        self._of_session: dict[str, KeptTicket] = {}
        self._of_user: dict[str, dict[bytes, KeptTicket]] = {}
        self._away: OrderedDict[bytes, KeptTicket] = OrderedDict()
        self._used: WeakValueDictionary[str, KeptTicket] = WeakValueDictionary()
        """By session, for as long as their logins know them."""

    def __len__(self) -> int:
        return len(self._kept)

    # Giving.

    def fields(self, session: Session) -> dict[str, Any]:
        """Give a session that was admitted its ticket, as fields of the answer.

        None for whom asked for none, or was not admitted by the directory as one of its
        users.
        """
        ticket = self._issue(session)
        if ticket is None:
            return {}
        return {"ticket": ticket, "ticket_ttl_ms": self._ttl_ms}

    def renew(self, session: Session) -> None:
        """Void the ticket of a session and, where it may have one, send it another.

        For a session that has another password, or is somebody else now.
        """
        had = self.void(session.id)
        ticket = self._issue(session)
        if ticket is not None:
            replies.ticket_replaced(session, ticket, self._ttl_ms)
        elif had:
            replies.ticket_replaced(session, None, 0)

    @property
    def _ttl_ms(self) -> int:
        return round(self._ttl * 1000)

    def _issue(self, session: Session) -> bytes | None:
        resume_key = session.resume_key
        if resume_key is None or session.authenticator != _DIRECTORY:
            return None
        user = self._directory.user(session.username) if session.username else None
        if user is None or not session.bound:
            return None
        ticket = secrets.token_bytes(TICKET_BYTES)
        self.void(session.id)
        kept = KeptTicket(
            _digest(ticket),
            resume_key,
            session.id,
            user.username,
            user.user_id,
            session.continued,
        )
        self._kept[kept.digest] = kept
        self._of_session[kept.session_id] = kept
        self._of_user.setdefault(kept.username, {})[kept.digest] = kept
        return ticket

    # Using.

    def find(self, ticket: bytes) -> KeptTicket | None:
        """Give what is known of a ticket that is good now, without using it up."""
        kept = self._kept.get(_digest(ticket))
        if kept is None:
            return None
        late = kept.until is not None and self._clock() >= kept.until
        expired = kept.expires_at is not None and self._now() * 1000 >= kept.expires_at
        if late or expired:
            self._drop(kept)
            return None
        return kept

    def use(self, kept: KeptTicket) -> bool:
        """Use a ticket up; False if it is used up or void already."""
        if self._kept.get(kept.digest) is not kept:
            return False
        self._drop(kept)
        self._used[kept.session_id] = kept
        return True

    # Voiding.

    def ended(self, session: Session, reason: EndReason) -> None:
        """Take note of a session's end: where it was cut off, its client may return."""
        if reason not in _COMES_BACK:
            self.void(session.id)
            return
        kept = self._of_session.get(session.id)
        if kept is None:
            return
        kept.continued = session.continued
        kept.until = self._clock() + self._ttl
        kept.expires_at = session.expires_at
        self._away[kept.digest] = kept
        self._forget_old(kept.username)

    def follow(self, change: DirectoryChange, session: Session | None) -> None:
        """Void what a change of the directory voids, before it is acknowledged.

        `session` is the one that made the change, if it lives: of a user that has
        another password, it gets another ticket.
        """
        changed = change.password_changed
        void = {*change.deleted_users, *change.disabled_users, *changed}
        for username in void:
            for kept in list(self._of_user.get(username, {}).values()):
                self._drop(kept)
        if void:
            for used in list(self._used.values()):
                used.void = used.void or used.username in void
        if session is not None and session.bound and session.username in changed:
            self.renew(session)

    def void(self, session_id: str) -> bool:
        """Void the ticket of a session; whether it had one.

        Also one whose login is not decided yet.
        """
        used = self._used.pop(session_id, None)
        if used is not None:
            used.void = True
        kept = self._of_session.get(session_id)
        if kept is None:
            return False
        self._drop(kept)
        return True

    def _drop(self, kept: KeptTicket) -> None:
        del self._kept[kept.digest]
        del self._of_session[kept.session_id]
        self._away.pop(kept.digest, None)
        mine = self._of_user[kept.username]
        del mine[kept.digest]
        if not mine:
            del self._of_user[kept.username]

    def _forget_old(self, username: str) -> None:
        """Keep the bounds: what is late goes, then what is oldest."""
        now = self._clock()
        while self._away:
            oldest = next(iter(self._away.values()))
            late = oldest.until is not None and now >= oldest.until
            if not late and len(self._away) <= _AWAY:
                break
            self._drop(oldest)
        mine = self._of_user.get(username, {})
        gone = [one for one in mine.values() if one.until is not None]
        if len(gone) > self._per_user:
            self._drop(min(gone, key=lambda one: one.until or 0.0))


def _digest(ticket: bytes) -> bytes:
    # Random already: no secret and no slow hash would add anything.
    return hashlib.blake2b(ticket, digest_size=32).digest()
