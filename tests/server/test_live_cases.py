"""Cases of the directory that need sessions, by number, against a broker in memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Raw

from halls import Hall, denied, events, hall_of, notices, refused
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode, encode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.server import Message, PermissionHandler
from vestibule.server.testing import RawPeer, RequestRefused


E = ErrorCode


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    async with hall_of() as hall:
        yield hall


def body(value: Any) -> Raw:
    return Raw(encode_body(value))


class Provider:
    """Provides names in a session, and answers calls one by one."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer

    async def provide(self, *names: str) -> None:
        for name in names:
            await self.peer.request(messages.Provide(self.peer.next_id(), name))

    async def given(self) -> messages.CallGiven:
        """Give the next call; other notices are passed over."""
        while True:
            notice = await self.peer.notices.get()
            if isinstance(notice, messages.CallGiven):
                return notice

    async def answer(self, value: Any) -> messages.CallGiven:
        call = await self.given()
        self.peer.send(
            messages.Accept(call.call), messages.Respond(call.call, body(value))
        )
        return call


async def calling(peer: RawPeer, name: str, *args: Any) -> Any:
    """Begin a call; what is given is awaited for its result."""
    request = messages.Call(
        peer.next_id(), name, body({"args": list(args), "kwargs": {}})
    )
    peer.send(request)
    return peer._answer(request.id)


async def test_d4_an_unknown_name_and_a_wrong_password_are_one_refusal(
    hall: Hall,
) -> None:
    await hall.security("add_user", {"username": "lisa", "password": "lisa"})
    told = []
    for login in (
        {"username": "zoe", "password": "lisa"},
        {"username": "lisa", "password": "wrong"},
    ):
        with pytest.raises(RequestRefused) as refusal:
            await hall.broker.login(login)
        told.append((refusal.value.code, refusal.value.message))
    assert told == [(E.INVALID_AUTH_DATA, "invalid credentials")] * 2


async def test_d86_nobody_hears_the_calls_of_others(hall: Hall) -> None:
    rights: dict[str, Any] = {"methods": {"c/m1": {}}, "events": {"*": {}}}
    await hall.group("G", rights)
    lisa, bob = await hall.user("lisa", "G"), await hall.user("bob", "G")
    provider = Provider(hall.admin)
    await provider.provide("hub/c/m1")
    names = ["**", "*", "hub/**", "hub/c/m1", "c/m1", "_exchange/**", "_events/**"]
    assert await lisa.subscribe(*names) == [None] * len(names)

    result = await calling(bob, "hub/c/m1", "secret")
    call = await provider.answer("answer")
    assert await result == "answer"

    assert decode_body(call.data)["args"] == ["secret"]
    assert await notices(lisa) == []


async def test_d87_receivers_are_narrowed_and_still_need_the_right(hall: Hall) -> None:
    await hall.group("G", {"events": {"d/a": {}}})
    publish = {"events": {"d/a": {"actions": ["publish"]}}}
    first = await hall.user("lisa", "G")
    second = await hall.login("lisa")
    bob = await hall.user("bob", permissions=publish)
    eve = await hall.user("eve")
    by_user = {one.username: one.id for one in hall.broker.broker.sessions.values()}
    one, two = (
        session.id
        for session in hall.broker.broker.sessions.values()
        if session.username == "lisa"
    )
    for peer in (first, second):
        await peer.subscribe("d/a")
    assert (await eve.subscribe("d/a"))[0][0] == E.MESSAGE_DENIED

    async def published(to: list[str] | None) -> list[int]:
        await bob.request(messages.Publish(bob.next_id(), "d/a", body(1), to=to))
        return [len(await events(peer)) for peer in (first, second, eve)]

    assert await published([one]) == [1, 0, 0]
    assert await published([one, two]) == [1, 1, 0]
    assert await published(None) == [1, 1, 0]
    assert await published([by_user["eve"], "nobody"]) == [0, 0, 0]


class Noting(PermissionHandler):
    """Leaves all to the policy, and notes what it is asked."""

    def __init__(self) -> None:
        self.performed: list[tuple[str, str, str]] = []
        self.received: list[tuple[str, str]] = []

    def can_perform_action(self, username: str, message: Message) -> Any:
        self.performed.append((username, message.action, message.name))
        return message.verdict

    def can_receive(self, username: str, message: Message) -> Any:
        self.received.append((username, message.name))
        return message.verdict


async def test_d90_a_handler_sees_every_message_and_every_delivery_once() -> None:
    handler = Noting()
    async with hall_of(handler) as hall:
        rights = {
            "methods": {"c/m1": {}},
            "events": {"e": {"actions": ["publish", "subscribe"]}},
        }
        await hall.group("G", rights)
        lisa, bob = await hall.user("lisa", "G"), await hall.user("bob", "G")
        provider = Provider(hall.admin)
        await provider.provide("hub/c/m1")
        handler.performed.clear()
        handler.received.clear()

        await bob.subscribe("e")
        await lisa.publish("e", 1)
        result = await calling(lisa, "hub/c/m1", 1)
        await provider.answer(1)
        await result
        assert await events(bob) == [("e", 1)]

        assert handler.performed == [
            ("bob", "subscribe", "e"),
            ("lisa", "publish", "e"),
            ("lisa", "call", "hub/c/m1"),
        ]
        assert handler.received == [("bob", "e"), ("lisa", "hub/c/m1")]


