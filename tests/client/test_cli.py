import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer

from client.shell import FakeEvent, FakeSubscription, Shell
from vestibule import client
from vestibule.client import cli, cli_app, cli_joining, cli_output


# Where, and as whom


def test_without_options_it_is_the_broker_of_this_machine_and_nobody(
    shell: Shell,
) -> None:
    assert shell("publish", "news/x").exit_code == 0
    (opened,) = shell.opened
    assert opened.url == "ws://127.0.0.1:7420"
    assert opened.credentials == {}
    assert opened.options == {"encryption": "required", "reconnect": None}


def test_options_name_broker_key_and_user(shell: Shell, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("sesame\n")
    result = shell(
        "--url=wss://broker.example",
        "--server-key=vsk1_a",
        "--server-key=vsk1_b",
        "--username=lisa",
        f"--password-file={secret}",
        f"--known-brokers={tmp_path}",
        "--encryption=off",
        "publish",
        "x",
    )
    assert result.exit_code == 0
    (opened,) = shell.opened
    assert opened.url == "wss://broker.example"
    assert opened.credentials == {"username": "lisa", "password": "sesame"}
    assert opened.options == {
        "encryption": "off",
        "server_key": ["vsk1_a", "vsk1_b"],
        "known_brokers": tmp_path,
        "reconnect": None,
    }


def test_variables_do_the_same(shell: Shell) -> None:
    shell(
        "publish",
        "x",
        VESTIBULE_URL="ws://127.0.0.1:1",
        VESTIBULE_SERVER_KEY="vsk1_a",
        VESTIBULE_USERNAME="lisa",
        VESTIBULE_PASSWORD="sesame ",
    )
    (opened,) = shell.opened
    assert opened.url == "ws://127.0.0.1:1"
    assert opened.credentials == {"username": "lisa", "password": "sesame "}
    assert opened.options["server_key"] == ["vsk1_a"]


def test_without_a_terminal_and_a_password_it_says_how_to_give_one(
    shell: Shell,
) -> None:
    result = shell("-u", "lisa", "publish", "x")
    assert result.exit_code == 2
    assert result.stderr == (
        "vestibule: no password: give --password-file or VESTIBULE_PASSWORD\n"
    )
    assert shell.opened == []


def test_no_option_of_any_command_takes_a_password_itself() -> None:
    def walk(command: Any) -> list[Any]:
        below = getattr(command, "commands", {}).values()
        return [command, *(inner for child in below for inner in walk(child))]

    flags = {"password"}
    for command in walk(typer.main.get_command(cli_app.app)):
        for parameter in command.params:
            if any("password" in option for option in parameter.opts):
                is_flag = parameter.name in flags and parameter.is_flag
                assert is_flag or parameter.name.endswith("_file"), parameter.opts


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xff", "is not text"),
        (b"x" * 5000, "is too long to be a password"),
        (None, "No such file or directory"),
    ],
)
def test_a_password_file_that_is_none_is_named(
    shell: Shell, tmp_path: Path, content: bytes | None, line: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    result = shell("-u", "lisa", f"--password-file={path}", "publish", "x")
    assert result.exit_code == 2
    assert result.stderr == f"vestibule: {path}: {line}\n"


# How failures end


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (
            client.LoginRefused("INVALID_AUTH_DATA", "invalid credentials"),
            3,
            "INVALID_AUTH_DATA: invalid credentials",
        ),
        (
            client.LoginRefused("SERVER_KEY_UNVERIFIED", "unverified"),
            3,
            "SERVER_KEY_UNVERIFIED: unverified; give --server-key, which the broker",
        ),
        (
            client.LoginRefused("BUSY", "", {"retry_after": 2}),
            3,
            "BUSY [retry_after: 2]",
        ),
        (client.HandshakeFailed("SERVER_KEY_CHANGED"), 4, "SERVER_KEY_CHANGED"),
        (client.SessionClosed("revoked"), 4, "SESSION_CLOSED: ended: revoked"),
        (
            client.MessageDenied("MESSAGE_DENIED", "denied", name="news/x"),
            5,
            "MESSAGE_DENIED: denied (news/x)",
        ),
        (client.RequestTimeout("REQUEST_TIMEOUT"), 6, "REQUEST_TIMEOUT"),
        (client.RemoteError("REMOTE_ERROR", "no"), 1, "REMOTE_ERROR: no"),
        (client.RequestFailed("CYCLE", "a\x1b[2J\nb"), 1, r"CYCLE: a\u001b[2J\u000ab"),
        (ConnectionRefusedError(111, "Connection refused"), 4, "cannot reach ws://"),
        (ValueError("not a server key"), 2, "not a server key"),
    ],
)
def test_every_failure_is_one_line_and_its_own_status(
    shell: Shell, problem: Exception, status: int, line: str
) -> None:
    shell.session.answer = problem
    result = shell("publish", "news/x")
    assert result.exit_code == status
    assert result.stderr.startswith(f"vestibule: {line}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


# Sending and hearing


@pytest.mark.parametrize(
    ("arguments", "typed", "data"),
    [
        ([], "", None),
        (['{"score": 3}'], "", {"score": 3}),
        (["--text", "{plain"], "", "{plain"),
        (["-"], "[1, 2]", [1, 2]),
        (["--text", "-"], "line\n", "line\n"),
    ],
)
def test_publish_sends_json_text_or_standard_input(
    shell: Shell, arguments: list[str], typed: str, data: object
) -> None:
    assert shell("publish", "news/x", *arguments, typed=typed).exit_code == 0
    assert shell.session.asked == [("publish", "news/x", data)]


@pytest.mark.parametrize("data", ["{", "plain", "[" * 100_000])
def test_data_that_is_not_json_is_refused_before_anything_is_opened(
    shell: Shell, data: str
) -> None:
    result = shell("publish", "news/x", data)
    assert result.exit_code == 2
    assert result.stderr == ("vestibule: DATA is not JSON; --text sends it as it is\n")
    assert shell.opened == []


def test_call_prints_the_answer_as_json(shell: Shell) -> None:
    shell.session.answer = {"sum": 3, "raw": b"\x00\xff"}
    result = shell("call", "add", "[1, 2]", "--timeout", "0.5", "--json")
    assert json.loads(result.stdout) == {"sum": 3, "raw": "AP8="}
    assert shell.session.asked == [("call", "add", [1, 2], 0.5)]


def test_subscribe_prints_a_line_an_event_and_tells_what_was_refused(
    shell: Shell,
) -> None:
    shell.session.subscription = FakeSubscription(
        [FakeEvent("n/a", {"x": 1}), FakeEvent("n/b", "\x1b[2J"), FakeEvent("n/c", 0)],
        {"secret/*": client.MessageDenied("MESSAGE_DENIED", "denied")},
    )
    result = shell("subscribe", "n/*", "secret/*", "--count", "2")
    assert result.stdout == 'n/a  {"x": 1}\nn/b  "\\u001b[2J"\n'
    assert result.stderr == "vestibule: secret/*: MESSAGE_DENIED: denied\n"
    assert "reconnect" not in shell.opened[0].options


def test_subscribe_as_json_is_an_object_a_line(shell: Shell) -> None:
    shell.session.subscription = FakeSubscription([FakeEvent("n/a", [1])])
    result = shell("subscribe", "n/*", "--json")
    assert json.loads(result.stdout) == {"name": "n/a", "data": [1]}


def test_login_check_tells_who_and_what_is_insecure(shell: Shell) -> None:
    answer = json.loads(shell("login-check", "--json").stdout)
    assert answer == {
        "username": "lisa",
        "session_id": "5e55",
        "insecure": ["lockout_off"],
    }
    assert "lockout_off" in shell("login-check").stdout


# Administering

GRANT = {
    "holder": "group:staff",
    "section": "events",
    "pattern": "news/**",
    "action": "publish",
    "authorized": True,
}
ROW = {"username": "bob", "user_id": "u1"}
USER = {"username": "bob", "user_id": "u1", "groups": {"staff": True, "_GUEST": True}}


@pytest.mark.parametrize(
    ("arguments", "asked", "answer"),
    [
        (["user", "list"], ("list_users", "*"), [ROW]),
        (["user", "list", "b*"], ("list_users", "b*"), [ROW]),
        (["user", "get", "bob"], ("get_user", "bob"), USER),
        (["user", "delete", "bob"], ("delete_user", "bob"), USER),
        (
            ["user", "update", "bob", "--group=g", "--leave=h", "--disable"],
            (
                "update_user",
                {
                    "username": "bob",
                    "disabled": True,
                    "groups": {"g": True, "h": False},
                },
            ),
            USER,
        ),
        (["group", "list"], ("list_groups", "*"), [{"name": "staff", "includes": []}]),
        (["group", "get", "staff"], ("get_group", "staff"), {"name": "staff"}),
        (
            ["group", "add", "staff", "--include=a", "--include=b"],
            ("add_group", {"name": "staff", "includes": ["a", "b"]}),
            {"name": "staff"},
        ),
        (
            ["group", "update", "staff", "--no-includes"],
            ("update_group", {"name": "staff", "includes": []}),
            {"name": "staff"},
        ),
        (["group", "delete", "staff"], ("delete_group", "staff"), {"name": "staff"}),
        (
            ["group", "link", "staff", "bob"],
            ("link_group", "staff", "bob"),
            {"group": "staff", "username": "bob", "changed": True},
        ),
        (
            ["group", "unlink", "staff", "bob"],
            ("unlink_group", "staff", "bob"),
            {"group": "staff", "username": "bob", "changed": False},
        ),
        (
            [
                "grant",
                "add",
                "staff",
                "events",
                "news/*",
                "--actions=publish, subscribe",
            ],
            (
                "add_group_permissions",
                "staff",
                {"events": {"news/*": {"actions": ["publish", "subscribe"]}}},
            ),
            {},
        ),
        (
            ["grant", "add", "bob", "methods", "x", "--user", "--prohibit"],
            (
                "add_user_permissions",
                "bob",
                {"methods": {"x": {"authorized": False}}},
            ),
            {},
        ),
        (
            ["grant", "remove", "staff", "events", "news/*"],
            ("remove_group_permissions", "staff", {"events": {"news/*": {}}}),
            {},
        ),
        (
            ["grant", "remove", "bob", "events", "x", "--user", "--actions=publish"],
            (
                "remove_user_permissions",
                "bob",
                {"events": {"x": {"actions": ["publish"]}}},
            ),
            {},
        ),
        (
            ["explain", "bob", "events.publish", "news/x"],
            ("explain", "bob", "events.publish", "news/x"),
            {"allowed": True, "reason": "a rule", "grant": GRANT, "void": []},
        ),
        (
            ["who-can", "events.publish", "news/x"],
            ("who_can", "events.publish", "news/x"),
            [{"username": "bob", "grant": GRANT}],
        ),
    ],
)
def test_each_command_asks_one_thing_and_answers_as_table_or_json(
    shell: Shell, arguments: list[str], asked: tuple[Any, ...], answer: object
) -> None:
    shell.session.answer = answer
    for_people = shell(*arguments)
    for_programs = shell(*arguments, "--json")
    assert for_people.exit_code == for_programs.exit_code == 0, for_people.output
    assert shell.session.asked == [asked, asked]
    assert json.loads(for_programs.stdout) == answer
    for name in ("bob", "staff"):
        if name in json.dumps(answer):
            assert name in for_people.stdout


def test_explain_says_in_words_which_grant_decided(shell: Shell) -> None:
    shell.session.answer = {
        "allowed": False,
        "reason": "prohibited",
        "grant": {**GRANT, "authorized": False},
        "void": [],
    }
    text = shell("explain", "bob", "events.publish", "news/x").stdout
    assert "group:staff prohibits events publish news/**" in text
    shell.session.answer = {
        "allowed": False,
        "reason": "",
        "grant": None,
        "void": ["t"],
    }
    text = shell("explain", "bob", "events.publish", "news/x").stdout
    assert "nothing matched" in text
    assert "void" in text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["user", "get", "zoe"], "USER_NOT_FOUND: zoe"),
        (["group", "get", "zoo"], "GROUP_NOT_FOUND: zoo"),
    ],
)
def test_what_is_not_there_is_a_failure(
    shell: Shell, arguments: list[str], line: str
) -> None:
    result = shell(*arguments)
    assert result.exit_code == 1
    assert result.stderr == f"vestibule: {line}\n"


