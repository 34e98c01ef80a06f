"""Methods of `security` about live sessions and their tokens."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vestibule.protocol.errors import EndReason, ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.audit import AuditLog
from vestibule.server.components import Caller, method
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.arguments import parse_text
from vestibule.server.directory.criteria import Fields
from vestibule.server.directory.listing import Query, list_records
from vestibule.server.directory.times import time_text
from vestibule.server.errors import RequestError
from vestibule.server.session import Session
from vestibule.server.tokens import Tokens


__all__ = ["SessionsAndTokens"]

_VIEW: Final = GlobalPermission.VIEW_SESSION

_FIELDS: Final = Fields(
    plain=frozenset(
        {
            "session_id",
            "username",
            "type",
            "remote_address",
            "authenticator",
            "connected_at",
            "profile",
            "token_id",
        }
    ),
    maps=frozenset({"last"}),
)

_REASON_LENGTH: Final = 256
"""Characters of why a token was revoked."""


class SessionsAndTokens:
    """Who is connected, under which tokens, and refusing tokens for good.

    `clock` is that of the loop, in seconds, `wall` gives milliseconds since 1970.
    """

    def __init__(
        self,
        sessions: Mapping[str, Session],
        tokens: Tokens,
        *,
        audit: AuditLog,
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self._audit: Final = audit
        self._sessions: Final = sessions
        self._tokens: Final = tokens
        self._clock: Final = clock
        self._wall: Final = wall

    @method(_VIEW)
    async def list_sessions(
        self,
        caller: Caller,
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
    ) -> list[dict[str, Any]] | int:
        """List the live sessions, the longest first, or count them."""
        del caller
        rows = [self._row(session) for session in self._sessions.values()]
        return list_records(rows, Query(criteria, limit, skip, sort, count), _FIELDS)

    @method(GlobalPermission.MODIFY_SESSION, GlobalPermission.AUTHENTICATE)
    async def revoke_token(
        self, caller: Caller, token_id: object, reason: object = "system"
    ) -> None:
        """Refuse a token for good; all that goes on under it ends."""
        known = parse_text(token_id, "token_id")
        why = parse_text(reason, "reason")
        if len(why) > _REASON_LENGTH:
            raise RequestError(
                ErrorCode.INVALID_ARGUMENT,
                f"reason is longer than {_REASON_LENGTH} characters",
                {"argument": "reason"},
            )
        await self._revoke(caller, known, why)

    @method()
    async def revoke_own_token(self, caller: Caller) -> None:
        """Refuse the caller's token for good; this session ends last."""
        session = self._sessions.get(caller.session_id)
        if session is None or not caller.bound:
            raise DirectoryError(ErrorCode.OWN_USER_FORBIDDEN)
        token_id = session.family.token_id
        if token_id is None:
            raise RequestError(ErrorCode.TOKEN_NOT_FOUND)
        await self._revoke(caller, token_id, EndReason.CLIENT)

    async def _revoke(self, caller: Caller, token_id: str, reason: str) -> None:
        session = self._sessions.get(caller.session_id)
        own = session is not None and session.family.token_id == token_id
        if own and session is not None:
            # It is answered before it ends.
            session.ends_with = EndReason.TOKEN_REVOKED
        try:
            await self._tokens.revoke(token_id, reason, but=session if own else None)
        except RequestError as refused:
            if refused.code is not ErrorCode.STORAGE_FAILED:
                raise
            # It holds all the same, until the broker stops or can store it.
            self._told(caller, token_id, reason)
            raise
        self._told(caller, token_id, reason)

    def _told(self, caller: Caller, token_id: str, reason: str) -> None:
        # The id is the token's public name; of fields called so no value is kept.
        self._audit.note(
            "token_revoked",
            session_id=caller.session_id,
            username=caller.username,
            family=token_id,
            reason=reason,
        )

    @method(_VIEW)
    async def list_revoked_tokens(self, caller: Caller) -> list[dict[str, Any]]:
        """List the revoked tokens that would not have expired yet."""
        del caller
        return self._tokens.revocations()

    def _row(self, session: Session) -> dict[str, Any]:
        family = session.family
        return {
            "session_id": session.id,
            "username": session.username,
            "type": "websocket",
            "remote_address": session.remote_address,
            "authenticator": session.authenticator,
            "connected_at": time_text(session.started_at),
            "profile": family.profile.name,
            "token_id": family.token_id,
            "last": self._last(session),
        }

    def _last(self, session: Session) -> dict[str, Any] | None:
        """Say what was decided last for a session."""
        if session.last is None:
            return None
        right, name, allowed, at = session.last
        need = right.need
        action = (
            f"{right.topic}.{right.action}"
            if need.section is None
            else f"{need.section}.{need.verb}"
        )
        ago = max(0.0, self._clock() - at)
        return {
            "action": action,
            "path": str(name),
            "allowed": allowed,
            "at": time_text(self._wall() - int(ago * 1000)),
        }
