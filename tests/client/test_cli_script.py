import json
from pathlib import Path
from typing import Any

import pytest

from client.shell import Shell
from vestibule.client import (
    AnonymousPolicy,
    GlobalPermission,
    MessageDenied,
    PathPermission,
    PropertyRule,
    Role,
    ScriptError,
    SecurityConfiguration,
    SystemAuthenticationConfiguration,
    SystemPrincipal,
    VersionConflict,
)


SCRIPT = "isolate path 'a'\n"


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "roles.script"
    path.write_text(SCRIPT)
    return str(path)


def test_a_script_is_applied_and_its_version_told(shell: Shell, script: str) -> None:
    shell.session.answer = 8
    result = shell("script", "apply", script)
    assert result.exit_code == 0
    assert result.stdout == "applied: the security view has version 8\n"
    result = shell(
        *["script", "apply", script, "--view", "authentication"],
        *["--expected-version", "7", "--json"],
    )
    assert json.loads(result.stdout) == {"view": "authentication", "version": 8}
    assert shell.session.asked == [
        ("update_security_store", SCRIPT, {"expected_version": None}),
        ("update_authentication_store", SCRIPT, {"expected_version": 7}),
    ]


def test_a_script_may_come_from_standard_input(shell: Shell) -> None:
    shell.session.answer = 2
    assert shell("script", "apply", "-", typed=SCRIPT).exit_code == 0
    assert shell.session.asked[0][1] == SCRIPT


def failure() -> ScriptError:
    reports = [
        {"message": "Role 'A' is locked by principal 'lou'", "line": 2, "column": 5},
        {"message": "\x1b[2Jx", "line": 3, "column": 1},
    ]
    return ScriptError("SCRIPT_FAILED", "not applied", {"reports": reports})


def test_every_failure_of_a_script_is_told_with_its_place(
    shell: Shell, script: str
) -> None:
    shell.session.answer = failure()
    result = shell("script", "apply", script)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"{script}:2:5: Role 'A' is locked by principal 'lou'\n" in result.stderr
    assert "\x1b" not in result.stderr
    result = shell("script", "apply", script, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reports"][0]["column"] == 5


@pytest.mark.parametrize(
    ("problem", "status", "told"),
    [
        (MessageDenied("MESSAGE_DENIED", "denied"), 5, "MESSAGE_DENIED"),
        (
            VersionConflict("VERSION_CONFLICT", "no", {"expected": 1, "current": 2}),
            1,
            "[expected: 1] [current: 2]",
        ),
    ],
)
def test_other_failures_end_as_for_every_command(
    shell: Shell, script: str, problem: Exception, status: int, told: str
) -> None:
    shell.session.answer = problem
    result = shell("script", "apply", script)
    assert result.exit_code == status
    assert told in result.stderr


def test_what_is_no_script_is_not_sent(shell: Shell, tmp_path: Path) -> None:
    binary, large = tmp_path / "binary", tmp_path / "large"
    binary.write_bytes(b"\xff\xfe")
    large.write_bytes(b" " * (1024 * 1024 + 1))
    for path in (tmp_path / "absent", binary, large):
        result = shell("script", "apply", str(path))
        assert result.exit_code == 2
        assert str(path) in result.stderr
    assert shell.session.asked == []


def security() -> SecurityConfiguration:
    role = Role(
        "A",
        frozenset({GlobalPermission.VIEW_SESSION}),
        frozenset(),
        {"x": frozenset({PathPermission.READ_TOPIC})},
        frozenset(),
        "lou",
    )
    nothing: frozenset[str] = frozenset()
    return SecurityConfiguration(4, (role,), nothing, nothing, frozenset({"q"}))


def test_the_security_view_is_shown_as_its_script(shell: Shell) -> None:
    shell.session.answer = security()
    lines = shell("script", "show").stdout.splitlines()
    assert lines[0] == "; version 4"
    assert lines[1:] == security().to_script().splitlines()


def test_the_security_view_is_shown_as_json(shell: Shell) -> None:
    shell.session.answer = security()
    shown = json.loads(shell("script", "show", "--json").stdout)
    assert shown == {
        "version": 4,
        "roles": [
            {
                "name": "A",
                "global_permissions": ["VIEW_SESSION"],
                "default_path_permissions": [],
                "path_permissions": {"x": ["READ_TOPIC"]},
                "includes": [],
                "locking_principal": "lou",
            }
        ],
        "roles_for_anonymous_sessions": [],
        "roles_for_named_sessions": [],
        "isolated_paths": ["q"],
    }


def authentication(**rules: PropertyRule) -> SystemAuthenticationConfiguration:
    return SystemAuthenticationConfiguration(
        5,
        (SystemPrincipal("p", frozenset({"B", "A"}), "lou"),),
        AnonymousPolicy("allow", frozenset({"C"})),
        rules,
    )


def test_the_authentication_view_is_shown_as_tables(shell: Shell) -> None:
    shell.session.answer = authentication(
        K=PropertyRule("values", frozenset({"b", "a"})),
        J=PropertyRule("matches", pattern="x+"),
    )
    shown = shell("script", "show", "--view", "authentication").stdout
    rows: list[Any] = [line.split() for line in shown.splitlines()]
    assert ["anonymous", "connections", "allow"] in rows
    assert ["p", "A,", "B", "lou"] in rows
    assert ["K", "values", "a,", "b"] in rows
    assert ["J", "matches", "x+"] in rows
    shell.session.answer = authentication()
    assert "pattern" not in shell("script", "show", "--view", "authentication").stdout


def test_the_authentication_view_is_shown_as_json(shell: Shell) -> None:
    shell.session.answer = authentication(K=PropertyRule("matches", pattern="x+"))
    shown = json.loads(
        shell("script", "show", "--view=authentication", "--json").stdout
    )
    assert shown == {
        "version": 5,
        "principals": [{"name": "p", "roles": ["A", "B"], "locking_principal": "lou"}],
        "anonymous": {"action": "allow", "roles": ["C"]},
        "trusted_client_proposed_properties": {
            "K": {"kind": "matches", "values": [], "pattern": "x+"}
        },
    }


def test_a_script_is_checked_by_the_broker_part_of_the_package(
    shell: Shell, script: str
) -> None:
    result = shell("script", "check", script)
    assert result.exit_code == 0
    assert result.stdout == "no error in 1 commands\n"
    assert shell.opened == []
    assert "check" in shell("script", "--help").stdout