@pytest.mark.parametrize(
    "arguments", [["user", "update", "bob"], ["group", "update", "staff"]]
)
def test_a_change_that_changes_nothing_is_a_usage_error(
    shell: Shell, arguments: list[str]
) -> None:
    assert shell(*arguments).exit_code == 2
    assert shell.opened == []


def test_a_users_password_comes_from_a_file_or_a_variable(
    shell: Shell, tmp_path: Path
) -> None:
    shell.session.answer = USER
    path = tmp_path / "new"
    path.write_text("sesame\r\n")
    shell("user", "add", "bob", "--group", "staff", f"--new-password-file={path}")
    shell("user", "update", "bob", "--password", VESTIBULE_NEW_PASSWORD="other")
    assert shell.session.asked == [
        (
            "add_user",
            {"username": "bob", "password": "sesame", "groups": {"staff": True}},
        ),
        ("update_user", {"username": "bob", "password": "other"}),
    ]
    result = shell("user", "add", "bob")
    assert result.exit_code == 2
    assert "--new-password-file or VESTIBULE_NEW_PASSWORD" in result.stderr


def test_names_from_the_broker_cannot_drive_the_terminal(shell: Shell) -> None:
    shell.session.answer = [{"username": "[red]\x1b[2Jbob", "user_id": "1"}]
    text = shell("user", "list").stdout
    assert "\x1b" not in text
    assert "[red]" in text
    assert r"\u001b" in text