async def test_d91_the_password_that_a_user_has_already_ends_no_session(
    hall: Hall,
) -> None:
    await hall.group("G", {"methods": {"c/*": {}}})
    lisa = await hall.user("lisa", "G")
    provider = Provider(hall.admin)
    await provider.provide("hub/c/m1", "hub/c/m2")

    for number, name in enumerate(("hub/c/m1", "hub/c/m2")):
        result = await calling(lisa, name)
        call = await provider.given()
        for again in range(2):
            update = {
                "username": "lisa",
                "password": "lisa",
                "custom_data": [number, again],
            }
            await hall.security("update_user", update)
        hall.admin.send(messages.Respond(call.call, body(number)))
        assert await result == number
    assert lisa.end_reason is None


async def test_d94_of_a_pattern_what_is_prohibited_never_arrives(hall: Hall) -> None:
    rules = {"d/*": {}, "d/secret": {"authorized": False}}
    await hall.group("G", {"events": rules})
    lisa = await hall.user("lisa", "G")
    assert await lisa.subscribe("d/*") == [None]
    (refusal,) = await lisa.subscribe("d/secret")
    assert refusal[0] == E.MESSAGE_DENIED
    for name in ("d/a", "d/secret", "d/b/c"):
        await hall.admin.publish(name, name)
    assert [name for name, _ in await events(lisa)] == ["d/a"]
    await lisa.subscribe("d/**")
    for name in ("d/a", "d/secret", "d/b/c"):
        await hall.admin.publish(name, name)
    assert [name for name, _ in await events(lisa)] == ["d/a", "d/b/c"]


async def test_d97_without_rights_and_before_login_nothing_has_an_effect(
    hall: Hall,
) -> None:
    lisa = await hall.user("lisa")
    for method, args in (("count", []), ("list_users", ["*"]), ("nothing", [])):
        criteria = {"criteria": {"username": "lisa"}}
        await denied(lisa.component(f"hub/security/{method}", *args, **criteria))
    await refused(hall.security("count"), E.NO_RPC_PROVIDER)

    epoch = hall.broker.broker.directory.policy.epoch
    call = messages.Call(
        1, "hub/security/add_group", body({"args": [{"name": "G"}], "kwargs": {}})
    )
    for message in (call, messages.Subscribe(1, ["x"]), messages.Unsubscribe(1, ["x"])):
        stranger = await hall.broker.connect()
        await stranger.ready()
        stranger.send_raw(encode(message))
        assert await stranger.wait_closed() == "invalid_auth_msg"
    assert hall.broker.broker.directory.policy.epoch == epoch


async def test_d100_only_who_was_given_a_call_can_answer_it(hall: Hall) -> None:
    await hall.group(
        "G", {"methods": {"c/m1": {}}, "events": {"*": {"actions": ["*"]}}}
    )
    lisa, bob = await hall.user("lisa", "G"), await hall.user("bob", "G")
    provider = Provider(hall.admin)
    await provider.provide("hub/c/m1")
    result = await calling(lisa, "hub/c/m1", 1)
    call = await provider.given()

    for number in (call.call, 1, 2, 3):
        bob.send(messages.Respond(number, body("forged")))
    for name in ("hub/c/m1", "c/m1", "hub/c/m1/reply"):
        await bob.publish(name, "forged")

    answers = [
        one for one in await notices(bob) if isinstance(one, messages.AnswerRefused)
    ]
    assert {one.code for one in answers} == {E.INVALID_RPC_CORRELATION_ID}
    assert await notices(lisa) == []
    hall.admin.send(messages.Respond(call.call, body("true")))
    assert await result == "true"
    assert hall.broker.broker._audit.counts["answer_refused"] == 4


async def test_d101_a_call_with_a_field_more_is_malformed(hall: Hall) -> None:
    lisa = await hall.user("lisa", permissions={"methods": {"c/m1": {}}})
    await hall.admin.subscribe("**")
    provider = Provider(hall.admin)
    await provider.provide("hub/c/m1")
    number = lisa.next_id()
    good = messages.Call(number, "hub/c/m1", body(1))
    fields = decode_body(encode(good))
    lisa.send_raw(encode_body([*fields, "reply/path"]))
    await refused(lisa._answer(number), E.INVALID_MESSAGE_DATA)
    assert await notices(hall.admin) == []


async def test_d102_subscriptions_reach_no_calls(hall: Hall) -> None:
    bob = await hall.user("bob")
    names = ["hub/c/m1", "**/m1", "_exchange/**"]
    outcomes = await bob.subscribe(*names)
    assert [one[0] for one in outcomes] == [E.MESSAGE_DENIED] * 3
    permissions: dict[str, Any] = {"events": {"*": {}}, "methods": {"c/m1": {}}}
    await hall.security("add_user_permissions", "bob", permissions)
    assert await bob.subscribe(*names) == [None] * 3
    await notices(bob)
    provider = Provider(hall.admin)
    await provider.provide("hub/c/m1")
    result = await calling(await hall.login("bob"), "hub/c/m1", 1)
    await provider.answer(1)
    await result
    await hall.admin.publish("x/m1", "an event")
    assert await events(bob) == [("x/m1", "an event")]


async def test_d117_who_calls_nobody_is_told_so_alone(hall: Hall) -> None:
    rights = {"methods": {"c/*": {"actions": ["call", "provide"]}}}
    lisa = await hall.user("lisa", permissions=rights)
    bob = await hall.user("bob", permissions={"events": {"*": {}}})
    await bob.subscribe("**")
    await refused(lisa.component("hub/c/gone", 1), E.NO_RPC_PROVIDER)

    other = await hall.user("otto", permissions=rights)
    provider = Provider(other)
    await provider.provide("hub/c/m1")
    result = await calling(lisa, "hub/c/m1", 1)
    call = await provider.given()
    other.send(messages.Accept(call.call))
    await notices(other)
    other.cut()
    await refused(result, E.PROVIDER_LOST)
    assert await notices(bob) == []
