"""What is acknowledged is on disk; what is damaged is not served."""

import asyncio
import logging
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from directories import BY, Copies, Hub, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import DirectoryDamaged, DirectoryError
from vestibule.server.directory.epochfile import check_epoch, write_epoch
from vestibule.server.directory.migrations import MIGRATIONS
from vestibule.server.secret import Secret


async def filled(hub: Hub) -> None:
    """Make some of everything that calls can make."""
    data = {"t": "ü", "n": -5, "f": 1.25, "b": False, "l": [[], {}], "none": None}
    granted: dict[str, Any] = {
        "methods": {"c/*": {}, "d": {"authorized": False}},
        "events": {"n/*": {"actions": ["publish"], "deep": False}},
        "web": {"w": {"actions": ["get"], "prohibited": ["post"], "description": "w"}},
        "data": {"u/{username}": {"actions": ["*"]}},
    }
    await hub.group("H", custom_data=data)
    await hub.group("G", granted, includes=["H", "CLIENT"])
    await hub.user("ann", "G", password="secret", custom_data=data)
    await hub.user("lisa", "G", "H", application_data=data, permissions=granted)
    await hub.user("bob", disabled=True, expires="2031-01-31T09:30:00.000Z")
    await hub.user("zoe", "_DELEGATE")
    await hub.directory.delete_user("zoe", by=BY)


