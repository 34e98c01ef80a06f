import io
import json
import logging
from collections.abc import Iterator, Mapping
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


class Kept:
    """Keeps what it is given."""

    failed = False
    refuses = True

    def __init__(self) -> None:
        self.lines: list[tuple[str, Mapping[str, Any]]] = []
        self.waits = 0

    def put(self, kind: str, fields: Mapping[str, Any], /) -> None:
        self.lines.append((kind, fields))

    async def settled(self) -> None:
        self.waits += 1

    async def room(self) -> None:
        self.waits += 1


async def test_every_line_goes_to_the_keeper_too_and_whole(
    stream: io.StringIO,
) -> None:
    audit, kept = AuditLog(300), Kept()
    await audit.settled()
    await audit.room()
    assert (audit.failed, audit.refuses) == (False, False)
    audit.keep_in(kept)
    deny(audit, path="é" * 1024, verdict=Denied("x" * 5000))
    audit.script(
        by="_ADMIN", session_id="3", script="y" * 5000, accepted=False, outcome="X"
    )
    audit.note("token_revoked", username="lisa", reason="lost")
    (_, denied), (_, script), (kind, note) = kept.lines
    assert (denied["path"], denied["reason"]) == ("é" * 1024, "x" * 5000)
    assert (script["script"], script["verdict"]) == ("y" * 5000, "denied")
    assert (kind, note["user"], note["reason"]) == ("token_revoked", "lisa", "lost")
    assert [line["kind"] for line in lines(stream)] == [kind for kind, _ in kept.lines]
    await audit.settled()
    await audit.room()
    assert (kept.waits, audit.refuses) == (2, True)


def test_what_was_before_and_after_is_asked_for_by_the_keeper_alone(
    stream: io.StringIO,
) -> None:
    audit, kept = AuditLog(), Kept()
    audit.keep_in(kept)

    def detail() -> list[dict[str, Any]]:
        raise AssertionError

    audit.changed(epoch=7, by="_ADMIN", session_id="3", detail=detail)
    assert kept.lines[0][1]["detail"] is detail
    assert "detail" not in lines(stream)[0]


def test_a_line_that_the_log_cannot_write_is_kept_all_the_same(
    stream: io.StringIO,
) -> None:
    audit, kept = AuditLog(), Kept()
    audit.keep_in(kept)
    stream.close()
    deny(audit, verdict=Denied())
    assert len(kept.lines) == 1


def test_there_are_no_kinds_but_those_that_are_listed() -> None:
    with pytest.raises(ValueError, match="oops is no kind"):
        AuditLog().note("oops")


def test_an_answer_to_what_was_not_asked_is_told(stream: io.StringIO) -> None:
    class Session:
        id = "5e55"
        username = "bob"
        remote_address = "::1"

    AuditLog().answer_refused(Session(), 7)
    (line,) = lines(stream)
    assert (line["kind"], line["user"], line["call"]) == ("answer_refused", "bob", 7)
