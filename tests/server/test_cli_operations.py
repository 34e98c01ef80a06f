"""`backup`, `restore`, `export`, `import` and `doctor` as commands."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from directories import Copies
from server.operations.conftest import copy as copy, made as made  # noqa: PLC0414 - fixtures
from trails import stored
from vestibule.server.cli import commands
from vestibule.server.folderlock import FolderLock


@pytest.fixture
def folder(copy: Copies, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("VESTIBULE_"):
            monkeypatch.delenv(name)
    folder = copy()
    monkeypatch.setenv("VESTIBULE_DATA", str(folder))
    monkeypatch.setenv("VESTIBULE_NAME", "hub")
    monkeypatch.setenv("VESTIBULE_PASSWORDS__MEMLIMIT", str(19 * 1024 * 1024))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def run(*arguments: object, typed: str = "") -> Result:
    return CliRunner().invoke(commands, [str(one) for one in arguments], input=typed)


def test_a_backup_and_what_comes_of_it(folder: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    result = run("backup", backup, "--with-keys")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == ["epoch", "3"]
    again = run("backup", backup)
    assert again.exit_code == 1
    assert again.stderr == f"vestibule: {backup}: is there already and not empty\n"
    over = run("restore", backup)
    assert (over.exit_code, "is not empty" in over.stderr) == (1, True)
    shutil.rmtree(folder)
    assert json.loads(run("restore", backup, "--json").stdout)["epoch"] == 3
    assert "lisa" in run("export").stdout
    assert [json.loads(line.fields)["command"] for line in stored(folder)[-1:]] == [
        "restore"
    ]


def test_a_backup_without_keys_says_what_a_restore_needs(
    folder: Path, tmp_path: Path
) -> None:
    run("backup", tmp_path / "backup")
    moved = folder.rename(tmp_path / "moved")
    result = run("restore", tmp_path / "backup")
    assert (result.exit_code, "--identity" in result.stderr) == (1, True)
    key = moved / "identity.key"
    assert run("restore", tmp_path / "backup", "--identity", key).exit_code == 0
    assert (folder / "identity.key").read_bytes() == key.read_bytes()


@pytest.mark.parametrize("name", ["directory.yaml", "directory.json"])
def test_a_document_goes_out_and_in_again(
    folder: Path, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    assert run("export", file).exit_code == 0
    assert run("import", file, "--prune").stdout == "no difference\n"
    file.write_text(file.read_text().replace("news/*", "weather/*"))
    shown = run("import", file, "--dry-run")
    assert "weather/*" in shown.stdout
    assert json.loads(run("import", file, "--dry-run", "--json").stdout)[0]["name"] == (
        "staff"
    )
    assert run("import", file).stdout == shown.stdout
    assert run("import", file).stdout == "no difference\n"


def test_a_document_may_come_from_standard_input(folder: Path) -> None:
    for text in (run("export").stdout, run("export", "--json").stdout):
        assert run("import", "-", typed=text).stdout == "no difference\n"


def test_every_problem_of_a_document_is_a_line(folder: Path) -> None:
    text = "vestibule_directory: 1\nusers: {a: {x: 1}, b: {groups: 5}}"
    result = run("import", "-", typed=text)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "users.a.x: is an unknown key",
        "users.b.groups: is no list",
        "vestibule: INVALID_ARGUMENT: nothing was changed",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "standard input:1: is not valid YAML"),
        ("{x", "standard input:1: is not valid JSON"),
    ],
)
def test_what_is_no_document_is_told_in_one_line(
    folder: Path, text: str, told: str
) -> None:
    result = run("import", "-", typed=text)
    assert (result.exit_code, result.stderr) == (1, f"vestibule: {told}\n")


def test_files_that_cannot_be_read_or_written_are_named(
    folder: Path, tmp_path: Path
) -> None:
    for arguments in (
        ("import", tmp_path / "absent.yaml"),
        ("export", tmp_path / "absent" / "d.yaml"),
        ("restore", tmp_path / "absent"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "absent" in result.stderr
        assert result.stderr.count("\n") == 1


def test_while_a_broker_runs_nothing_is_imported(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    run("export", file)
    with FolderLock(folder):
        assert run("import", file, "--dry-run").exit_code == 0
        result = run("import", file)
    assert result.exit_code == 1
    assert "is in use: a broker runs on it" in result.stderr


def test_a_check_up_fails_by_its_status(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("doctor").exit_code == 0
    monkeypatch.setenv("VESTIBULE_LOCKOUT__ENABLED", "false")
    assert run("doctor").exit_code == 0
    assert run("doctor", "--strict").exit_code == 1
    (folder / "identity.key").chmod(0o640)
    result = run("doctor", "--json")
    assert result.exit_code == 1
    failed = [row for row in json.loads(result.stdout) if row["health"] == "failed"]
    assert {row["check"] for row in failed} == {"configuration", "files"}
