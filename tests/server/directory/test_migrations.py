"""Files of earlier layouts: what they hold is there afterwards, or they are damaged."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from directories import Copies, Hub, opened
from vestibule.server.directory.checksums import checksum
from vestibule.server.directory.errors import DirectoryDamaged
from vestibule.server.directory.migrations import MIGRATIONS, migrate


BEFORE_ONE_ROW_A_USER = 3


def made_back(folder: Path) -> None:
    """Give a directory the layout in which each membership had a row."""
    with closing(sqlite3.connect(folder / "directory.db")) as database, database:
        found = database.execute("SELECT username, group_names FROM memberships")
        pairs = [
            (username, group)
            for username, names in found
            for group in msgspec.msgpack.decode(names)
        ]
        database.execute("DROP TABLE memberships")
        first = MIGRATIONS[0]
        assert isinstance(first, tuple)
        (statement,) = [one for one in first if "memberships" in one]
        database.execute(statement)
        database.executemany(
            "INSERT INTO memberships VALUES (?, ?, ?)",
            [(*pair, checksum("memberships", pair)) for pair in pairs],
        )
        database.execute(f"PRAGMA user_version = {BEFORE_ONE_ROW_A_USER}")


async def test_memberships_of_the_first_layout_are_there(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        hub = Hub(directory)
        await hub.group("G")
        await hub.group("a b/c".replace("/", ","))
        await hub.user("lisa", "G", "a b,c")
        await hub.user("bob")
    made_back(folder)
    async with opened(folder) as directory:
        lisa, bob = directory.user("lisa"), directory.user("bob")
        assert lisa is not None
        assert bob is not None
        assert lisa.groups == {"_GUEST", "G", "a b,c"}
        assert bob.groups == {"_GUEST"}


async def test_a_directory_without_stores_has_explicit_groups_and_begins_to_count(
    copy: Copies,
) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).group("G")
    made_back(folder)
    with closing(sqlite3.connect(folder / "directory.db")) as database, database:
        for table in ("locks", "implicit_groups", "trusted_properties", "tokens"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        database.execute("DELETE FROM meta WHERE key LIKE '%_version'")
        database.execute("PRAGMA user_version = 1")
    async with opened(folder) as directory:
        model = directory.policy.model
        assert all(group.explicit for group in model.groups.values())
        assert (model.security_version, model.authentication_version) == (1, 1)
        assert model.anonymous.action == "deny"
        await directory.update_security_store("set 'N' includes ['M']", by="_ADMIN")
    async with opened(folder) as directory:
        model = directory.policy.model
        implicit = {name for name, one in model.groups.items() if not one.explicit}
        assert implicit == {"N", "M"}
        assert model.security_version == 2


async def test_a_damaged_row_is_not_carried_over(copy: Copies) -> None:
    folder = copy()
    made_back(folder)
    with closing(sqlite3.connect(folder / "directory.db")) as database, database:
        database.execute("UPDATE memberships SET group_name = 'CLIENT'")
    with pytest.raises(DirectoryDamaged, match="a row of memberships"):
        async with opened(folder):
            pass


def test_a_step_that_fails_leaves_the_layout_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE meta")
        raise sqlite3.OperationalError("the disk is full")

    steps: tuple[tuple[str, ...] | Callable[[sqlite3.Connection], None], ...]
    steps = (*MIGRATIONS, fail)
    monkeypatch.setattr("vestibule.server.directory.migrations.MIGRATIONS", steps)
    path = tmp_path / "directory.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, str(path))
        assert connection.execute("PRAGMA user_version").fetchone() == (
            len(MIGRATIONS),
        )
        assert connection.execute("SELECT count(*) FROM meta").fetchone() == (0,)
