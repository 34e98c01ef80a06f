"""`vestibule audit verify` and `export`, on the host."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from trails import denial, stored, trail
from vestibule.server.cli import commands
from vestibule.server.trail.database import create


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("VESTIBULE_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("VESTIBULE_DATA", str(folder))
    async with trail(folder) as opened:
        for number in range(4):
            opened.put("message_denied", denial(str(number)))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["audit", *map(str, arguments)])


def as_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_a_good_trail_is_told_with_its_head(folder: Path) -> None:
    result = run("verify")
    last = stored(folder)[-1]
    assert result.exit_code == 0
    assert result.stdout == f"5 lines are good\nhead  5:{last.hash.hex()}\n"
    assert as_json("verify") == {
        "lines": 5,
        "first": 1,
        "cut": 0,
        "head": f"5:{last.hash.hex()}",
        "faults": [],
        "more": 0,
    }


def test_an_edited_line_is_named_and_the_status_is_1(folder: Path) -> None:
    lines = stored(folder)
    create(folder / "audit.db", [lines[0], lines[1]._replace(user="bob"), *lines[2:]])
    result = run("verify")
    assert result.exit_code == 1
    assert result.stdout == "line 2: was edited: its hash is of something else\n"
    problem = "was edited: its hash is of something else"
    assert as_json("verify")["faults"] == [{"line": 2, "problem": problem}]


def test_a_head_that_was_noted_finds_an_end_that_was_cut_off(folder: Path) -> None:
    head = f"9:{'00' * 32}"
    result = run("verify", "--expect", head)
    assert result.exit_code == 1
    assert "line 6: is missing, with those up to 9: the end was cut" in result.stdout
    assert run("verify", "--expect", as_json("verify")["head"]).exit_code == 0


def test_what_is_no_head_is_a_mistake_of_usage(folder: Path) -> None:
    result = run("verify", "--expect", "9")
    assert result.exit_code == 2
    assert "--expect is not SEQ:HASH" in result.stderr


def test_exported_lines_can_be_checked_elsewhere(folder: Path, tmp_path: Path) -> None:
    result = run("export")
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [
        1,
        2,
        3,
        4,
        5,
    ]
    file = tmp_path / "lines.jsonl"
    file.write_text(result.stdout)
    head = as_json("verify")["head"]
    assert run("verify", "--file", file, "--expect", head).exit_code == 0
    file.write_text(run("export", "--since", 3).stdout.replace("lisa", "bob", 1))
    result = run("verify", "--file", file)
    assert (result.exit_code, result.stdout.split(":")[0]) == (1, "line 3")


MISSING: dict[str, Callable[[Path], object]] = {
    "audit.db": lambda folder: (folder / "audit.db").unlink(),
    "audit.head": lambda folder: (folder / "audit.head").unlink(),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_file_is_told_in_one_line(folder: Path, name: str) -> None:
    MISSING[name](folder)
    result = run("verify")
    assert result.exit_code == 1
    assert result.stderr.startswith("vestibule: ")
    assert name in result.stderr
    assert result.stderr.count("\n") == 1
