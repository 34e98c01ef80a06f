import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from client.fake_broker import FakeBroker, turns, until
from vestibule.client import (
    Action,
    ConnectionLost,
    Event,
    MessageDenied,
    RequestFailed,
    RequestTimeout,
    Session,
    SessionClosed,
    Topic,
)
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body


BOB = {"username": "bob", "password": "builder"}


@pytest.fixture
async def lisa(broker: FakeBroker) -> AsyncIterator[Session]:
    async with broker.open_session() as session:
        yield session


@pytest.fixture
async def bob(broker: FakeBroker, lisa: Session) -> AsyncIterator[Session]:
    del lisa  # hers is the first connection
    async with broker.open_session(BOB) as session:
        yield session


def asked(broker: FakeBroker, kind: type[messages.Message]) -> list[Any]:
    """What lisa's connection has asked of that kind."""
    return [m for m in broker.connections[0].requests if isinstance(m, kind)]


# Publishing.


async def test_publish_returns_when_the_broker_has_answered(
    lisa: Session, bob: Session
) -> None:
    async with bob.events.subscribe("news/sport") as news:
        await lisa.events.publish("news/sport", {"score": 3})
        assert await anext(news) == Event("news/sport", {"score": 3})


async def test_a_denied_publish_tells_what_was_asked(
    broker: FakeBroker, lisa: Session
) -> None:
    broker.features.denied.add(("publish", "x"))
    with pytest.raises(MessageDenied) as caught:
        await lisa.events.publish("x")
    error = caught.value
    assert (error.topic, error.action, error.name) == (Topic.EVENT, Action.PUBLISH, "x")


async def test_without_ack_it_returns_at_once_and_failures_go_to_on_error(
    broker: FakeBroker,
) -> None:
    errors: list[RequestFailed] = []
    broker.features.denied.add(("publish", "x"))
    async with (
        broker.open_session(on_error=errors.append) as lisa,
        broker.open_session(BOB) as bob,
        bob.events.subscribe("*") as news,
    ):
        for name in ("a", "x", "b"):
            await lisa.events.publish(name, name, ack=False)
        assert errors == []
        assert [(await anext(news)).name for _ in range(2)] == ["a", "b"]
    assert [(e.code, e.name, e.action) for e in errors] == [
        ("MESSAGE_DENIED", "x", Action.PUBLISH)
    ]


async def test_a_session_closed_at_once_has_sent_what_was_published(
    broker: FakeBroker, bob: Session
) -> None:
    async with bob.events.subscribe("*") as news:
        async with broker.open_session() as lisa:
            await lisa.events.publish("last", 1, ack=False)
        assert (await anext(news)).name == "last"


async def test_everything_of_one_turn_leaves_as_one_record(
    broker: FakeBroker, lisa: Session
) -> None:
    sent = broker.connections[0].transport.sent
    before = len(sent)
    await asyncio.gather(*(lisa.events.publish("x", n) for n in range(100)))
    assert len(sent) == before + 1


async def test_a_tight_loop_without_ack_waits_for_the_socket(
    broker: FakeBroker, lisa: Session
) -> None:
    transport = broker.connections[0].transport
    transport.congested = True

    async def flood() -> None:
        for _ in range(100):
            await lisa.events.publish("x", b"x" * 1000, ack=False)

    flooding = asyncio.ensure_future(flood())
    await turns()
    assert not flooding.done()
    assert len(asked(broker, messages.Publish)) < 100
    transport.relieve()
    await flooding
    await turns()
    assert len(asked(broker, messages.Publish)) == 100


