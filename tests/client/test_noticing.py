"""Streams of changes, and who tells them."""

import asyncio

import pytest

from vestibule.client.changes import Change
from vestibule.client.errors import SessionClosed
from vestibule.client.noticing import Changes
from vestibule.protocol import messages


def notice(changes: Changes, epoch: int, *kinds: str) -> None:
    """Tell as the channel does."""
    handler = changes.handlers()[messages.ChangeNoticed]
    handler(messages.ChangeNoticed(epoch, list(kinds)))


async def test_a_stream_yields_what_is_told_while_it_is_entered() -> None:
    changes = Changes()
    notice(changes, 1, "upsert-group")
    async with changes.stream() as stream, changes.stream() as other:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        notice(changes, 2, "link-group", "upsert-user")
        notice(changes, 3, "delete-user")
        assert await waiting == Change(2, ("link-group", "upsert-user"))
        assert await anext(stream) == Change(3, ("delete-user",))
        assert (await anext(other)).epoch == 2
        assert stream.gaps == 0
    notice(changes, 4, "upsert-group")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    with pytest.raises(RuntimeError):
        await stream.__aenter__()


async def test_what_is_not_read_is_bounded_and_counted() -> None:
    changes = Changes()
    async with changes.stream() as stream:
        for epoch in range(1, 1_004):
            notice(changes, epoch, "upsert-group")
        assert (await anext(stream)).epoch == 4
        assert stream.gaps == 3
        changes.lost()
        assert stream.gaps == 4


async def test_a_session_that_ends_ends_its_streams_as_it_ended() -> None:
    closed = Changes()
    async with closed.stream() as stream:
        notice(closed, 1, "upsert-group")
        closed.ended("client", quietly=True)
        # What was told before comes first.
        assert [change.epoch async for change in stream] == [1]
    with pytest.raises(SessionClosed):
        await closed.stream().__aenter__()
    revoked = Changes()
    async with revoked.stream() as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        revoked.ended("revoked", quietly=False)
        with pytest.raises(SessionClosed) as end:
            await waiting
        assert end.value.reason == "revoked"
