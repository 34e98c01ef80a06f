"""A trail is begun once, and gone on with only where it ends as its head says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trails import Wall, chain, denial, stored, trail
from vestibule.server.trail import (
    DATABASE,
    HEAD_FILE,
    KEY_FILE,
    Head,
    Line,
    TrailDamaged,
    add_line,
    verify,
)
from vestibule.server.trail.database import create
from vestibule.server.trail.head import START, make_key, read_key, write_head
from vestibule.server.trail.opening import open_trail


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    async with trail(folder) as opened:
        for number in range(20):
            opened.put("message_denied", denial(str(number)))
    return folder


async def opens(folder: Path) -> None:
    async with trail(folder):
        """Nothing is done."""


async def test_the_files_belong_to_their_owner_alone(folder: Path) -> None:
    for name in (DATABASE, HEAD_FILE, KEY_FILE):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def cut_end(folder: Path) -> None:
    replaced(folder, stored(folder)[:15])


def edit_last(folder: Path) -> None:
    lines = stored(folder)
    replaced(folder, [*lines[:-1], lines[-1]._replace(user="bob")])


def make_anew(folder: Path) -> None:
    replaced(folder, chain(count=30))


def empty(folder: Path) -> None:
    replaced(folder, [])


def replaced(folder: Path, lines: list[Line]) -> None:
    create(folder / DATABASE, lines)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def another_key(folder: Path) -> None:
    (folder / KEY_FILE).unlink()
    make_key(folder)


DAMAGE = [
    (cut_end, r"audit\.db: was changed: line 16: is missing, with those up to 21"),
    (edit_last, r"audit\.db: was changed: line 21: was edited"),
    (make_anew, r"audit\.db: was changed: line 21: is another line than the head"),
    (empty, r"audit\.db: was changed: line 1: is missing, with those up to 21"),
    (without(DATABASE), r"audit\.db: is missing, and audit\.head knows it"),
    (without(HEAD_FILE), r"audit\.head: cannot be read"),
    (without(KEY_FILE), r"audit\.key: cannot be read"),
    (another_key, r"audit\.head: was not made with audit\.key"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGE)
async def test_a_trail_that_was_tampered_with_is_not_gone_on_with(
    folder: Path, damage: Callable[[Path], None], told: str
) -> None:
    damage(folder)
    with pytest.raises(TrailDamaged, match=told):
        await opens(folder)
    if (folder / DATABASE).exists():
        with pytest.raises(TrailDamaged, match=told):
            add_line(folder, "operator_command", {}, time=1.0)


async def test_a_missing_key_is_no_fault_of_the_lines(folder: Path) -> None:
    (folder / KEY_FILE).unlink()
    assert verify(folder, []).faults == []


async def test_all_files_gone_is_a_trail_begun_anew_which_an_old_head_shows(
    folder: Path,
) -> None:
    head = verify(folder, []).head
    assert head is not None
    for name in (DATABASE, HEAD_FILE, KEY_FILE):
        (folder / name).unlink()
    await opens(folder)
    assert verify(folder, []).faults == []
    assert verify(folder, [head]).faults != []


async def test_an_older_copy_of_all_files_is_found_by_a_head_that_was_kept(
    folder: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    async with trail(folder) as opened:
        opened.put("login_accepted", {"user": "lisa"})
    head = verify(folder, []).head
    assert head is not None
    assert verify(copy, []).faults == []
    (fault,) = verify(copy, [head]).faults
    assert str(fault) == "line 22: is missing, with those up to 22: the end was cut off"


async def test_a_table_ahead_of_its_head_is_gone_on_with(folder: Path) -> None:
    """The process died between the two."""
    line = stored(folder)[9]
    write_head(folder, read_key(folder), Head(line.seq, line.hash))
    await opens(folder)
    write_head(folder, read_key(folder), START)
    await opens(folder)


async def test_a_start_that_was_cut_short_is_made_good(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    await opens(tmp_path)
    (tmp_path / DATABASE).unlink()
    write_head(tmp_path, key, START)
    await opens(tmp_path)
    assert [line.kind for line in stored(tmp_path)] == ["trail_begun"]


async def test_a_command_adds_a_line_while_a_broker_writes(folder: Path) -> None:
    async with trail(folder) as opened:
        opened.put("login_accepted", {"user": "lisa"})
        await opened.settled()
        head = add_line(folder, "operator_command", {"command": "backup"}, time=2.0)
        assert head is not None
        opened.put("session_ended", {"user": "lisa"})
    assert [line.kind for line in stored(folder)[-3:]] == [
        "login_accepted",
        "operator_command",
        "session_ended",
    ]
    assert verify(folder, [head]).faults == []


def test_without_a_trail_a_command_adds_nothing(tmp_path: Path) -> None:
    assert add_line(tmp_path, "operator_command", {}, time=2.0) is None
    assert list(tmp_path.iterdir()) == []


async def test_a_long_trail_is_gone_on_with_after_a_look_at_its_end(
    folder: Path,
) -> None:
    lines = chain(count=2_500)
    create(folder / DATABASE, lines)
    write_head(folder, read_key(folder), Head(2_500, lines[-1].hash))
    await opens(folder)
    damaged = [lines[0]._replace(user="bob"), *lines[1:]]
    create(folder / DATABASE, damaged)
    await opens(folder)
    assert [fault.seq for fault in verify(folder, []).faults] == [1]


def test_a_folder_that_takes_no_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrailDamaged, match=r"audit\.db: cannot be made"):
        open_trail(tmp_path / "file", Wall())