async def test_everything_is_there_after_a_restart(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await filled(Hub(directory))
        before = directory.policy.model
    async with opened(folder) as directory:
        assert directory.policy.model == before
        assert directory.policy.epoch == before.epoch
        assert await directory.verify("ann", "secret") is not None


async def test_a_killed_process_loses_nothing_acknowledged(
    copy: Copies, tmp_path: Path
) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await filled(Hub(directory))
        before = directory.policy.model
        killed = shutil.copytree(folder, tmp_path / "killed")
    assert (killed / "directory.db-wal").exists()
    async with opened(killed) as directory:
        assert directory.policy.model == before


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    async with opened(folder) as directory:
        await Hub(directory).group("G")
        modes = {path.name: path.stat().st_mode for path in folder.iterdir()}
        assert modes.keys() > {"directory.db", "directory.db-wal", "directory.epoch"}
        assert {stat.S_IMODE(mode) for mode in modes.values()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_s63_the_files_hold_no_password(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    async with opened(folder, admin_password=Secret("marked password")) as directory:
        await Hub(directory).user("lisa", password="another marked password")
        content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"marked" not in content
    assert b"lisa" in content


async def test_s1_no_password_and_no_verifier_is_logged(
    copy: Copies, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa", password="marked password")
        assert await directory.verify("lisa", "marked password") is not None
        assert await directory.verify("lisa", "marked as wrong") is None
        shown = f"{directory.policy.model} {directory.user('lisa')}"
    assert "marked" not in caplog.text + shown
    assert "argon2" not in caplog.text + shown


async def refused_to_open(folder: Path, name: str) -> str:
    with pytest.raises(DirectoryDamaged) as damage:
        async with opened(folder):
            pass
    text = str(damage.value)
    assert name in text
    assert "\n" not in text
    return text


async def test_a_changed_row_is_damage(copy: Copies) -> None:
    for statement in (
        "UPDATE users SET disabled = 1",
        "UPDATE rules SET allowed = 'call send'",
        "UPDATE \"groups\" SET global_permissions = ''",
        "UPDATE meta SET value = x'00' WHERE key = 'epoch'",
        "UPDATE memberships SET group_names = x'91a6434c49454e54'",
        "DELETE FROM meta",
        "DELETE FROM \"groups\" WHERE name = 'CLIENT'",
        "DELETE FROM users",
    ):
        folder = copy()
        with closing(sqlite3.connect(folder / "directory.db")) as database, database:
            assert database.execute(statement).rowcount > 0
        await refused_to_open(folder, "directory.db")


async def test_a_file_that_is_no_database_is_damage(copy: Copies) -> None:
    folder = copy()
    database = folder / "directory.db"
    content = bytearray(database.read_bytes())
    for changed in (b"", b"no database at all", bytes(content[:5000])):
        database.write_bytes(changed)
        await refused_to_open(folder, "directory.db")


async def test_a_layout_that_is_no_text_is_damage(copy: Copies) -> None:
    folder = copy()
    database = folder / "directory.db"
    # SQLite's own message quotes it, and is no text then either.
    content = database.read_bytes().replace(b"CREATE TABLE", b"CREATE \xc2ABLE")
    database.write_bytes(content)
    await refused_to_open(folder, "directory.db")


async def test_the_epoch_beside_the_database(copy: Copies, tmp_path: Path) -> None:
    folder = copy()
    older = shutil.copytree(folder, tmp_path / "older")
    async with opened(folder) as directory:
        await Hub(directory).group("G")
        await Hub(directory).group("H")
        assert directory.policy.epoch == 3
    beside = folder / "directory.epoch"

    for text in ("2\n", "3\n", f"{3:020}\n"):
        beside.write_text(text)
        async with opened(folder) as directory:
            assert directory.policy.epoch == 3
        assert beside.read_text() == f"{3:020}\n"
    for text in ("1\n", "4\n", "", "three", "-3", "3" * 30, "\ufffd"):
        beside.write_text(text)
        await refused_to_open(folder, "directory.epoch")
    beside.unlink()
    await refused_to_open(folder, "directory.epoch")
    write_epoch(beside, 3)
    shutil.copy(older / "directory.db", folder / "directory.db")
    await refused_to_open(folder, "directory.epoch")


def test_an_epoch_is_written_over_a_longer_text(tmp_path: Path) -> None:
    path = tmp_path / "directory.epoch"
    path.write_text("x" * 100)
    write_epoch(path, 7)
    check_epoch(path, 8)
    assert path.read_text() == f"{7:020}\n"


async def test_a_directory_of_a_later_version_is_refused(copy: Copies) -> None:
    folder = copy()
    with closing(sqlite3.connect(folder / "directory.db")) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert "later version" in await refused_to_open(folder, "directory.db")


async def test_two_users_in_other_case_stop_the_start(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa")
        await Hub(directory).user("LISA")
    with pytest.raises(DirectoryDamaged, match="differ in case alone"):
        async with opened(folder, case_insensitive=True):
            pass


@pytest.mark.parametrize("password", ["", "x" * 1025, b"\xff\xfe"])
async def test_an_unusable_first_password_stops_the_start(
    tmp_path: Path, password: str | bytes
) -> None:
    with pytest.raises(DirectoryDamaged, match="VESTIBULE_ADMIN_PASSWORD"):
        async with opened(tmp_path / "new", admin_password=Secret(password)):
            pass
    assert not (tmp_path / "new").exists()


async def test_a_start_that_died_half_way_is_a_first_start(copy: Copies) -> None:
    folder = copy()
    (folder / "directory.db").rename(folder / ".directory.db.new")
    async with opened(folder) as directory:
        assert await directory.verify("_ADMIN", "sesame") is not None
    assert not (folder / ".directory.db.new").exists()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    await refused_to_open(tmp_path / "file" / "data", "data")


async def test_f_a_full_disk_refuses_and_changes_nothing(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        hub = Hub(directory)
        await hub.user("lisa", password="secret")
        writer = directory._engine._store._writer
        pages = await writer.execute_fetchall("PRAGMA page_count")
        await writer.execute(f"PRAGMA max_page_count = {next(iter(pages))[0]}")
        before, policy = hub.epoch, directory.policy

        big = {"name": "G", "custom_data": "x" * 60_000}
        for _ in range(2):
            with pytest.raises(DirectoryError) as refusal:
                await directory.add_group(big, by=BY)
            assert refusal.value.code is ErrorCode.STORAGE_FAILED
            assert directory.storage_failed
        assert hub.epoch == before
        assert directory.policy is policy
        assert directory.get_group("G") is None
        assert directory.storage_failures == 2
        assert await directory.verify("lisa", "secret") is not None

        await writer.execute("PRAGMA max_page_count = 1000000")
        await directory.add_group(big, by=BY)
        assert not directory.storage_failed
        after = directory.policy.model
    async with opened(folder) as directory:
        assert directory.policy.model == after


async def test_another_process_that_writes_is_noticed(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory, opened(folder) as other:
        await Hub(other).group("G")
        with pytest.raises(DirectoryError) as refusal:
            await Hub(directory).group("H")
        assert refusal.value.code is ErrorCode.STORAGE_FAILED
        assert directory.get_group("H") is None


async def test_an_epoch_file_that_cannot_be_written_is_made_good(
    copy: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy()
    async with opened(folder) as directory:
        hub = Hub(directory)

        def refuse(path: Path, epoch: int) -> None:
            raise OSError(28, "no space", str(path), epoch)

        with monkeypatch.context() as patch:
            patch.setattr("vestibule.server.directory.engine.write_epoch", refuse)
            await hub.group("G")
            with pytest.raises(DirectoryError) as refusal:
                await hub.group("H")
            assert refusal.value.code is ErrorCode.STORAGE_FAILED
            states = [directory.storage_failed]
        await hub.group("H")
        states.append(directory.storage_failed)
        assert states == [True, False]
        assert hub.epoch == 3
    async with opened(folder) as directory:
        assert directory.policy.epoch == 3


async def test_a_cancelled_caller_leaves_a_whole_change(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        told = asyncio.Event()

        async def listen(_: object) -> None:
            told.set()

        directory.on_change(listen)
        task = asyncio.ensure_future(Hub(directory).group("G"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told.is_set()
    async with opened(folder) as directory:
        assert directory.get_group("G") is not None


async def test_a_database_that_others_may_read_is_refused(copy: Copies) -> None:
    folder = copy()
    (folder / "directory.db").chmod(0o640)
    assert "0640" in await refused_to_open(folder, "directory.db")


async def test_what_an_older_database_left_is_not_taken_for_the_new_ones(
    copy: Copies, tmp_path: Path
) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("mallory")
        shutil.copy(folder / "directory.db-wal", tmp_path / "wal")
    for path in folder.iterdir():
        path.unlink()
    shutil.copy(tmp_path / "wal", folder / "directory.db-wal")
    async with opened(folder) as directory:
        assert [user.username for user in directory.users()] == ["_ADMIN"]


async def test_a_folder_in_the_databases_place_stops_the_start(copy: Copies) -> None:
    folder = copy()
    (folder / "directory.db").unlink()
    (folder / "directory.db").mkdir()
    await refused_to_open(folder, "directory.db")
