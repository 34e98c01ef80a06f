"""Commands that ask, told against a session that notes what it was asked."""

import json
from pathlib import Path
from typing import Any

from client.shell import Shell


GRANT: dict[str, Any] = {
    "holder": "group:staff",
    "section": "events",
    "pattern": "news/**",
    "action": "publish",
    "authorized": True,
}
PROHIBITION = {**GRANT, "holder": "user:bob", "authorized": False}
EXPLAINED = {
    "allowed": True,
    "reason": "a rule",
    "grant": GRANT,
    "through": ["everybody", "staff"],
    "matched": [
        {**GRANT, "through": ["everybody", "staff"]},
        {**PROHIBITION, "through": []},
    ],
    "left_out": 3,
    "void": [],
}
BOB_CAN = {
    "username": "bob",
    "groups": [{"name": "staff", "through": ["staff"]}],
    "rules": [
        {
            "section": "events",
            "pattern": "news/*",
            "matches": "news/**",
            "actions": ["publish"],
            "holder": "group:staff",
            "through": ["staff"],
            "exceptions": [
                {"pattern": "news/x", "action": "publish", "holder": "user:bob"}
            ],
        }
    ],
    "assignments": [
        {
            "holder": "group:staff",
            "path": "default",
            "permissions": ["READ_TOPIC"],
            "through": ["staff"],
        }
    ],
    "isolated": [],
    "global_permissions": [
        {"permission": "VIEW_SESSION", "holder": "group:staff", "through": ["staff"]}
    ],
    "own_methods": [{"path": "hub/security/get_own_user"}],
    "void": [],
    "left_out": 0,
}


def test_what_can_as_json_is_the_answer(shell: Shell) -> None:
    shell.session.answer = BOB_CAN
    assert json.loads(shell("what-can", "bob", "--json").stdout) == BOB_CAN
    assert shell.session.asked == [("what_can", "bob")]


def test_explain_tells_through_which_groups_it_came_and_what_else_matched(
    shell: Shell,
) -> None:
    shell.session.answer = EXPLAINED
    text = shell("explain", "bob", "events.publish", "news/x").stdout
    assert "through  everybody > staff" in text
    assert "also matched" in text
    assert "user:bob prohibits" in text
    assert text.count("group:staff allows") == 1
    assert "and 3 more" in text


def test_what_can_shows_exceptions_and_where_each_right_comes_from(
    shell: Shell,
) -> None:
    shell.session.answer = BOB_CAN
    text = " ".join(shell("what-can", "bob").stdout.split())
    assert "news/*" in text
    assert "publish news/x (user:bob)" in text
    assert "VIEW_SESSION" in text
    assert "default READ_TOPIC" in text


def test_what_if_reads_changes_and_tells_who_gains_and_loses(
    shell: Shell, tmp_path: Path
) -> None:
    changes = [{"method": "unlink_group", "args": ["staff", "bob"]}]
    file = tmp_path / "changes.json"
    file.write_text(json.dumps(changes))
    right = {"section": "events", "path": "news/**", "action": "publish"}
    held = {"kind": "event", "name": "news/*"}
    shell.session.answer = {
        "epoch": 7,
        "users": [{"username": "bob", "gains": [], "loses": [right], "left_out": 0}],
        "users_left_out": 2,
        "sessions": [
            {
                "session_id": "s1",
                "username": "bob",
                "ends": None,
                "suspended": [held],
                "resumed": [],
            }
        ],
        "sessions_left_out": 0,
    }
    text = " ".join(shell("what-if", str(file)).stdout.split())
    assert "events publish news/**" in text
    assert "event news/*" in text
    assert "and 2 more users" in text
    assert json.loads(shell("what-if", str(file), "--json").stdout)["epoch"] == 7
    assert shell.session.asked == [("what_if", changes)] * 2
    shell.session.answer = {"before": EXPLAINED, "after": {**EXPLAINED, "grant": None}}
    text = shell("what-if", str(file), "bob", "events.publish", "news/x").stdout
    assert text.index("before") < text.index("after") < text.index("nothing matched")
    shell.session.answer = {
        "users": [],
        "users_left_out": 0,
        "sessions": [],
        "sessions_left_out": 0,
    }
    assert "nobody would gain" in shell("what-if", str(file)).stdout
    # A question that is not whole, and files that are none.
    assert shell("what-if", str(file), "bob").exit_code == 2
    assert shell("what-if", str(tmp_path / "none")).exit_code == 2
    file.write_text("{")
    assert shell("what-if", str(file)).exit_code == 2
