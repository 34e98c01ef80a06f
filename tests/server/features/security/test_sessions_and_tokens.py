"""Listing sessions and revoked tokens, and revoking: methods of `security`."""

import pytest

from token_broker import LISA, own, profile, running
from vestibule.server.testing import RequestRefused


async def test_d123_a_revocation_is_listed_until_the_token_would_have_expired() -> None:
    async with running(profiles=profile(ttl=60)) as hub:
        family, _ = await hub.family(2)
        rows = await hub.security("list_sessions", criteria={"username": "lisa"})
        (token_id,) = {row["token_id"] for row in rows}
        await hub.security("revoke_token", token_id, "lost")
        assert [await one.wait_closed() for one in family] == ["token_revoked"] * 2
        assert await hub.security("list_revoked_tokens") == [
            {
                "token_id": token_id,
                "username": "lisa",
                "reason": "lost",
                "revoked_at": "2030-03-17T17:46:40.000Z",
                "expires_at": "2030-03-17T17:47:40.000Z",
            }
        ]
        hub.wall.advance(60)
        assert await hub.security("list_revoked_tokens") == []


async def test_a_revocation_is_final_and_keeps_its_reason() -> None:
    async with running() as hub:
        await hub.login(LISA)
        rows = await hub.security("list_sessions", criteria={"username": "lisa"})
        await hub.security("revoke_token", rows[0]["token_id"])
        await hub.security("revoke_token", rows[0]["token_id"], "again")
        (row,) = await hub.security("list_revoked_tokens")
        assert row["reason"] == "system"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("nowhere",), "TOKEN_NOT_FOUND"),
        ((7,), "INVALID_ARGUMENT"),
        (("nowhere", None), "INVALID_ARGUMENT"),
        (("nowhere", "x" * 257), "INVALID_ARGUMENT"),
    ],
)
async def test_revoking_wants_a_known_token_and_a_short_reason(
    args: tuple[object, ...], code: str
) -> None:
    async with running() as hub:
        with pytest.raises(RequestRefused) as refusal:
            await hub.security("revoke_token", *args)
        assert refusal.value.code == code


async def test_lisa_revokes_no_other_tokens_and_lists_none() -> None:
    async with running() as hub:
        lisa, _ = await hub.login(LISA)
        for method in ("revoke_token", "list_revoked_tokens", "list_sessions"):
            args = ["x"] if method == "revoke_token" else []
            with pytest.raises(RequestRefused) as refusal:
                await own(lisa, method, *args)
            assert refusal.value.code == "MESSAGE_DENIED"


async def test_d67_sessions_are_listed_with_what_they_did_last() -> None:
    async with running() as hub:
        lisa, _ = await hub.login(LISA)
        await own(lisa, "get_own_user")
        with pytest.raises(RequestRefused):
            await lisa.publish("n/a")
        rows = await hub.security("list_sessions", sort=[["username", "desc"]])
        assert [row["username"] for row in rows] == ["lisa", "_ADMIN"]
        assert rows[0]["last"] == {
            "action": "events.publish",
            "path": "n/a",
            "allowed": False,
            "at": rows[0]["last"]["at"],
        }
        assert rows[0]["last"]["at"][:17] == "2030-03-17T17:46:"
        assert rows[0]["connected_at"] == "2030-03-17T17:46:40.000Z"
        assert await hub.security("list_sessions", count=True) == 2
        found = await hub.security(
            "list_sessions", criteria={"last.action": "events.publish"}
        )
        assert [row["session_id"] for row in found] == [rows[0]["session_id"]]
        with pytest.raises(RequestRefused) as refusal:
            await hub.security("list_sessions", criteria={"custom_data.x": 1})
        assert refusal.value.code == "INVALID_CRITERIA"


async def test_d56_a_family_ends_with_its_token_whoever_revokes_it() -> None:
    async with running() as hub:
        family, token = await hub.family(3)
        assert await own(family[1], "revoke_own_token") is None
        ends = [await peer.wait_closed() for peer in family]
        assert ends == ["token_revoked"] * 3
        assert await hub.code(token) == "TOKEN_REVOKED"


async def test_d65_without_profiles_the_built_in_ones_hold() -> None:
    async with running() as hub:
        await hub.login(LISA)
        (row,) = await hub.security("list_sessions", criteria={"username": "lisa"})
        assert row["profile"] == "default-websocket"
        assert row["type"] == "websocket"
        assert row["last"] is None
