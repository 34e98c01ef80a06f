"""A backup is whole, consistent while a broker writes, and restored only if it is good."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from directories import Copies, opened
from server.operations.conftest import Running, config_of
from trails import stored
from vestibule.server.config import Config, ConfigError
from vestibule.server.directory import DirectoryChange
from vestibule.server.folderlock import FolderLock
from vestibule.server.keyfile import IDENTITY_FILE, make_keys, read_keys
from vestibule.server.operations.backup import back_up
from vestibule.server.operations.folder import OperationFailed
from vestibule.server.operations.manifest import MANIFEST, read_manifest
from vestibule.server.operations.restore import restore
from vestibule.server.trail import KEY_FILE, parse_head, verify


WITHOUT_KEYS = {
    "audit.db",
    "audit.head",
    "directory.db",
    "directory.epoch",
    MANIFEST,
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_holds_directory_and_trail_for_its_owner_alone(
    config: Config, tmp_path: Path
) -> None:
    into = tmp_path / "new" / "backup"
    made = back_up(config, into, keys=False)
    assert names(into) == WITHOUT_KEYS
    assert into.stat().st_mode & 0o777 == 0o700
    for path in into.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert made.head is not None
    assert (made.keys, parse_head(made.head).seq) == (False, 6)
    assert read_manifest(into).epoch == made.epoch == 3
    assert names(into.parent) == {"backup"}


def test_secret_keys_are_in_it_only_if_asked_for(
    config: Config, tmp_path: Path
) -> None:
    back_up(config, tmp_path / "backup", keys=True)
    assert names(tmp_path / "backup") == {*WITHOUT_KEYS, IDENTITY_FILE, KEY_FILE}
    for name in (IDENTITY_FILE, KEY_FILE):
        assert (tmp_path / "backup" / name).stat().st_mode & 0o777 == 0o600


def test_the_trail_says_that_it_was_made(config: Config, tmp_path: Path) -> None:
    back_up(config, tmp_path / "backup", keys=True)
    line = stored(config.data)[-1]
    assert (line.kind, line.user) == ("operator_command", "_OPERATOR")
    said = json.loads(line.fields)
    assert (said["command"], said["keys"]) == ("backup", True)


async def test_what_others_have_written_is_not_overwritten(
    config: Config, tmp_path: Path
) -> None:
    into = tmp_path / "backup"
    into.mkdir()
    (into / "mine").touch()
    with pytest.raises(OperationFailed, match="is there already and not empty"):
        back_up(config, into, keys=False)
    assert names(into) == {"mine"}
    with pytest.raises(OperationFailed, match="there is no directory here"):
        back_up(config_of(tmp_path / "nothing"), tmp_path / "b", keys=False)


async def test_while_a_broker_writes_each_copy_is_some_whole_change(
    config: Config, tmp_path: Path, running: Running
) -> None:
    acknowledged = [0]

    async def note(change: DirectoryChange) -> None:
        acknowledged.append(change.epoch)

    async with running(config) as hub:
        hub.directory.on_change(note)

        async def change() -> None:
            for number in range(60):
                # Two facts that only ever change together.
                data = {"custom_data": number, "application_data": number}
                await hub.directory.upsert_user(
                    {"username": "lisa", **data}, by="_ADMIN"
                )

        changing = asyncio.ensure_future(change())
        epochs: list[int] = []
        while not changing.done():
            least = acknowledged[-1]
            into = tmp_path / f"backup{len(epochs)}"
            manifest = await asyncio.to_thread(back_up, config, into, keys=True)
            assert manifest.epoch >= least
            epochs.append(manifest.epoch)
        await changing
    assert len(epochs) > 1
    for number in range(len(epochs)):
        other = config_of(tmp_path / f"restored{number}")
        await restore(other, tmp_path / f"backup{number}")
        async with opened(other.data) as directory:
            user = directory.user("lisa")
            assert user is not None
            assert user.custom_data == user.application_data
            assert directory.policy.epoch == epochs[number]


async def test_a_restored_folder_is_the_same_broker(
    config: Config, tmp_path: Path
) -> None:
    back_up(config, tmp_path / "backup", keys=True)
    other = config_of(tmp_path / "elsewhere" / "data")
    await restore(other, tmp_path / "backup")
    assert read_keys(other.data)[0].text == read_keys(config.data)[0].text
    assert other.data.stat().st_mode & 0o777 == 0o700
    assert MANIFEST not in names(other.data)
    async with opened(other.data) as directory, opened(config.data) as original:
        assert directory.export_directory() == original.export_directory()
        assert await directory.verify("lisa", "sesame") is not None
    assert verify(other.data, []).faults == []
    assert json.loads(stored(other.data)[-1].fields)["command"] == "restore"


async def test_without_keys_it_wants_the_old_identity_or_a_word_for_another(
    config: Config, copy: Copies, tmp_path: Path
) -> None:
    back_up(config, tmp_path / "backup", keys=False)
    other = config_of(tmp_path / "other")
    with pytest.raises(OperationFailed, match="has no identity key"):
        await restore(other, tmp_path / "backup")
    assert not other.data.exists()
    identity = config.data / IDENTITY_FILE
    await restore(other, tmp_path / "backup", identity=identity)
    assert read_keys(other.data)[0].text == read_keys(config.data)[0].text
    third = config_of(tmp_path / "third")
    await restore(third, tmp_path / "backup", new_identity=True)
    assert read_keys(third.data)[0].text != read_keys(config.data)[0].text
    for folder in (other.data, third.data):
        assert verify(folder, []).faults == []
        assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600


async def test_nothing_is_restored_over_a_folder_or_under_a_broker(
    config: Config, tmp_path: Path
) -> None:
    back_up(config, tmp_path / "backup", keys=True)
    before = {path.name: path.read_bytes() for path in config.data.iterdir()}
    with (
        FolderLock(config.data),
        pytest.raises(OperationFailed, match="is not empty"),
    ):
        await restore(config, tmp_path / "backup")
    after = {path.name: path.read_bytes() for path in config.data.iterdir()}
    assert after.pop("broker.lock") == b""
    assert after == before


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    *((name, Path.unlink, "") for name in sorted(WITHOUT_KEYS)),
    *((name, truncate, "is damaged") for name in sorted(WITHOUT_KEYS - {MANIFEST})),
    *((name, flip, "is damaged") for name in sorted(WITHOUT_KEYS - {MANIFEST})),
    ("extra", Path.touch, "is not of the backup"),
    (MANIFEST, lambda path: path.write_text("{}"), "is no manifest"),
    (MANIFEST, lambda path: path.write_text('{"format": 2}'), "another version"),
]


@pytest.mark.parametrize(("name", "damage", "told"), DAMAGE)
async def test_a_damaged_backup_is_named_and_not_restored(
    config: Config,
    tmp_path: Path,
    name: str,
    damage: Callable[[Path], object],
    told: str,
) -> None:
    back_up(config, tmp_path / "backup", keys=True)
    damage(tmp_path / "backup" / name)
    other = config_of(tmp_path / "other")
    with pytest.raises(ConfigError) as refused:
        await restore(other, tmp_path / "backup")
    assert name in str(refused.value)
    assert told in str(refused.value)
    assert not other.data.exists()
    assert {"backup", config.data.name} == names(tmp_path)


async def test_a_backup_whose_manifest_was_made_to_fit_is_opened_before_it_is_trusted(
    config: Config, tmp_path: Path
) -> None:
    made = back_up(config, tmp_path / "backup", keys=True)
    flip(tmp_path / "backup" / "directory.db")
    made.write(tmp_path / "backup")
    other = config_of(tmp_path / "other")
    with pytest.raises((ConfigError, OperationFailed)):
        await restore(other, tmp_path / "backup")
    assert not other.data.exists()


async def test_an_empty_folder_makes_room(config: Config, tmp_path: Path) -> None:
    back_up(config, tmp_path / "backup", keys=True)
    other = config_of(tmp_path / "other")
    other.data.mkdir()
    await restore(other, tmp_path / "backup")
    assert IDENTITY_FILE in names(other.data)


def test_a_folder_without_a_trail_is_backed_up_without_one(
    config: Config, tmp_path: Path
) -> None:
    """As an earlier version left it."""
    for path in config.data.glob("audit.*"):
        path.unlink()
    made = back_up(config, tmp_path / "backup", keys=True)
    assert made.head is None
    assert names(tmp_path / "backup") == {
        "directory.db",
        "directory.epoch",
        IDENTITY_FILE,
        MANIFEST,
    }


def test_a_trail_that_was_edited_gets_no_head_that_vouches_for_it(
    config: Config, tmp_path: Path
) -> None:
    database = config.data / "audit.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TRIGGER lines_are_not_edited")
        changed = "UPDATE lines SET user = 'bob' WHERE seq = 2"
        assert connection.execute(changed).rowcount == 1
    with pytest.raises(OperationFailed, match="line 2: was edited"):
        back_up(config, tmp_path / "backup", keys=False)
    assert names(tmp_path) & {"backup"} == set()


def test_a_trail_that_lost_its_end_is_not_backed_up(
    config: Config, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(config.data / "audit.db")) as connection, connection:
        connection.execute("DELETE FROM lines WHERE seq > 4")
    with pytest.raises(OperationFailed, match="the end was cut off"):
        back_up(config, tmp_path / "backup", keys=False)


async def test_a_damaged_directory_is_not_backed_up(
    config: Config, tmp_path: Path
) -> None:
    path = config.data / "directory.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"news/*", b"news/x"))
    with pytest.raises(ConfigError, match="is damaged"):
        back_up(config, tmp_path / "backup", keys=True)
    assert not (tmp_path / "backup").exists()


async def test_another_identity_that_is_none_is_refused(
    config: Config, tmp_path: Path
) -> None:
    back_up(config, tmp_path / "backup", keys=False)
    wrong = tmp_path / "wrong"
    wrong.write_text("x")
    with pytest.raises(ConfigError, match=r"identity\.key"):
        await restore(config_of(tmp_path / "o"), tmp_path / "backup", identity=wrong)
    make_keys(tmp_path / "keys")
    assert not (tmp_path / "o").exists()