async def test_receivers_may_be_narrowed_to_sessions(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    async with (
        broker.open_session(BOB) as other,
        bob.events.subscribe("x") as first,
        other.events.subscribe("x") as second,
    ):
        await lisa.events.publish("x", 1, to=[other.session_id])
        await lisa.events.publish("x", 2)
        assert (await anext(first)).data == 2
        assert (await anext(second)).data == 1


@pytest.mark.parametrize(
    "arguments",
    [{"name": 5}, {"name": None}, {"name": "x", "to": "id"}, {"name": "x", "to": [5]}],
)
async def test_arguments_of_a_wrong_type_are_type_errors_and_nothing_is_sent(
    broker: FakeBroker, lisa: Session, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        await lisa.events.publish(**arguments)
    await turns()
    assert asked(broker, messages.Publish) == []


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("x", object(), "INVALID_MESSAGE_DATA"),
        ("x", {5: 1}, "INVALID_MESSAGE_DATA"),
        ("x", 2**70, "INVALID_MESSAGE_DATA"),
        ("x", "\ud800", "INVALID_MESSAGE_DATA"),
        ("\ud800", 1, "INVALID_PATH"),
        ("x", b"x" * 2_000_000, "LIMIT_EXCEEDED"),
    ],
)
async def test_what_cannot_be_sent_fails_here_and_the_session_goes_on(
    broker: FakeBroker, lisa: Session, name: str, data: object, code: str
) -> None:
    for ack in (True, False):
        with pytest.raises(RequestFailed) as caught:
            await lisa.events.publish(name, data, ack=ack)
        assert caught.value.code == code
    await turns()
    assert asked(broker, messages.Publish) == []
    await lisa.events.publish("x", 1)


async def test_a_name_with_a_wildcard_is_the_brokers_to_refuse(lisa: Session) -> None:
    with pytest.raises(RequestFailed) as caught:
        await lisa.events.publish("news/*")
    assert caught.value.code == "INVALID_PATH"


async def test_an_unanswered_request_times_out(broker: FakeBroker) -> None:
    async with broker.open_session(request_timeout=0.01) as session:
        broker.features.silent = True
        with pytest.raises(RequestTimeout) as caught:
            await session.events.publish("x")
        assert caught.value.code == "REQUEST_TIMEOUT"


# Subscribing.


