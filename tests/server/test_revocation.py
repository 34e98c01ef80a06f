"""What befalls users befalls the sessions that are bound to them, before the answer."""

from typing import Any

import pytest

from handlers import Everybody
from live import LiveBroker, call, id_of, live, proof, refused, told
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body
from vestibule.server import ConnectionData, Identity
from vestibule.server.testing import RawPeer, RequestRefused


HEARS = "set 'A' path 'n' permissions [SELECT_TOPIC READ_TOPIC]"


async def test_s52_another_role_is_in_force_without_a_new_login() -> None:
    async with live() as hub:
        await hub.security(HEARS)
        await hub.security("set 'B' path 'b' permissions [UPDATE_TOPIC]")
        lisa = await hub.session_of("lisa", "A")
        await lisa.subscribe("n/*")
        await hub.system("assign roles 'lisa' ['B']")
        await hub.admin.publish("n/x")
        await lisa.publish("b")
        assert told(lisa, messages.Event) == []
        assert await hub.roles(lisa) == '"B","_GUEST"'


async def test_s53_a_removed_principal_is_gone_and_so_are_its_sessions() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        await hub.system("remove principal 'lisa'")
        assert await lisa.wait_closed() == "user_deleted"
        with pytest.raises(RequestRefused, match="INVALID_AUTH_DATA"):
            await hub.enter("lisa")


async def test_s49_another_password_ends_the_sessions_by_the_old_one() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        await hub.system("verify password 'lisa' 'pw-lisa'", "set password 'lisa' 'n'")
        assert await lisa.wait_closed() == "password_changed"
        with pytest.raises(RequestRefused, match="INVALID_AUTH_DATA"):
            await hub.enter("lisa")
        await hub.memory.login({"username": "lisa", "password": "n"})


async def revoked(hub: LiveBroker, lisa: RawPeer) -> None:
    await call(hub.admin, "revoke_authentication", id_of(lisa))


async def deleted(hub: LiveBroker, lisa: RawPeer) -> None:
    await call(hub.admin, "delete_user", "lisa")


async def renewed(hub: LiveBroker, lisa: RawPeer) -> None:
    user = {"username": "lisa", "password": "another one"}
    await call(hub.admin, "update_user", user)


async def disabled(hub: LiveBroker, lisa: RawPeer) -> None:
    await call(hub.admin, "update_user", {"username": "lisa", "disabled": True})


async def made_anew(hub: LiveBroker, lisa: RawPeer) -> None:
    await hub.system("remove principal 'lisa'", "add principal 'lisa' 'x' ['A']")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (revoked, "revoked"),
        (deleted, "user_deleted"),
        (renewed, "password_changed"),
        (disabled, "revoked"),
        (made_anew, "user_deleted"),
    ],
)
async def test_p1_nothing_published_after_the_answer_is_heard(
    end: Any, reason: str
) -> None:
    async with live() as hub:
        await hub.security(HEARS)
        lisa = await hub.session_of("lisa", "A")
        await lisa.subscribe("n/**")
        await hub.admin.publish("n/x", "before")
        await end(hub, lisa)
        await hub.admin.publish("n/x", "after")
        assert await lisa.wait_closed() == reason
        heard = [decode_body(one.data) for one in told(lisa, messages.Event)]
        assert "after" not in heard


async def test_p1_and_a_session_that_became_the_user_ends_like_its_others() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        bob = await hub.session_of("bob")
        await bob.reauthenticate(proof("lisa"))
        await hub.system("remove principal 'lisa'")
        assert [await one.wait_closed() for one in (lisa, bob)] == ["user_deleted"] * 2


class Fixed(Everybody):
    """Lets in by a name with the groups that the login says."""

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Identity | None:
        if "groups" not in auth_data:
            return None
        return Identity(auth_data["username"], auth_data["groups"])

    def can_perform_action(self, username: str, message: Any) -> Any:
        return message.verdict


async def test_a_session_that_is_not_bound_has_the_prohibitions_of_its_name_alone() -> (
    None
):
    async with live(Fixed()) as hub:
        await hub.user("lisa", "A")
        await hub.security(
            "set 'A' path 'a' permissions [UPDATE_TOPIC]",
            "set 'X' default path permissions [UPDATE_TOPIC]",
        )
        verbs = {"authorized": False, "actions": ["publish"]}
        own = {"authorized": True, "actions": ["publish"]}
        rules = {"events": {"never": verbs, "mine": own}}
        await hub.directory.add_user_permissions("lisa", rules, by="_ADMIN")
        peer = await hub.memory.login({"username": "lisa", "groups": ["Y"]})
        for name in ("a", "mine", "never"):
            with pytest.raises(RequestRefused, match="MESSAGE_DENIED"):
                await peer.publish(name)
        peer = await hub.memory.login({"username": "lisa", "groups": ["X"]})
        await peer.publish("mine")
        with pytest.raises(RequestRefused, match="MESSAGE_DENIED"):
            await peer.publish("never")
        assert await hub.roles(peer) == '"X"'
        await hub.system("assign roles 'lisa' ['B']")
        assert await hub.roles(peer) == '"X"'
        # It is nobody of the directory's, so what becomes of her does not end it.
        await hub.system("remove principal 'lisa'")
        assert await hub.roles(peer) == '"X"'
        assert await refused(peer, "get_own_user") == "MESSAGE_DENIED"


async def test_a_name_from_a_handler_has_the_groups_of_the_user_of_that_name() -> None:
    async with live(Everybody()) as hub:
        await hub.security("set roles for named sessions ['N']")
        await hub.user("lisa", "A")
        lisa = await hub.memory.login({"username": "lisa"})
        eve = await hub.memory.login({"username": "eve"})
        assert await hub.roles(lisa) == '"A","N","_GUEST"'
        assert await hub.roles(eve) == '"N"'


async def test_s89_a_subscription_follows_what_scripts_make_of_its_right() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa", "A")
        await hub.security(HEARS)
        assert await lisa.subscribe("n") == [None]
        came: list[list[str]] = []
        for permissions in (
            "[SELECT_TOPIC]",
            "[SELECT_TOPIC READ_TOPIC]",
            "[READ_TOPIC]",
            "[SELECT_TOPIC READ_TOPIC]",
        ):
            await hub.security(f"set 'A' path 'n' permissions {permissions}")
            await hub.admin.publish("n")
            await call(lisa, "get_session_properties")
            kinds = (messages.Event, messages.Suspended, messages.Resumed)
            came.append([type(one).__name__ for one in told(lisa, *kinds)])
        assert came == [[], ["Event"], ["Suspended"], ["Resumed", "Event"]]


async def test_a_session_that_came_before_its_user_and_is_spelled_otherwise_ends_too() -> (
    None
):
    class Names(Everybody):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Identity | None:
            name = auth_data.get("name")
            return None if name is None else Identity(name)

    async with live(Names(), usernames_case_insensitive=True) as hub:
        early = await hub.memory.login({"name": "Bob"})
        await hub.user("bob", "B")
        assert await hub.roles(early) == '"B","_GUEST"'
        await hub.system("remove principal 'bob'")
        assert await early.wait_closed() == "user_deleted"
