"""The directory as a member of the chain: anonymous logins, trusted properties."""

import asyncio
import time
from typing import Any

import pytest

from live import LiveBroker, call, id_of, live, proof, refused
from vestibule.server.testing import RequestRefused


async def turned(hub: LiveBroker, auth_data: dict[str, Any]) -> str:
    stranger = await hub.memory.connect()
    with pytest.raises(RequestRefused) as caught:
        await stranger.login(auth_data)
    return caught.value.code


async def test_s55_a_trusted_value_is_set_and_another_one_is_left_out() -> None:
    async with live() as hub:
        await hub.system("trust client proposed property 'K' if value in ['a' 'b']")
        await hub.user("lisa")
        good = await hub.enter("lisa", properties={"K": "a"})
        bad = await hub.enter("lisa", properties={"K": "c"})
        assert (await hub.properties(good))["K"] == "a"
        assert "K" not in await hub.properties(bad)


async def test_s56_a_pattern_has_to_match_the_whole_value() -> None:
    async with live() as hub:
        await hub.system(r"trust client proposed property 'K' if value matches 'x\\d+'")
        await hub.user("lisa")
        kept = {}
        for value in ("x12", "ax12", "x12b"):
            peer = await hub.enter("lisa", properties={"K": value})
            kept[value] = (await hub.properties(peer)).get("K")
        assert kept == {"x12": "x12", "ax12": None, "x12b": None}


async def test_s57_no_pattern_and_no_value_hold_up_the_broker() -> None:
    async with live() as hub:
        await hub.system("trust client proposed property 'K' if value matches '(a+)+b'")
        await hub.user("lisa")
        began = time.monotonic()
        logins = (
            hub.enter("lisa", properties={"K": "a" * 4_000}),
            hub.enter("lisa"),
            hub.admin.publish("n"),
        )
        peer, *_ = await asyncio.gather(*logins)
        assert time.monotonic() - began < 5
        assert "K" not in await hub.properties(peer)


async def test_s58_keys_are_compared_exactly_and_what_is_dropped_is_no_error() -> None:
    async with live() as hub:
        await hub.system("trust client proposed property 'K' if value in ['v']")
        await hub.user("lisa")
        proposed = {"k": "v", "J": "v", "$Roles": "v"}
        peer = await hub.enter("lisa", properties=proposed)
        properties = await hub.properties(peer)
        assert not {"k", "J"} & properties.keys()
        assert properties["$Roles"] == '"_GUEST"'


async def test_s59_a_second_rule_replaces_the_first() -> None:
    async with live() as hub:
        for value in ("a", "z"):
            await hub.system(
                f"trust client proposed property 'K' if value in ['{value}']"
            )
        await hub.system("ignore client proposed property 'J'")
        await hub.user("lisa")
        kept = []
        for value in ("a", "z"):
            peer = await hub.enter("lisa", properties={"K": value})
            kept.append((await hub.properties(peer)).get("K"))
        assert kept == [None, "z"]
        await hub.system("ignore client proposed property 'K'")
        peer = await hub.enter("lisa", properties={"K": "z"})
        assert "K" not in await hub.properties(peer)


async def test_s60_d70_anonymous_logins_are_off_at_first() -> None:
    async with live() as hub:
        assert await turned(hub, {}) == "ANONYMOUS_DISABLED"
        assert await turned(hub, {"username": "_ANONYMOUS"}) == "ANONYMOUS_DISABLED"
        with_password = {"username": "_ANONYMOUS", "password": "x"}
        assert await turned(hub, with_password) == "INVALID_AUTH_DATA"


async def test_s61_an_anonymous_session_has_no_name_and_the_roles_for_it() -> None:
    async with live() as hub:
        await hub.system("allow anonymous connections ['C']")
        await hub.security("set roles for anonymous sessions ['G']")
        await hub.security("set 'C' path 'n' permissions [UPDATE_TOPIC]")
        await hub.security("set roles for named sessions ['N']")
        for auth_data in ({}, {"username": "_ANONYMOUS"}, {"info": {"app": 1}}):
            peer = await hub.memory.connect()
            accepted = await peer.login(auth_data)
            assert accepted["username"] == ""
            assert accepted["token"] is None
            assert await hub.roles(peer) == '"C","G"'
            assert (await call(peer, "get_session_properties"))["$Principal"] == ""
            await peer.publish("n")
            assert await refused(peer, "get_own_user") == "MESSAGE_DENIED"


async def test_anonymous_sessions_follow_the_directory_live() -> None:
    async with live() as hub:
        await hub.system("allow anonymous connections ['C']")
        peer = await hub.memory.login({})
        await hub.security("set roles for anonymous sessions ['G']")
        await hub.system("allow anonymous connections ['D']")
        assert await hub.roles(peer) == '"D","G"'


@pytest.mark.parametrize(
    ("action", "code"),
    [("deny", "ANONYMOUS_DISABLED"), ("abstain", "INVALID_AUTH_DATA")],
)
async def test_s62_anonymous_sessions_end_when_they_are_no_longer_allowed(
    action: str, code: str
) -> None:
    async with live() as hub:
        await hub.system("allow anonymous connections ['C']")
        peer = await hub.memory.login({})
        lisa = await hub.session_of("lisa")
        await hub.system(f"{action} anonymous connections")
        assert await peer.wait_closed() == "revoked"
        assert await turned(hub, {}) == code
        assert id_of(lisa) in hub.broker.sessions


async def test_a_session_may_become_anonymous_and_a_user_again() -> None:
    async with live() as hub:
        await hub.system("allow anonymous connections ['C']")
        lisa = await hub.session_of("lisa", "A")
        assert (await lisa.reauthenticate({}))["username"] == ""
        assert await hub.roles(lisa) == '"C"'
        await lisa.reauthenticate(proof("lisa"))
        assert await hub.roles(lisa) == '"A","_GUEST"'