# The command itself


def test_help_lists_every_command(shell: Shell) -> None:
    text = shell("--help").stdout
    for name in ("publish", "subscribe", "call", "explain", "who-can", "login-check"):
        assert name in text
    for name in ("user", "group", "grant", "demo", "version"):
        assert name in text
    assert "never" in text


def test_other_parts_add_commands_and_replace_none(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = typer.Typer()

    @more.command("serve")
    def _serve() -> None:
        typer.echo("served")

    @more.command("publish")
    def _publish() -> None:
        typer.echo("stolen")

    loaded: list[str] = []

    class Entry:
        def load(self) -> typer.Typer:
            loaded.append("once")
            return more

    monkeypatch.setattr(cli_joining, "entry_points", lambda **_: [Entry()])
    assert shell("publish", "x").stdout == ""
    assert loaded == []
    assert shell("serve").stdout == "served\n"
    assert loaded == ["once"]
    assert "serve" in shell("--help").stdout


def test_a_broker_that_is_not_installed_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("server", "vestibule_is_not_there:commands", "g")
    monkeypatch.setattr(cli_joining, "entry_points", lambda **_: [entry])
    result = shell("serve")
    assert result.exit_code == 1
    assert "vestibule[server]" in result.stderr
    assert shell("nonsense").exit_code == 2


def test_a_broker_that_is_broken_is_not_taken_for_one_that_is_missing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("server", "vestibule.client.not_there:commands", "g")
    monkeypatch.setattr(cli_joining, "entry_points", lambda **_: [entry])
    assert isinstance(shell("serve").exception, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("typed", "position", "offered"),
    [
        ("vestibule pub", "1", "publish"),
        (
            "vestibule user ",
            "2",
            "list\nget\nadd\nupdate\ndelete\nnew-key\nenrol-key\nunlock",
        ),
    ],
)
def test_shells_complete_commands(
    shell: Shell, typed: str, position: str, offered: str
) -> None:
    result = shell(
        _VESTIBULE_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=position
    )
    assert result.stdout.strip() == offered


def test_without_typer_a_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "vestibule.client.cli_app")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "pip install 'vestibule[cli]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (["a", "b"], "a, b"),
        ({"a": 1}, '{"a": 1}'),
        ("a\u202eb", r"a\u202eb"),
    ],
)
def test_cells_are_short_and_printable(value: object, shown: str) -> None:
    assert cli_output._cell(value) == shown
