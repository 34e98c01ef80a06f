"""Events behind the gate, told against a whole broker in memory."""

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from handlers import Everybody, denying
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body
from vestibule.server import CannotDecide, Message
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


async def named(broker: MemoryBroker, name: str) -> RawPeer:
    return await broker.login({"username": name})


async def heard(peer: RawPeer) -> list[tuple[str, Any]]:
    """Give the events that have come, after everything under way has."""
    for _ in range(20):
        await asyncio.sleep(0)
    found = []
    while not peer.notices.empty():
        notice = peer.notices.get_nowait()
        if isinstance(notice, messages.Event):
            found.append((notice.name, decode_body(notice.data)))
    return found


async def refused(attempt: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await attempt
    return caught.value


async def test_r53_a_subscriber_hears_once_and_the_publisher_only_with_echo() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await b.subscribe("n")
        await a.subscribe("n")
        await a.publish("n", 1)
        assert await heard(b) == [("n", 1)]
        assert await heard(a) == []
        echoing = messages.Subscribe(a.next_id(), ["n/echo"], echo=True)
        assert await a.request(echoing) == [None]
        await a.publish("n/echo", 2)
        notice = await a.notices.get()
        assert isinstance(notice, messages.Event)
        assert notice.own


async def test_r55_overlapping_subscriptions_cost_one_copy_on_the_wire() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        assert await b.subscribe("n/*", "n/a", "**") == [None, None, None]
        await a.publish("n/a", 1)
        assert await heard(b) == [("n/a", 1)]


async def test_r31_each_pattern_of_a_request_is_decided_by_itself() -> None:
    async with memory_broker(Everybody(denying("secret"))) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        first, second = await a.subscribe("secret", "news")
        assert first[0] == "MESSAGE_DENIED"
        assert second is None
        await b.publish("news", 2)
        assert await heard(a) == [("news", 2)]


async def test_r32_a_pattern_hears_only_the_names_that_the_handler_allows() -> None:
    def decide(name: str, message: Message) -> bool:
        return name != "a" or message.name != "news/secret"

    handler = Everybody(decide)
    async with memory_broker(handler) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        assert await a.subscribe("news/*") == [None]
        for _ in range(3):
            await b.publish("news/secret")
            await b.publish("news/a")
        assert await heard(a) == [("news/a", None)] * 3
        asked = [message.name for name, message in handler.asked if name == "a"]
        assert asked == ["news/*", "news/secret", "news/a"]


async def test_r21_a_refused_event_reaches_nobody() -> None:
    def decide(name: str, message: Message) -> bool:
        return name != "a" or message.name != "x"

    async with memory_broker(Everybody(decide)) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await b.subscribe("x")
        refusal = await refused(a.publish("x"))
        assert (refusal.code, refusal.message) == ("MESSAGE_DENIED", "denied")
        assert await heard(b) == []


@pytest.mark.parametrize("answer", [None, 0, "", 1, "true", [True], object()])
async def test_r22_only_true_allows(answer: object) -> None:
    async with memory_broker(Everybody(lambda _n, _m: answer)) as broker:
        a = await named(broker, "a")
        assert (await refused(a.publish("x"))).code == "MESSAGE_DENIED"


async def test_r23_a_raising_handler_denies_without_its_text() -> None:
    def decide(_: str, message: Message) -> bool:
        if message.name == "x":
            raise ValueError("secret")
        return True

    async with memory_broker(Everybody(decide)) as broker:
        a = await named(broker, "a")
        refusal = await refused(a.publish("x"))
        assert refusal.code == "MESSAGE_PERMISSION_ERROR"
        assert refusal.message == "permission check failed"
        await a.publish("y")


async def test_a_handler_that_cannot_decide_tells_its_text() -> None:
    def decide(_: str, _message: Message) -> bool:
        raise CannotDecide("price is not a number")

    async with memory_broker(Everybody(decide)) as broker:
        a = await named(broker, "a")
        refusal = await refused(a.publish("x"))
        assert refusal.code == "MESSAGE_PERMISSION_ERROR"
        assert refusal.message == "price is not a number"


async def test_r24_an_awaiting_handler_keeps_the_order_of_its_connection() -> None:
    gates = {"a": asyncio.Event()}

    async def decide(name: str, message: Message) -> bool:
        if name == "one" and message.name == "a":
            await gates["a"].wait()
        return True

    async with memory_broker(Everybody(decide)) as broker:
        one, two = await named(broker, "one"), await named(broker, "two")
        listener = await named(broker, "listener")
        await listener.subscribe("*")
        first = asyncio.ensure_future(one.publish("a"))
        second = asyncio.ensure_future(one.publish("b"))
        await asyncio.sleep(0)
        await two.publish("c")
        assert await heard(listener) == [("c", None)]
        gates["a"].set()
        await asyncio.gather(first, second)
        assert await heard(listener) == [("a", None), ("b", None)]


async def test_what_a_handler_decoded_is_what_is_delivered() -> None:
    def decide(_: str, message: Message) -> bool:
        return message.data is None or message.data == {"a": 2}

    async with memory_broker(Everybody(decide)) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await b.subscribe("x")
        twice = b"\x82\xa1a\x01\xa1a\x02"  # {"a": 1, "a": 2}
        await a.request(messages.Publish(a.next_id(), "x", Raw(twice)))
        notice = await b.notices.get()
        assert isinstance(notice, messages.Event)
        assert bytes(notice.data) == b"\x81\xa1a\x02"


async def test_a_second_subscription_of_a_pattern_is_refused_and_the_first_stays() -> (
    None
):
    async with memory_broker(Everybody()) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await a.subscribe("n")
        ((code, *_),) = await a.subscribe("/n/")
        assert code == "MULTIPLE_SUBSCRIPTIONS"
        await b.publish("n")
        assert await heard(a) == [("n", None)]


async def test_unsubscribing_ends_deliveries_and_an_unknown_one_is_told() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await a.subscribe("n")
        outcomes = await a.request(messages.Unsubscribe(a.next_id(), ["n", "m"]))
        assert [None if one is None else one[0] for one in outcomes] == [
            None,
            "NOT_SUBSCRIBED",
        ]
        await b.publish("n")
        assert await heard(a) == []


async def test_an_event_can_be_narrowed_to_sessions_and_grants_nothing() -> None:
    def decide(name: str, message: Message) -> bool:
        return name != "c" or message.action != "subscribe"

    async with memory_broker(Everybody(decide)) as broker:
        a, b, c = [await named(broker, name) for name in "abc"]
        other = await named(broker, "b")
        for peer in (b, other):
            await peer.subscribe("n")
        ids = [b.initiator.session_id, c.initiator.session_id, "00" * 16]
        await a.request(
            messages.Publish(a.next_id(), "n", messages.NIL, to=[i for i in ids if i])
        )
        assert await heard(b) == [("n", None)]
        assert await heard(other) == []
        assert await heard(c) == []


async def test_r56_nothing_is_kept_of_a_session_that_has_ended() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await a.subscribe(*(f"n/{number}" for number in range(1000)))
        assert broker.broker.subscriptions == 1000
        a.cut()
        await a.wait_closed()
        for _ in range(5):
            await asyncio.sleep(0)
        assert broker.broker.subscriptions == 0
        await b.publish("n/1")


@pytest.mark.parametrize("name", ["a//b", "", "a/../b", "a*", "a\u200bb", "x" * 1025])
async def test_a_name_without_canonical_form_is_refused_before_anybody_is_asked(
    name: str,
) -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        a = await named(broker, "a")
        assert (await refused(a.publish(name))).code == "INVALID_PATH"
        assert handler.asked == []


async def test_nobody_publishes_under_a_component_of_the_broker() -> None:
    async with memory_broker(Everybody()) as broker:
        a = await named(broker, "a")
        for name in ("vestibule/security/x", "security/x", "security"):
            assert (await refused(a.publish(name))).code == "MESSAGE_DENIED"


async def test_r18_no_handler_opens_the_brokers_own_administration() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        a = await named(broker, "a")
        attempt = a.component("vestibule/security/upsert_user", {"username": "x"})
        assert (await refused(attempt)).code == "MESSAGE_DENIED"
        assert handler.asked == []


async def test_r34_a_handler_that_changes_its_mind_suspends_and_resumes() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        await a.subscribe("n")
        handler.decide = lambda name, _: name != "a"
        await broker.broker.recheck("a")
        await b.publish("n", 1)
        handler.decide = lambda _n, _m: True
        await broker.broker.recheck("a")
        await b.publish("n", 2)
        for _ in range(20):
            await asyncio.sleep(0)
        kinds = [a.notices.get_nowait() for _ in range(a.notices.qsize())]
        suspended, resumed, event = kinds
        assert isinstance(suspended, messages.Suspended)
        assert (suspended.kind, suspended.names) == ("event", ["n"])
        assert suspended.code == "PERMISSION_REVOKED"
        assert isinstance(resumed, messages.Resumed)
        assert isinstance(event, messages.Event)
        assert decode_body(event.data) == 2


async def test_a_repeated_subscription_that_is_refused_now_is_suspended() -> None:
    handler = Everybody(denying("n"))
    async with memory_broker(handler) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        again = messages.Subscribe(a.next_id(), ["n"], again=True)
        ((code, *_),) = await a.request(again)
        assert code == "PERMISSION_REVOKED"
        handler.decide = lambda _n, _m: True
        await broker.broker.recheck()
        await b.publish("n", 1)
        assert await heard(a) == [("n", 1)]


async def test_limits_of_subscriptions_and_bulk_requests_name_themselves() -> None:
    limits = {"subscriptions": 2, "bulk_items": 3}
    async with memory_broker(Everybody(), limits=limits) as broker:
        a = await named(broker, "a")
        outcomes = await a.subscribe("1", "2", "3")
        assert outcomes[2][0] == "LIMIT_EXCEEDED"
        assert outcomes[2][2] == {"limit": "limits.subscriptions"}
        refusal = await refused(a.subscribe("1", "2", "3", "4"))
        assert refusal.details == {"limit": "limits.bulk_items"}
