import json
from typing import Any

import pytest

from trails import chain, denial
from vestibule.server.trail import shown
from vestibule.server.trail.lines import GENESIS, digest, drafts


def fields_of(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    (draft,) = drafts(1, kind, fields)
    found: dict[str, Any] = json.loads(draft.fields)
    return found


def test_a_refusal_names_session_user_action_path_and_verdict() -> None:
    (draft,) = drafts(1_234, "message_denied", denial())
    assert draft[:7] == (
        1_234,
        "message_denied",
        "lisa",
        "5e55",
        "event.publish",
        "news/x",
        "denied",
    )
    assert json.loads(draft.fields) == {"address": "::1", "code": "MESSAGE_DENIED"}


@pytest.mark.parametrize(
    ("kind", "action", "verdict"),
    [
        ("login_accepted", "login", "allowed"),
        ("login_refused", "login", "denied"),
        ("session_ended", "end", ""),
        ("directory_changed", "change", ""),
        ("broker_started", "", ""),
    ],
)
def test_each_kind_says_what_was_done_and_decided(
    kind: str, action: str, verdict: str
) -> None:
    (draft,) = drafts(1, kind, {"user": "lisa"})
    assert (draft.action, draft.verdict) == (action, verdict)


def test_a_lines_hash_is_over_each_of_its_values() -> None:
    (line,) = chain(count=1)
    assert line.previous == GENESIS
    assert digest(line) == line.hash
    others: dict[str, Any] = {
        name: b"?" * 32 if isinstance(value, bytes) else type(value)(f"{value}7")
        for name, value in line._asdict().items()
        if name != "hash"
    }
    for name, other in others.items():
        edited = line._replace(**{name: other})
        assert digest(edited) != line.hash, name


def test_no_two_lines_have_one_encoding() -> None:
    (line,) = chain(count=1)
    moved = line._replace(user=line.user + line.session, session="")
    assert digest(moved) != line.hash


@pytest.mark.parametrize(
    "name", ["password", "old_password", "token", "session_token", "ticket", "proof"]
)
def test_d110_a_secret_that_becomes_a_field_is_not_kept(name: str) -> None:
    kept = fields_of("operator_command", {"x": {name: "sesame", "y": [1, None]}})
    assert kept == {"x": {name: "[redacted]", "y": [1, None]}}
    assert fields_of("operator_command", {name: ["sesame"]}) == {name: ["[redacted]"]}
    assert fields_of("operator_command", {name: "changed"}) == {name: "changed"}


def test_what_is_no_plain_data_is_named_by_its_type() -> None:
    kept = fields_of("operator_command", {"a": object(), "b": {"z", "y"}, "c": b"x"})
    assert kept == {"a": "<object>", "b": ["y", "z"], "c": "<bytes>"}


def test_text_that_utf8_cannot_carry_is_escaped() -> None:
    assert fields_of("operator_command", {"a\ud800": "\udfff"}) == {
        "a\\ud800": "\\udfff"
    }


def test_differences_are_asked_for_late_and_split_over_lines() -> None:
    asked: list[int] = []

    def detail() -> list[dict[str, Any]]:
        asked.append(1)
        return [{"name": str(number)} for number in range(250)]

    made = drafts(1, "directory_changed", {"user": "a", "epoch": 7, "detail": detail})
    assert asked == []
    parts = [json.loads(draft.fields) for draft in made]
    assert asked == [1]
    assert [len(part["differences"]) for part in parts] == [100, 100, 50]
    assert [(part["part"], part["parts"]) for part in parts] == [(1, 3), (2, 3), (3, 3)]
    assert {part["epoch"] for part in parts} == {7}


def test_a_change_whose_differences_fail_is_told_all_the_same() -> None:
    def detail() -> list[dict[str, Any]]:
        raise KeyError("sesame")

    kept = fields_of("directory_changed", {"epoch": 7, "detail": detail})
    assert kept == {"epoch": 7, "differences": [{"failed": "KeyError"}]}


def test_a_line_is_shown_as_plain_data() -> None:
    (line,) = chain(("login_accepted", {"user": "lisa", "address": "::1"}))
    assert shown(line) == {
        "seq": 1,
        "time": 1_000,
        "kind": "login_accepted",
        "user": "lisa",
        "session": "",
        "action": "login",
        "path": "",
        "verdict": "allowed",
        "fields": {"address": "::1"},
        "previous": "00" * 32,
        "hash": line.hash.hex(),
    }
