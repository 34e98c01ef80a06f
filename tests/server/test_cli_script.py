import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vestibule.server.cli import commands


def check(*arguments: str, typed: bytes = b"") -> Result:
    return CliRunner().invoke(commands, ["script", "check", *arguments], input=typed)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "roles.script"


def test_a_script_without_errors_is_told_so(file: Path) -> None:
    file.write_text("set 'A' permissions [VIEW_SESSION]\n; done\nisolate path 'x'\n")
    result = check(str(file))
    assert (result.exit_code, result.stdout) == (0, "no error in 2 commands\n")


def test_each_error_is_told_with_its_place(file: Path) -> None:
    file.write_text("isolate path\n\nfrobnicate 'A'\n")
    result = check(str(file))
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:1:13", f"{file}:3:1"]


def test_the_answer_may_be_json_and_the_script_come_by_standard_input() -> None:
    result = check("-", "--json", typed=b"isolate path 'a'\n\x27")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["commands"] == 1
    ((line, column),) = [(one["line"], one["column"]) for one in answer["reports"]]
    assert (line, column) == (2, 1)


def test_a_script_of_the_other_view_has_to_be_called_so(file: Path) -> None:
    file.write_text("add principal 'p' 'sesame'\n")
    result = check(str(file))
    assert result.exit_code == 1
    assert "sesame" not in result.output
    assert check(str(file), "--view", "authentication").exit_code == 0


def test_what_is_no_script_is_no_usage(file: Path) -> None:
    assert check(str(file)).exit_code == 2
    file.write_bytes(b"\xff")
    assert check(str(file)).exit_code == 2


def test_a_script_that_no_broker_takes_is_too_large(file: Path) -> None:
    file.write_text("; " + "x" * 256 * 1024)
    result = check(str(file))
    assert result.exit_code == 1
    assert "SCRIPT_TOO_LARGE" in result.stderr or "262144" in result.stderr