async def test_r31_each_pattern_is_decided_by_itself(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    broker.features.denied.add(("subscribe", "secret"))
    async with lisa.events.subscribe("secret", "news") as subscription:
        assert subscription.patterns == ("news",)
        assert list(subscription.refused) == ["secret"]
        error = subscription.refused["secret"]
        assert isinstance(error, MessageDenied)
        assert (error.action, error.name) == (Action.SUBSCRIBE, "secret")
        for name in ("secret", "news"):
            await bob.events.publish(name, 1)
        assert (await anext(subscription)).name == "news"


async def test_if_none_is_accepted_entering_raises_the_error_of_the_first(
    broker: FakeBroker, lisa: Session
) -> None:
    broker.features.denied |= {("subscribe", "a"), ("subscribe", "b")}
    with pytest.raises(MessageDenied) as caught:
        async with lisa.events.subscribe("b", "a"):
            pass
    assert caught.value.name == "b"
    assert lisa.events._patterns.subscriptions == []


async def test_a_pattern_that_is_none_is_refused_beside_the_others(
    lisa: Session, bob: Session
) -> None:
    async with lisa.events.subscribe("a//b", "/news/", "news", "**x") as news:
        assert news.patterns == ("/news/", "news")
        assert {e.code for e in news.refused.values()} == {"INVALID_PATH"}
        await bob.events.publish("news", 1)
        await bob.events.publish("news", 2)
        assert [(await anext(news)).data for _ in range(2)] == [1, 2]


async def test_r53_ones_own_events_come_only_with_echo(
    lisa: Session, bob: Session
) -> None:
    async with bob.events.subscribe("n") as theirs, lisa.events.subscribe("n") as mine:
        await lisa.events.publish("n", 1)
        assert (await anext(theirs)).data == 1
        async with lisa.events.subscribe("n", echo=True) as echoed:
            await lisa.events.publish("n", 2)
            assert (await anext(theirs)).data == 2
            assert (await anext(echoed)).data == 2
            await bob.events.publish("n", 3)
            assert (await anext(echoed)).data == 3
        assert (await anext(mine)).data == 3
        # It was asked for anew, with echo, and something may have been missed.
        assert mine.gaps == 1


async def test_r55_each_iterator_yields_an_event_once(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    async with (
        lisa.events.subscribe("n/*", "n/**") as first,
        lisa.events.subscribe("n/*") as second,
        lisa.events.subscribe("n/a") as third,
    ):
        await bob.events.publish("n/a", 1)
        await bob.events.publish("n/a", 2)
        for one in (first, second, third):
            assert [(await anext(one)).data for _ in range(2)] == [1, 2]
        # What is shared is on the wire once.
        wanted = [p for m in asked(broker, messages.Subscribe) for p in m.patterns]
        assert sorted(wanted) == ["n/*", "n/**", "n/a"]
    gone = [p for m in asked(broker, messages.Unsubscribe) for p in m.patterns]
    assert sorted(gone) == ["n/*", "n/**", "n/a"]


async def test_subscriptions_that_are_made_at_once_share_too(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    both = [lisa.events.subscribe("n", "m"), lisa.events.subscribe("m", "n")]
    await asyncio.gather(*(one.__aenter__() for one in both))
    wanted = [p for m in asked(broker, messages.Subscribe) for p in m.patterns]
    assert sorted(wanted) == ["m", "n"]
    await bob.events.publish("n", 1)
    for one in both:
        assert (await anext(one)).data == 1
        await one.__aexit__(None, None, None)


async def test_data_are_a_private_copy_of_each_iterator(
    lisa: Session, bob: Session
) -> None:
    async with (
        lisa.events.subscribe("n") as first,
        lisa.events.subscribe("n") as second,
    ):
        await bob.events.publish("n", [1])
        (await anext(first)).data.append(2)
        assert (await anext(second)).data == [1]


async def test_leaving_the_block_unsubscribes(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n"):
        assert broker.features.subscriptions[broker.connections[0]] == {"n": False}
    assert broker.features.subscriptions[broker.connections[0]] == {}
    assert lisa.events._patterns.subscriptions == []
    assert lisa.events._patterns.get("n") is None


async def test_a_cancelled_entering_leaves_nothing_behind(
    broker: FakeBroker, lisa: Session
) -> None:
    entering = asyncio.ensure_future(lisa.events.subscribe("n").__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    await asyncio.wait([entering])
    await turns()
    assert broker.features.subscriptions[broker.connections[0]] == {}
    assert lisa.events._patterns.get("n") is None
    async with lisa.events.subscribe("n") as again:
        assert again.patterns == ("n",)


@pytest.mark.parametrize(
    ("patterns", "options", "error"),
    [
        ((), {}, TypeError),
        ((5,), {}, TypeError),
        (("x",), {"buffer": "5"}, TypeError),
        (("x",), {"buffer": True}, TypeError),
        (("x",), {"buffer": 0}, ValueError),
    ],
)
async def test_subscribe_checks_its_arguments(
    lisa: Session, patterns: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        lisa.events.subscribe(*patterns, **options)


# Losing the right, and getting it back.


async def test_r33_what_is_taken_away_is_suspended_and_resumes(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    told: list[tuple[Any, ...]] = []
    async with lisa.events.subscribe(
        "n", "m", on_state=lambda *change: told.append(change)
    ) as subscription:
        broker.features.take_away("subscribe", "n")
        await bob.events.publish("n", 1)
        await turns()
        assert [subscription.suspended] == [True]
        assert subscription.suspended_patterns == ("n",)
        assert told == [("suspended", "PERMISSION_REVOKED", ("n",))]
        reading = asyncio.ensure_future(anext(subscription))
        await turns()
        assert not reading.done()
        broker.features.give_back("subscribe", "n")
        await bob.events.publish("n", 2)
        assert (await reading).data == 2
        assert subscription.gaps == 1
        assert [subscription.suspended] == [False]
    assert told[1:] == [("resumed", None, ("n",))]


async def test_a_suspended_pattern_does_not_borrow_from_another(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    async with (
        lisa.events.subscribe("n/*") as wide,
        lisa.events.subscribe("n/a") as narrow,
    ):
        broker.features.take_away("subscribe", "n/a")
        await bob.events.publish("n/a", 1)
        assert (await anext(wide)).data == 1
        broker.features.give_back("subscribe", "n/a")
        await bob.events.publish("n/a", 2)
        assert (await anext(narrow)).data == 2


async def test_a_new_subscription_of_what_is_suspended_is_denied(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n"):
        broker.features.take_away("subscribe", "n")
        await turns()
        with pytest.raises(MessageDenied) as caught:
            async with lisa.events.subscribe("n"):
                pass
        assert caught.value.code == "MESSAGE_DENIED"
        broker.features.give_back("subscribe", "n")
        await turns()
        async with lisa.events.subscribe("n") as again:
            assert again.patterns == ("n",)


async def test_r77_raise_on_revoked_ends_the_subscription(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    async with lisa.events.subscribe("n", raise_on_revoked=True) as subscription:
        await bob.events.publish("n", 1)
        await turns()
        broker.features.take_away("subscribe", "n")
        await turns()
        # What came before was still allowed.
        assert (await anext(subscription)).data == 1
        with pytest.raises(MessageDenied) as caught:
            await anext(subscription)
        assert caught.value.code == "PERMISSION_REVOKED"
        with pytest.raises(MessageDenied):
            async with lisa.events.subscribe("n"):
                pass
        broker.features.give_back("subscribe", "n")
        await bob.events.publish("n", 2)
        await turns()
        with pytest.raises(MessageDenied):
            await anext(subscription)
    async with lisa.events.subscribe("n") as again:
        await bob.events.publish("n", 3)
        assert (await anext(again)).data == 3


async def test_echo_that_is_denied_meanwhile_suspends_those_without(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n") as first:
        # The broker has not told yet.
        broker.features.denied.add(("subscribe", "n"))
        with pytest.raises(MessageDenied) as caught:
            async with lisa.events.subscribe("n", echo=True):
                pass
        assert caught.value.code == "MESSAGE_DENIED"
        assert first.suspended


# Reconnecting.


async def test_r70_after_a_reconnection_subscriptions_are_live_again(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    async with (
        lisa.events.subscribe("n", "m/*") as first,
        lisa.events.subscribe("n", echo=True) as second,
    ):
        await broker.cut(0)
        await lisa.events.publish("other")
        assert first.gaps == 2  # one of them for the echo
        assert second.gaps == 1
        for name in ("n", "m/a"):
            await bob.events.publish(name, 1)
        assert [(await anext(first)).name for _ in range(2)] == ["n", "m/a"]
        assert (await anext(second)).name == "n"
        again = [
            message
            for message in broker.connection.requests
            if isinstance(message, messages.Subscribe)
        ]
        assert all(message.again for message in again)
        assert sorted((m.patterns, m.echo) for m in again) == [
            (["m/*"], False),
            (["n"], True),
        ]


async def test_what_is_refused_at_a_reconnection_is_suspended_until_it_resumes(
    broker: FakeBroker, lisa: Session, bob: Session
) -> None:
    told: list[str] = []
    async with lisa.events.subscribe(
        "n", "m", on_state=lambda state, *_: told.append(state)
    ) as subscription:
        broker.features.denied.add(("subscribe", "n"))
        await broker.cut(0)
        await lisa.events.publish("other")
        assert subscription.suspended_patterns == ("n",)
        broker.features.give_back("subscribe", "n")
        await bob.events.publish("n", 1)
        assert (await anext(subscription)).data == 1
        assert subscription.gaps == 2
    assert told == ["suspended", "resumed"]


async def test_what_was_suspended_resumes_at_a_reconnection(
    broker: FakeBroker, lisa: Session
) -> None:
    told: list[str] = []
    async with lisa.events.subscribe(
        "n", on_state=lambda state, *_: told.append(state)
    ) as subscription:
        broker.features.take_away("subscribe", "n")
        await turns()
        broker.features.denied.clear()
        await broker.cut(0)
        await lisa.events.publish("other")
        assert not subscription.suspended
        assert subscription.gaps == 1
    assert told == ["suspended", "resumed"]


async def test_many_patterns_are_repeated_in_requests_of_bounded_size(
    broker: FakeBroker, lisa: Session
) -> None:
    names = [f"n/{number}" for number in range(600)]
    async with lisa.events.subscribe(*names):
        await broker.cut(0)
        await lisa.events.publish("other")
        again = [
            message.patterns
            for message in broker.connection.requests
            if isinstance(message, messages.Subscribe)
        ]
        assert [len(patterns) for patterns in again] == [250, 250, 100]
        assert [name for patterns in again for name in patterns] == names


async def test_what_fails_at_a_reconnection_for_another_reason_ends(
    broker: FakeBroker, lisa: Session
) -> None:
    def overfull(peer: Any, request: messages.Subscribe) -> None:
        peer.send(messages.Failed(request.id, "LIMIT_EXCEEDED", "too many"))

    async with lisa.events.subscribe("n") as subscription:
        broker.features.instead[messages.Subscribe] = overfull
        await broker.cut(0)
        await lisa.events.publish("other")
        with pytest.raises(RequestFailed) as caught:
            await anext(subscription)
        assert (caught.value.code, caught.value.name) == ("LIMIT_EXCEEDED", "n")


async def test_a_reconnection_whose_requests_are_not_answered_is_tried_again(
    broker: FakeBroker,
) -> None:
    async with (
        broker.open_session(request_timeout=0.02) as session,
        session.events.subscribe("n") as subscription,
        session.rpc.provide("f", len) as provision,
    ):
        broker.features.silent = True
        await broker.cut()
        await until(lambda: len(broker.connections) == 3)
        broker.features.silent = False
        await until(lambda: session.connection.state == "open")
        assert not subscription.suspended
        assert provision.live


async def test_a_notice_behind_the_answer_says_more_than_the_answer(
    broker: FakeBroker, lisa: Session
) -> None:
    def revoked_and_resumed(peer: Any, request: messages.Subscribe) -> None:
        outcome = encode_body([["PERMISSION_REVOKED", "", {}]])
        peer.send(messages.Answered(request.id, outcome))
        peer.send(messages.Resumed("event", request.patterns))

    async with lisa.events.subscribe("n") as subscription:
        broker.features.instead[messages.Subscribe] = revoked_and_resumed
        await broker.cut(0)
        await lisa.events.publish("other")
        assert not subscription.suspended


@pytest.mark.parametrize("outcomes", [5, [], [5], [["A_CODE"]], [[5, "", {}]]])
async def test_an_answer_that_cannot_be_read_accepts_nothing(
    broker: FakeBroker, lisa: Session, outcomes: Any
) -> None:
    def answer(peer: Any, request: messages.Subscribe) -> None:
        peer.send(messages.Answered(request.id, encode_body(outcomes)))

    broker.features.instead[messages.Subscribe] = answer
    with pytest.raises(RequestFailed) as caught:
        async with lisa.events.subscribe("n"):
            pass
    assert caught.value.code in ("INVALID_MESSAGE_DATA", "A_CODE")


async def test_an_unanswered_subscription_is_taken_back(broker: FakeBroker) -> None:
    async with broker.open_session(request_timeout=0.01) as session:
        broker.features.silent = True
        with pytest.raises(RequestTimeout):
            async with session.events.subscribe("n"):
                pass
        await turns()
        kinds = [type(message) for message in broker.connection.requests]
        assert kinds == [messages.Subscribe, messages.Unsubscribe]


async def test_leaving_while_reconnecting_forgets_the_subscription(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n"):
        broker.unreachable = True
        await broker.cut(0)
        await turns()
    broker.unreachable = False
    await lisa.events.publish("other")
    assert broker.features.subscriptions.get(broker.connection, {}) == {}


async def test_entering_while_the_connection_ends_is_lost(
    broker: FakeBroker, lisa: Session
) -> None:
    broker.features.silent = True
    entering = asyncio.ensure_future(lisa.events.subscribe("n").__aenter__())
    await turns()
    broker.features.silent = False
    await broker.cut(0)
    with pytest.raises(ConnectionLost):
        await entering
    await lisa.events.publish("other")
    assert broker.features.subscriptions.get(broker.connection, {}) == {}


async def test_after_the_end_everything_is_session_closed(broker: FakeBroker) -> None:
    async with broker.open_session() as session:
        subscription = session.events.subscribe("n")
    with pytest.raises(SessionClosed):
        await session.events.publish("n")
    with pytest.raises(SessionClosed):
        await session.events.publish("n", ack=False)
    with pytest.raises(SessionClosed):
        await subscription.__aenter__()
