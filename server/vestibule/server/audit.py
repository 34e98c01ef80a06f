"""The audit log: one line for each refusal, each login, each end, each change.

What a client is not told stands here: which grant decided, or that none did. Lines go
to the logger `vestibule.audit`, whatever the level of the log, and, whole, to the
trail: the hash-chained table (docs/operations.md, "The audit trail").
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from vestibule.server.logs import MAX_LINE_BYTES, Line
from vestibule.server.verdict import Denied, Grant


__all__ = ["KINDS", "AuditLog", "Keeper"]

_log: Final = logging.getLogger("vestibule.audit")

_MAX_NAMES: Final = 20
"""Users or groups that one line names."""


KINDS: Final = frozenset(
    {
        "authenticator_changed",
        "broker_started",
        "broker_stopped",
        "directory_changed",
        "login_accepted",
        "login_refused",
        "message_denied",
        "operator_command",
        "answer_refused",
        "script_applied",
        "session_changed",
        "session_ended",
        "session_revoked",
        "token_revoked",
    }
)
"""Every kind of line, besides those that the trail writes about itself."""


class Keeper(Protocol):
    """What keeps lines so that a change of them is found: the trail."""

    @property
    def failed(self) -> bool:
        """Whether the last attempt to write failed."""

    @property
    def refuses(self) -> bool:
        """Whether nothing may be done now that has to leave a line."""

    def put(self, kind: str, fields: Mapping[str, Any], /) -> None:
        """Take a line on; cheap."""

    async def settled(self) -> None:
        """Wait until what was put is on disk, or could not be written."""

    async def room(self) -> None:
        """Wait until there is a place for one more deed."""


class Answering(Protocol):
    """Who answers: a session."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def username(self) -> str:
        """Its principal."""

    @property
    def remote_address(self) -> str:
        """Where it comes from."""


class AuditLog:
    """Writes audit lines and counts them by kind.

    No method takes login data, a credential or a body. A line that cannot be written
    is counted in `lost` and told to `on_lost`; it stops nothing.
    """

    __slots__ = ("_keeper", "_limit", "_on_lost", "counts", "lost")

    def __init__(
        self,
        line_bytes: int = MAX_LINE_BYTES,
        *,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._keeper: Keeper | None = None
        self._limit: Final = line_bytes
        self._on_lost: Final = on_lost
        self.counts: Final[Counter[str]] = Counter()
        """Lines by kind."""
        self.lost = 0
        """Lines that could not be written."""

    def keep_in(self, keeper: Keeper | None) -> None:
        """Give every line to a keeper too, from now on."""
        self._keeper = keeper

    @property
    def failed(self) -> bool:
        """Whether lines cannot be kept now."""
        return self._keeper is not None and self._keeper.failed

    @property
    def refuses(self) -> bool:
        """Whether logins and changes are refused because lines cannot be kept."""
        return self._keeper is not None and self._keeper.refuses

    async def settled(self) -> None:
        """Wait until all lines so far are on disk, or could not be written."""
        if self._keeper is not None:
            await self._keeper.settled()

    async def room(self) -> None:
        """Wait before a deed, until there is a place for its line."""
        if self._keeper is not None:
            await self._keeper.room()

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

    def answer_refused(self, session: Answering, call: int) -> None:
        """Tell that somebody answered a call that it was not given, or not any more."""
        self._write(
            "answer_refused",
            session_id=session.id,
            user=session.username,
            address=session.remote_address,
            call=call,
            code="INVALID_RPC_CORRELATION_ID",
            verdict="denied",
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
        detail: Callable[[], list[dict[str, Any]]] | None = None,
    ) -> None:
        """Tell that the directory changed: by whom, and whom it touched.

        `detail` gives what was before and after, without a secret; only the trail asks
        for it, in a thread.
        """
        self._write(
            "directory_changed",
            _detail=detail,
            session_id=session_id,
            user=by,
            epoch=epoch,
            users=sorted(users)[:_MAX_NAMES],
            groups=sorted(groups)[:_MAX_NAMES],
        )

    def script(
        self,
        *,
        by: str,
        session_id: str | None,
        script: str,
        accepted: bool,
        outcome: str,
        epoch: int | None = None,
        view: str = "",
    ) -> None:
        """Tell of a script, applied or refused; its passwords are `***` already."""
        self._write(
            "script_applied",
            session_id=session_id,
            user=by,
            view=view,
            verdict="allowed" if accepted else "denied",
            outcome=outcome,
            epoch=epoch,
            script=script,
        )

    def note(
        self, kind: str, *, username: str = "", session_id: str = "", **fields: Any
    ) -> None:
        """Tell of anything else that is done; `fields` is plain data without secrets.

        Raises:
            ValueError: `kind` is none of `KINDS`.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind} is no kind of audit line")
        self._write(kind, session_id=session_id, user=username, **fields)

    def _write(
        self,
        kind: str,
        _detail: Callable[[], list[dict[str, Any]]] | None = None,
        **fields: Any,
    ) -> None:
        self.counts[kind] += 1
        if self._keeper is not None:
            kept = fields if _detail is None else {**fields, "detail": _detail}
            self._keeper.put(kind, kept)
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
