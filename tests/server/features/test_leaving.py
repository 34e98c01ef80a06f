"""Leaving with one's token or one's family: done, answered, and then the end."""

import pytest

from token_broker import LISA, own, running
from vestibule.protocol import messages
from vestibule.server.directory.store import StoreError
from vestibule.server.testing import RawPeer, RequestRefused


async def leave(
    peer: RawPeer, *, revoke_token: bool = False, end_children: bool = False
) -> None:
    number = peer.next_id()
    assert (
        await peer.request(messages.Leave(number, revoke_token, end_children)) is None
    )


async def test_leaving_is_like_saying_bye() -> None:
    async with running() as hub:
        (first, second), token = await hub.family(2)
        await leave(first)
        assert await first.wait_closed() == "client"
        await own(second, "get_own_user")
        await hub.login({"token": token})


async def test_both_at_once_revoke_the_token() -> None:
    async with running() as hub:
        (first, second), token = await hub.family(2)
        await leave(first, revoke_token=True, end_children=True)
        assert await first.wait_closed() == "client"
        assert await second.wait_closed() == "parent_closed"
        assert await hub.code(token) == "TOKEN_REVOKED"


async def test_it_is_no_right_that_a_profile_could_leave_out() -> None:
    nothing = [{"name": "nothing", "match": {"usernames": ["lisa"]}, "permissions": {}}]
    async with running(profiles=nothing) as hub:
        lisa, token = await hub.login(LISA)
        with pytest.raises(RequestRefused) as refusal:
            await own(lisa, "revoke_own_token")
        assert refusal.value.code == "TOKEN_LIMITED"
        await leave(lisa, revoke_token=True)
        assert await hub.code(token) == "TOKEN_REVOKED"


async def test_a_session_without_a_token_leaves_all_the_same() -> None:
    limits = [{"name": "none", "match": {"usernames": ["lisa"]}, "token_logins": False}]
    async with running(profiles=limits) as hub:
        lisa, _ = await hub.login(LISA)
        with pytest.raises(RequestRefused) as refusal:
            await own(lisa, "revoke_own_token")
        assert refusal.value.code == "TOKEN_NOT_FOUND"
        await leave(lisa, revoke_token=True)
        assert await lisa.wait_closed() == "client"


async def test_what_no_disk_took_is_told_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as hub:
        lisa, token = await hub.login(LISA)

        async def failing(operations: object) -> None:
            raise StoreError("full")

        monkeypatch.setattr(hub.memory.broker.directory.tokens, "_write", failing)
        with pytest.raises(RequestRefused) as refusal:
            await leave(lisa, revoke_token=True)
        assert refusal.value.details == {"in_memory": True}
        assert await lisa.wait_closed() == "client"
        assert await hub.code(token) == "TOKEN_REVOKED"
