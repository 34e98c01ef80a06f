from typing import Any

import pytest

from security_calls import ADMIN, call, refused
from trails import chain, denial
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Component, methods_of
from vestibule.server.features.security.audit_log import AuditQueries
from vestibule.server.trail import Line, Query, TrailError


class Fake:
    """Answers with what it was given, latest first, and keeps the question."""

    def __init__(self, lines: list[Line], *, fails: bool = False) -> None:
        self.lines = lines
        self.fails = fails
        self.asked: list[Query] = []

    async def query(self, query: Query) -> list[Line]:
        if self.fails:
            raise TrailError("interrupted")
        self.asked.append(query)
        return self.lines[::-1][: query.limit + 1]


def component(fake: Fake) -> Component:
    return Component.of("security", AuditQueries(fake))


def test_it_is_for_those_who_may_see_security() -> None:
    (declared,) = methods_of(AuditQueries).values()
    assert (declared.name, declared.needs) == (
        "query_audit",
        (GlobalPermission.VIEW_SECURITY,),
    )


async def test_lines_are_answered_latest_first_with_times_as_text() -> None:
    fake = Fake(chain(("message_denied", denial("a/b")), ("session_ended", {})))
    answer = await call(component(fake), "query_audit", username="lisa", caller=ADMIN)
    assert [line["seq"] for line in answer["lines"]] == [2, 1]
    assert answer["more"] is False
    last = answer["lines"][1]
    assert last.pop("hash") == fake.lines[0].hash.hex()
    assert last == {
        "seq": 1,
        "time": "1970-01-01T00:00:01.000Z",
        "kind": "message_denied",
        "user": "lisa",
        "session": "5e55",
        "action": "event.publish",
        "path": "a/b",
        "verdict": "denied",
        "fields": {"address": "::1", "code": "MESSAGE_DENIED"},
    }
    assert fake.asked[0].equal == {"user": "lisa"}


async def test_more_lines_than_asked_for_are_told_of() -> None:
    answer = await call(component(Fake(chain(count=5))), "query_audit", limit=2)
    assert [line["seq"] for line in answer["lines"]] == [5, 4]
    assert answer["more"] is True


async def test_an_answer_stays_far_below_a_message() -> None:
    fake = Fake(chain(*[("operator_command", {"x": "y" * 100_000})] * 5))
    answer = await call(component(fake), "query_audit")
    assert len(answer["lines"]) == 2
    assert answer["more"] is True


async def test_a_line_that_is_too_long_alone_tells_so() -> None:
    fake = Fake(chain(("script_applied", {"user": "a", "script": "y" * 300_000})))
    answer = await call(component(fake), "query_audit")
    (line,) = answer["lines"]
    assert (line["user"], line["fields"]) == ("a", {"cut": True})
    assert answer["more"] is False


@pytest.mark.parametrize("asked", [{"since": "now"}, {"limit": 0}, {"path": 5}])
async def test_what_is_no_question_is_refused(asked: dict[str, Any]) -> None:
    awaited = call(component(Fake([])), "query_audit", **asked)
    await refused(awaited, ErrorCode.INVALID_ARGUMENT)


async def test_a_question_that_takes_too_long_is_refused() -> None:
    awaited = call(component(Fake([], fails=True)), "query_audit")
    await refused(awaited, ErrorCode.LIMIT_EXCEEDED)
