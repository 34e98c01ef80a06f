"""The book of tokens: on disk before anybody has one, void with their users."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from directories import BY, Copies, Hub, opened
from vestibule.server.directory import Directory, DirectoryDamaged
from vestibule.server.directory.rows import Drop, Operation, Put
from vestibule.server.directory.store import StoreError
from vestibule.server.directory.tokens import Token, TokenBook
from vestibule.server.secret import Secret


class Disk:
    """Takes rows, one transaction at a time, or refuses them."""

    def __init__(self) -> None:
        self.rows: dict[bytes, tuple[Any, ...]] = {}
        self.batches: list[int] = []
        self.full = False
        self.slow: asyncio.Event | None = None

    async def write(self, operations: Sequence[Operation]) -> None:
        if self.slow is not None:
            await self.slow.wait()
        await asyncio.sleep(0)
        if self.full:
            raise StoreError("full")
        self.batches.append(len(operations))
        for one in operations:
            match one:
                case Put(row=row):
                    self.rows[row[0]] = row
                case Drop(key=key):
                    self.rows.pop(key[0], None)


async def issue(directory: Directory, name: str = "lisa") -> tuple[Token, Secret]:
    user = directory.user(name)
    assert user is not None
    return await directory.tokens.issue(
        user, login_type="websocket", profile="p", broker_key=b"k" * 32
    )


async def book_of(directory: Directory, disk: Disk) -> TokenBook:
    """Give another book, on a disk of its own."""
    return TokenBook(disk.write, (), now=lambda: directory.now)


async def test_d68_a_token_is_kept_by_its_hash_and_outlives_the_process(
    copy: Copies,
) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa")
        token, secret = await issue(directory)
        # Killed here: what was given is in the files, and not its text.
        files = b"".join(path.read_bytes() for path in folder.iterdir())
        assert token.digest in files
        assert secret.reveal().encode() not in files
        assert secret.reveal() not in f"{token} {token!r} {secret!r}"
    async with opened(folder) as directory:
        assert directory.tokens.find(secret.reveal()) == token
        assert directory.tokens.get(token.token_id) == token
        assert directory.tokens.find(secret.reveal() + "x") is None


async def test_a_change_of_the_user_voids_its_tokens_in_one_transaction(
    copy: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy()
    async with opened(folder) as directory:
        hub = Hub(directory)
        for name in ("lisa", "bob", "ann", "eve"):
            await hub.user(name, password=f"{name}'s")
        issued = {
            name: (await issue(directory, name))[0].token_id
            for name in ("lisa", "bob", "ann", "eve")
        }
        # Nothing is written but by the changes themselves.
        monkeypatch.setattr(directory.tokens, "_write", Disk().write)
        await directory.delete_user("lisa", by=BY)
        await directory.update_user({"username": "bob", "disabled": True}, by=BY)
        await directory.update_user({"username": "ann", "password": "other"}, by=BY)
        await directory.update_user({"username": "eve", "custom_data": 1}, by=BY)

        def reasons() -> dict[str, str | None]:
            return {
                name: found.reason
                for name, token_id in issued.items()
                if (found := directory.tokens.get(token_id)) is not None
            }

        void = {
            "lisa": "user_deleted",
            "bob": "revoked",
            "ann": "password_changed",
            "eve": None,
        }
        assert reasons() == void
    async with opened(folder) as directory:
        assert reasons() == void


async def test_a_token_given_while_its_user_changes_is_void_too(copy: Copies) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa", password="one")
        change = asyncio.ensure_future(
            directory.update_user({"username": "lisa", "password": "two"}, by=BY)
        )
        tokens = []
        while not change.done():
            tokens.append((await issue(directory))[0])
        late = directory.tokens.get((await issue(directory))[0].token_id)
        assert late is not None
        assert late.reason is None
        first = directory.tokens.get(tokens[0].token_id)
        assert first is not None
        assert first.reason == "password_changed"


async def test_whose_time_ran_out_while_nobody_served_has_no_tokens(
    copy: Copies,
) -> None:
    folder = copy()
    async with opened(folder, now=lambda: 1_900_000_000.0) as directory:
        expires = "2030-03-18T00:00:00.000Z"
        await Hub(directory).user("lisa", expires=expires)
        token, _ = await issue(directory)
    async with opened(folder, now=lambda: 1_900_100_000.0) as directory:
        await directory.update_user({"username": "lisa", "expires": None}, by=BY)
        found = directory.tokens.get(token.token_id)
        assert found is not None
        assert found.reason == "revoked"


async def test_what_comes_at_one_time_is_written_together(copy: Copies) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa")
        user = directory.user("lisa")
        assert user is not None
        disk = Disk()
        book = await book_of(directory, disk)
        issued = await asyncio.gather(
            *(
                book.issue(user, login_type="http", profile="p", broker_key=bytes(32))
                for _ in range(50)
            )
        )
        assert len({token.token_id for token, _ in issued}) == 50
        assert {token.digest for token, _ in issued} == set(disk.rows)
        assert len(disk.batches) <= 2


async def test_nobody_has_a_token_before_it_is_on_disk(copy: Copies) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa")
        user = directory.user("lisa")
        assert user is not None
        disk = Disk()
        disk.slow = asyncio.Event()
        book = await book_of(directory, disk)
        issuing = asyncio.ensure_future(
            book.issue(user, login_type="http", profile="p", broker_key=bytes(32))
        )
        await asyncio.sleep(0.01)
        assert not issuing.done()
        disk.slow.set()
        token, _ = await issuing
        assert token.digest in disk.rows
        await book.close()


async def test_a_login_that_goes_away_meanwhile_leaves_no_token(copy: Copies) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa")
        user = directory.user("lisa")
        assert user is not None
        disk = Disk()
        disk.slow = asyncio.Event()
        book = await book_of(directory, disk)
        issuing = asyncio.ensure_future(
            book.issue(user, login_type="http", profile="p", broker_key=bytes(32))
        )
        await asyncio.sleep(0)
        issuing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await issuing
        disk.slow.set()
        await book.close()
        assert len(book) == 0
        assert disk.rows == {}


async def test_a_full_disk_gives_no_token_and_forgets_no_revocation(
    copy: Copies,
) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa")
        user = directory.user("lisa")
        assert user is not None
        disk = Disk()
        book = await book_of(directory, disk)
        token, secret = await book.issue(
            user, login_type="http", profile="p", broker_key=bytes(32)
        )
        disk.full = True
        with pytest.raises(StoreError):
            await book.issue(user, login_type="http", profile="p", broker_key=bytes(32))
        assert len(book) == 1
        assert await book.revoke(token, "lost") is not None
        found = book.find(secret.reveal())
        assert found is not None
        assert found.reason == "lost"
        disk.full = False
        await book.close()
        assert disk.rows[token.digest][-1] == "lost"
        assert len(disk.rows) == 1


async def test_a_writer_that_fails_in_any_way_leaves_nobody_waiting(
    copy: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa")

        async def broken(operations: object) -> None:
            raise ValueError("no active connection")

        with monkeypatch.context() as breaking:
            breaking.setattr(directory.tokens, "_write", broken)
            with pytest.raises(StoreError):
                await issue(directory)
        await issue(directory)


async def test_use_is_saved_and_survives_nothing_else(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa")
        token, _ = await issue(directory)
        directory.tokens.spent(token.token_id, used=7, active_at=12)
        directory.tokens.spent("nobody's", used=7, active_at=12)
    async with opened(folder) as directory:
        found = directory.tokens.get(token.token_id)
        assert found is not None
        assert (found.used, found.active_at) == (7, 12)


async def test_a_damaged_token_is_damage_of_the_directory(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa")
        await issue(directory)
    with closing(sqlite3.connect(folder / "directory.db")) as database, database:
        changed = database.execute("UPDATE tokens SET user_id = 'another'")
        assert changed.rowcount == 1
    with pytest.raises(DirectoryDamaged):
        async with opened(folder):
            pass


async def test_a_token_that_is_forgotten_before_it_is_on_disk_is_none(
    copy: Copies,
) -> None:
    async with opened(copy()) as directory:
        await Hub(directory).user("lisa")
        disk = Disk()
        disk.slow = asyncio.Event()
        book = await book_of(directory, disk)
        user = directory.user("lisa")
        assert user is not None
        issuing = [
            asyncio.ensure_future(
                book.issue(user, login_type="websocket", profile="p", broker_key=b"k")
            )
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        first, second, _ = book.of(user.user_id)
        book.forget(first)
        book.forget(second)
        issuing[1].cancel()
        disk.slow.set()
        outcomes = await asyncio.gather(*issuing, return_exceptions=True)
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [StoreError, asyncio.CancelledError, tuple]
        await book.close()
        assert len(book) == len(disk.rows) == 1
