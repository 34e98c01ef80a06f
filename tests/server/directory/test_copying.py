import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from directories import Copies, Hub, opened
from vestibule.server.directory.copying import (
    check_rows,
    copy_directory,
    epoch_of,
    problems_of,
)
from vestibule.server.directory.errors import DirectoryDamaged


async def test_a_copy_is_a_directory_of_its_own_at_the_epoch_of_its_database(
    copy: Copies, tmp_path: Path
) -> None:
    folder, into = copy(), tmp_path / "into"
    into.mkdir()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa")
        epoch = await asyncio.to_thread(copy_directory, folder, into)
        assert epoch == epoch_of(folder) == directory.policy.epoch
        await Hub(directory).user("bob")
    assert sorted(path.name for path in into.iterdir()) == [
        "directory.db",
        "directory.epoch",
    ]
    for path in into.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    async with opened(into) as directory:
        assert directory.user("lisa") is not None
        assert directory.user("bob") is None
        assert directory.policy.epoch == epoch


def test_a_good_file_has_no_problems(copy: Copies) -> None:
    folder = copy()
    assert problems_of(folder) == []
    check_rows(folder)


def test_an_edited_row_is_named_by_its_table(copy: Copies) -> None:
    folder = copy()
    with closing(sqlite3.connect(folder / "directory.db")) as connection:
        connection.execute("UPDATE users SET username = 'bob'")
        connection.commit()
    with pytest.raises(DirectoryDamaged, match="a row of users"):
        check_rows(folder)


def test_a_file_without_an_epoch_or_of_no_kind_is_named(
    copy: Copies, tmp_path: Path
) -> None:
    for damage in ("UPDATE meta SET value = 'nine'", "DELETE FROM meta"):
        folder = copy()
        with closing(sqlite3.connect(folder / "directory.db")) as connection:
            connection.execute(f"{damage} WHERE key = 'epoch'")
            connection.commit()
        with pytest.raises(DirectoryDamaged, match="has no epoch"):
            epoch_of(folder)
    database = copy() / "directory.db"
    content = database.read_bytes().replace(b"CREATE TABLE", b"CREATE \xc2ABLE")
    database.write_bytes(content)
    with pytest.raises(DirectoryDamaged, match="cannot be used"):
        problems_of(database.parent)
    with pytest.raises(DirectoryDamaged, match="cannot be used"):
        problems_of(tmp_path / "absent")


def test_a_file_of_an_earlier_layout_is_checked_as_far_as_it_goes(
    copy: Copies,
) -> None:
    folder = copy()
    with closing(sqlite3.connect(folder / "directory.db")) as connection:
        connection.execute("DROP TABLE tokens")
        connection.commit()
    check_rows(folder)
