"""Users whose time runs out while the broker runs."""

import asyncio
from pathlib import Path

from directories import BY, key, opened
from vestibule.server.directory import DirectoryChange


async def test_a_user_whose_time_is_over_is_told_like_a_disabled_one(
    tmp_path: Path,
) -> None:
    seconds = [1_900_000_000.0]
    told: list[DirectoryChange] = []
    heard = asyncio.Event()

    async def listen(change: DirectoryChange) -> None:
        told.append(change)
        if change.disabled_users:
            heard.set()

    async with opened(tmp_path / "data", now=lambda: seconds[0]) as directory:
        directory.on_change(listen)
        user = {
            "username": "lisa",
            "public_key": key(),
            "expires": "2030-03-17T17:46:40.050Z",
        }
        await directory.add_user(user, by=BY)
        lisa = directory.user("lisa")
        assert lisa is not None
        assert directory.may_log_in(lisa)
        epoch = directory.policy.epoch
        seconds[0] += 1
        await asyncio.wait_for(heard.wait(), 2)
        assert told[-1].disabled_users == frozenset({"lisa"})
        assert told[-1].by == ""
        assert directory.policy.epoch == epoch
        assert not directory.may_log_in(lisa)
