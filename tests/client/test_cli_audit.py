import json

from client.shell import Shell


LINE = {
    "seq": 7,
    "time": "2031-01-31T09:30:00.000Z",
    "kind": "message_denied",
    "user": "lisa",
    "session": "5e55",
    "action": "event.publish",
    "path": "news/x\x1b",
    "verdict": "denied",
    "fields": {"code": "MESSAGE_DENIED"},
    "hash": "00",
}


def test_options_become_the_question(shell: Shell) -> None:
    shell.session.answer = {"lines": [], "more": False}
    result = shell(
        "audit",
        "query",
        "--user=lisa",
        "--verdict=denied",
        "--path=news/*",
        "--since=2031-01-31T09:30:00Z",
        "--limit=5",
        "--before=9",
        "--json",
    )
    assert result.exit_code == 0
    asked = {
        "username": "lisa",
        "verdict": "denied",
        "path": "news/*",
        "since": "2031-01-31T09:30:00Z",
        "limit": 5,
        "before_seq": 9,
    }
    assert shell.session.asked == [("query_audit", asked)]


def test_lines_are_a_table_without_anything_a_terminal_obeys(shell: Shell) -> None:
    shell.session.answer = {"lines": [LINE], "more": True}
    result = shell("audit", "query", COLUMNS="300")
    assert "message_denied" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stderr == "there are more: --before 7\n"


def test_or_json(shell: Shell) -> None:
    shell.session.answer = {"lines": [LINE], "more": True}
    result = shell("audit", "query", "--json")
    assert json.loads(result.stdout) == shell.session.answer
