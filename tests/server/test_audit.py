import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from vestibule.server import logs
from vestibule.server.audit import AuditLog
from vestibule.server.verdict import Denied, Grant


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give what the log writes to; the level lets nothing but errors through."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("ERROR", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("vestibule").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def deny(audit: AuditLog, *, path: str = "news/x", verdict: Denied) -> None:
    audit.denied(
        session_id="5e55",
        username="lisa",
        address="::1",
        topic="event",
        action="publish",
        path=path,
        verdict=verdict,
    )


def test_a_refusal_names_session_user_action_path_and_the_deciding_grant(
    stream: io.StringIO,
) -> None:
    grant = Grant("group:staff", "events", "news/**", "publish", authorized=False)
    deny(AuditLog(), verdict=Denied("prohibited", grant, forbidden=True))
    (line,) = lines(stream)
    assert line.pop("time")
    assert line == {
        "level": "info",
        "event": "audit",
        "logger": "vestibule.audit",
        "kind": "message_denied",
        "session_id": "5e55",
        "user": "lisa",
        "address": "::1",
        "topic": "event",
        "action": "publish",
        "path": "news/x",
        "code": "MESSAGE_DENIED",
        "forbidden": True,
        "grant": {
            "holder": "group:staff",
            "section": "events",
            "pattern": "news/**",
            "action": "publish",
            "authorized": False,
        },
        "reason": "prohibited",
    }


def test_a_refusal_without_a_grant_says_that_there_was_none(
    stream: io.StringIO,
) -> None:
    deny(AuditLog(), verdict=Denied("no grant"))
    (line,) = lines(stream)
    assert line["grant"] is None
    assert line["forbidden"] is False


def test_logins_ends_and_changes_are_a_line_each_and_counted(
    stream: io.StringIO,
) -> None:
    audit = AuditLog()
    audit.login_refused(
        session_id="1", username="", address="::1", code="INVALID_AUTH_DATA"
    )
    audit.login_accepted(
        session_id="2", username="lisa", address="::1", authenticator="directory"
    )
    audit.session_ended(session_id="2", username="lisa", address="::1", reason="client")
    audit.changed(epoch=7, by="_ADMIN", session_id="3", users={"b", "a"}, groups=["g"])
    kinds = ["login_refused", "login_accepted", "session_ended", "directory_changed"]
    assert [line["kind"] for line in lines(stream)] == kinds
    assert lines(stream)[3]["users"] == ["a", "b"]
    assert audit.counts == dict.fromkeys(kinds, 1)


def test_no_line_is_longer_than_configured(stream: io.StringIO) -> None:
    audit = AuditLog(300)
    deny(audit, path="é" * 1024, verdict=Denied("x" * 5000))
    audit.changed(epoch=1, by="a", session_id=None, users=[f"u{i}" for i in range(999)])
    for line in stream.getvalue().splitlines(keepends=True):
        assert len(line.encode()) <= 300
        assert json.loads(line)["kind"]


def test_a_line_that_cannot_be_written_is_counted_and_stops_nothing(
    stream: io.StringIO,
) -> None:
    told: list[int] = []
    audit = AuditLog(on_lost=lambda: told.append(1))
    stream.close()
    deny(audit, verdict=Denied())
    deny(audit, verdict=Denied())
    assert audit.lost == 2
    assert told == [1, 1]
    assert audit.counts["message_denied"] == 2
