"""Ending locks with the broker stopped."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from directories import opened
from scripting import Administrator
from vestibule.server.cli import commands
from vestibule.server.config import Config
from vestibule.server.folderlock import FolderLock
from vestibule.server.keyfile import make_keys
from vestibule.server.operations.unlocking import unlock as unlocked
from vestibule.server.trail import add_line
from vestibule.server.trail.database import Database
from vestibule.server.trail.head import DATABASE
from vestibule.server.trail.opening import open_trail


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VESTIBULE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a broker that is stopped: A and p are locked by lou."""
    folder = tmp_path_factory.mktemp("locked") / "data"

    async def make() -> None:
        async with opened(folder) as directory:
            make_keys(folder)
            admin = Administrator(directory)
            await admin.system(
                "add principal 'lou' 'pw'", "add principal 'p' 'pw' locked by 'lou'"
            )
            await admin.security("set role 'A' locked by principal 'lou'")

    asyncio.run(make())
    opened_trail = open_trail(folder, lambda: 1.0)
    opened_trail.writer.close()
    opened_trail.reader.close()
    return folder


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "data")
    path = tmp_path / "config.yaml"
    path.write_text(f"name: hub\ndata: {tmp_path / 'data'}\n")
    return path


def unlock(kind: str, name: str, config: Path) -> Result:
    return CliRunner().invoke(commands, [kind, "unlock", name, "--config", str(config)])


def told(folder: Path) -> list[dict[str, object]]:
    database = Database.open(folder / DATABASE)
    try:
        lines = [line for line in database.lines() if line.kind == "operator_command"]
    finally:
        database.close()
    return [json.loads(line.fields) for line in lines]


def locks(folder: Path) -> dict[str, int]:
    async def read() -> dict[str, int]:
        async with opened(folder) as directory:
            return dict(directory.policy.model.locks)

    return asyncio.run(read())


def test_locks_end_and_the_audit_trail_says_so(config: Path) -> None:
    folder = config.parent / "data"
    result = unlock("group", "A", config)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "the lock of lou on the group A has ended\n"
    assert locks(folder) == {"lou": 1}
    assert unlock("user", "p", config).exit_code == 0
    assert locks(folder) == {}
    said = [(one["command"], one["name"], one["principal"]) for one in told(folder)]
    assert said == [("group unlock", "A", "lou"), ("user unlock", "p", "lou")]
    result = unlock("user", "p", config)
    assert (result.exit_code, result.stdout) == (0, "the user was not locked\n")
    assert len(told(folder)) == 2


def test_nothing_is_unlocked_while_a_broker_runs(config: Path) -> None:
    folder = config.parent / "data"
    with FolderLock(folder):
        result = unlock("group", "A", config)
    assert result.exit_code == 1
    assert "is in use" in result.stderr
    assert locks(folder) == {"lou": 2}


def test_who_is_not_there_is_told_in_one_line(config: Path, tmp_path: Path) -> None:
    for kind, name in (("group", "nobody"), ("user", "A")):
        result = unlock(kind, name, config)
        assert result.exit_code == 1
        assert "NOT_FOUND" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    empty = tmp_path / "empty.yaml"
    empty.write_text(f"data: {tmp_path / 'none'}\n")
    result = unlock("group", "A", empty)
    assert result.exit_code == 1
    assert "there is no directory" in result.stderr
    assert not (tmp_path / "none").exists()


async def test_whose_lock_it_was_is_answered(config: Path) -> None:
    loaded = Config.load(config)
    assert await unlocked(loaded, "user", "p") == "lou"
    assert await unlocked(loaded, "user", "p") is None


def test_nothing_is_unlocked_where_it_cannot_be_written_down(config: Path) -> None:
    folder = config.parent / "data"
    add_line(folder, "operator_command", {"command": "test"}, time=2.0)
    (folder / DATABASE).write_bytes(b"no database")
    result = unlock("group", "A", config)
    assert result.exit_code == 1
    assert locks(folder) == {"lou": 2}
