"""The audit log: one line for each refusal, each login, each end, each change.

What a client is not told stands here: which grant decided, or that none did. Lines go
to the logger `vestibule.audit`, whatever the level of the log.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from vestibule.server.logs import MAX_LINE_BYTES, Line
from vestibule.server.verdict import Denied, Grant


__all__ = ["AuditLog"]

_log: Final = logging.getLogger("vestibule.audit")

_MAX_NAMES: Final = 20
"""Users or groups that one line names."""


class AuditLog:
    """Writes audit lines and counts them by kind.

    No method takes login data, a credential or a body. A line that cannot be written
    is counted in `lost` and told to `on_lost`; it stops nothing.
    """

    __slots__ = ("_limit", "_on_lost", "counts", "lost")

    def __init__(
        self,
        line_bytes: int = MAX_LINE_BYTES,
        *,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._limit: Final = line_bytes
        self._on_lost: Final = on_lost
        self.counts: Final[Counter[str]] = Counter()
        """Lines by kind."""
        self.lost = 0
        """Lines that could not be written."""

    def denied(
        self,
        *,
        session_id: str,
        username: str,
        address: str,
        topic: str,
        action: str,
        path: str,
        verdict: Denied,
        code: str = "MESSAGE_DENIED",
    ) -> None:
        """Tell that a message was refused, and the grant that decided, or its absence.

        `path` is the canonical one that was decided.
        """
        self._write(
            "message_denied",
            session_id=session_id,
            user=username,
            address=address,
            topic=topic,
            action=action,
            path=path,
            code=code,
            forbidden=verdict.forbidden,
            grant=_told(verdict.grant),
            reason=verdict.reason,
        )

    def login_accepted(
        self, *, session_id: str, username: str, address: str, authenticator: str
    ) -> None:
        """Tell who was let in, and by which member of the chain."""
        self._write(
            "login_accepted",
            session_id=session_id,
            user=username,
            address=address,
            authenticator=authenticator,
        )

    def login_refused(
        self,
        *,
        session_id: str,
        username: str,
        address: str,
        code: str,
        reason: str = "",
        authenticator: str = "",
    ) -> None:
        """Tell which login was refused, and why.

        `username` is a name that the broker knows, else empty: nothing that only the
        login says stands here, because people type passwords into the wrong field.
        """
        self._write(
            "login_refused",
            session_id=session_id,
            user=username,
            address=address,
            code=code,
            authenticator=authenticator,
            reason=reason,
        )

    def session_ended(
        self, *, session_id: str, username: str, address: str, reason: str
    ) -> None:
        """Tell that an admitted session is over; `reason` is an end reason."""
        self._write(
            "session_ended",
            session_id=session_id,
            user=username,
            address=address,
            reason=reason,
        )

    def changed(
        self,
        *,
        epoch: int,
        by: str,
        session_id: str | None,
        users: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> None:
        """Tell that the directory changed: by whom, and whom it touched."""
        self._write(
            "directory_changed",
            session_id=session_id,
            user=by,
            epoch=epoch,
            users=sorted(users)[:_MAX_NAMES],
            groups=sorted(groups)[:_MAX_NAMES],
        )

    def _write(self, kind: str, **fields: Any) -> None:
        self.counts[kind] += 1
        try:
            line = Line("audit", {"kind": kind, **fields}, self._limit)
            # Made by hand: whoever calls is no news, and finding it costs as much as
            # the line.
            record = logging.LogRecord(
                _log.name, logging.INFO, "", 0, line, None, None, "audit"
            )
            _log.handle(record)
        except Exception:  # noqa: BLE001 - a full disk must not end a session
            self.lost += 1
            if self._on_lost is not None:
                self._on_lost()


def _told(grant: Grant | None) -> dict[str, Any] | None:
    """Give a grant as the fields by which `explain` shows it."""
    if grant is None:
        return None
    return {
        "holder": grant.holder,
        "section": grant.section,
        "pattern": grant.pattern,
        "action": grant.action,
        "authorized": grant.authorized,
    }
