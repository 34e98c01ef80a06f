"""Methods of `security` that answer from the audit trail."""

from typing import Any, Final, Protocol

from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, ComponentError, method
from vestibule.server.directory.times import time_text
from vestibule.server.trail import Line, Query, TrailError, parse_query, shown


__all__ = ["AuditQueries", "Lines"]

_ANSWER_BYTES: Final = 256 * 1024
"""Of lines in one answer; a quarter of what a message may have."""

_TOO_LONG: Final = {"cut": True}
"""What a line tells of itself that alone is longer; `vestibule audit export` has it."""


class Lines(Protocol):
    """What is asked: the trail."""

    async def query(self, query: Query) -> list[Line]:
        """Give the lines that fit, latest first, and one more than asked if any."""


class AuditQueries:
    """What was recorded, for those who may see security."""

    def __init__(self, lines: Lines) -> None:
        self._lines: Final = lines

    @method(GlobalPermission.VIEW_SECURITY)
    async def query_audit(  # noqa: PLR0913 - each is an argument of the call
        self,
        caller: Caller,
        *,
        since: object = None,
        until: object = None,
        username: object = None,
        session_id: object = None,
        action: object = None,
        verdict: object = None,
        kind: object = None,
        path: object = None,
        limit: object = None,
        before_seq: object = None,
    ) -> dict[str, Any]:
        """Give the lines that fit all that is said, the latest first.

        `more` tells that there are others: ask again with `before_seq`.
        """
        del caller
        query = parse_query(
            since=since,
            until=until,
            username=username,
            session_id=session_id,
            action=action,
            verdict=verdict,
            kind=kind,
            path=path,
            limit=limit,
            before_seq=before_seq,
        )
        try:
            found = await self._lines.query(query)
        except TrailError:
            raise ComponentError(
                ErrorCode.LIMIT_EXCEEDED,
                "it takes too long: say more",
                {"limit": "audit.query"},
            ) from None
        lines: list[dict[str, Any]] = []
        size = 0
        for line in found[: query.limit]:
            long = len(line.fields) > _ANSWER_BYTES
            size += 512 if long else 512 + len(line.fields)
            if size > _ANSWER_BYTES and lines:
                break
            lines.append(_told(line, cut=long))
        return {"lines": lines, "more": len(found) > len(lines)}


def _told(line: Line, *, cut: bool) -> dict[str, Any]:
    told = shown(line._replace(fields="{}") if cut else line)
    del told["previous"]
    told["time"] = time_text(line.time)
    return {**told, "fields": dict(_TOO_LONG)} if cut else told
