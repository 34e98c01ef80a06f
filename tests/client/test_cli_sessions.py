import json

from client.shell import Shell
from vestibule.client import RequestFailed


ROW = {
    "session_id": "5e55",
    "username": "lisa",
    "type": "websocket",
    "remote_address": "192.0.2.1",
    "authenticator": "directory",
    "connected_at": "2031-01-31T09:30:00.000Z",
    "profile": "default-websocket",
    "token_id": "t1",
    "last": {"action": "publish", "path": "a/b", "allowed": False, "at": "…"},
}


def test_sessions_are_listed_with_what_they_asked_last(shell: Shell) -> None:
    shell.session.answer = [ROW, {**ROW, "session_id": "5e56", "last": None}]
    shown = shell("session", "list", COLUMNS="250").stdout
    assert "5e55" in shown
    assert "publish a/b denied" in shown
    assert json.loads(shell("session", "list", "--json").stdout)[0] == ROW
    shell("session", "list", "--user", "lisa", "--limit", "5")
    assert shell.session.asked == [
        ("list_sessions",),
        ("list_sessions",),
        ("list_sessions", {"criteria": {"username": "lisa"}, "limit": 5}),
    ]


def test_s84_sessions_are_revoked_one_after_the_other(shell: Shell) -> None:
    assert shell("session", "revoke", "a", "b").exit_code == 0
    assert shell.session.asked == [
        ("revoke_authentication", "a"),
        ("revoke_authentication", "b"),
    ]
    shell.session.answer = RequestFailed("NO_SUCH_SESSION", "no such session")
    result = shell("session", "revoke", "none")
    assert result.exit_code == 1
    assert "NO_SUCH_SESSION" in result.stderr


def test_tokens_are_revoked_and_listed(shell: Shell) -> None:
    assert shell("token", "revoke", "t1", "--reason", "lost laptop").exit_code == 0
    revoked = {
        "token_id": "t1",
        "username": "lisa",
        "reason": "lost laptop",
        "revoked_at": "2031-01-31T09:30:00.000Z",
        "expires_at": "2031-02-01T09:30:00.000Z",
    }
    shell.session.answer = [revoked]
    assert "lost laptop" in shell("token", "list-revoked", COLUMNS="250").stdout
    assert json.loads(shell("token", "list-revoked", "--json").stdout) == [revoked]
    assert shell.session.asked[0] == ("revoke_token", "t1", "lost laptop")
