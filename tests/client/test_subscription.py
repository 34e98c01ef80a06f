import asyncio
from collections.abc import AsyncIterator

import pytest

from client.fake_broker import FakeBroker, turns
from vestibule.client import Event, RequestFailed, Session, SessionClosed, Subscription
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import CloseCode, EndReason


@pytest.fixture
async def lisa(broker: FakeBroker) -> AsyncIterator[Session]:
    async with broker.open_session(reconnect=None) as session:
        yield session


def deliver(broker: FakeBroker, name: str, *data: object) -> None:
    for one in data:
        broker.connection.send(messages.Event(name, encode_body(one)))


async def test_events_come_in_order_and_the_iterator_waits(
    broker: FakeBroker, lisa: Session
) -> None:
    seen: list[object] = []

    async def read(subscription: Subscription) -> None:
        async for event in subscription:
            assert event == Event("n", event.data)
            seen.append(event.data)

    async with lisa.events.subscribe("n") as subscription:
        reading = asyncio.ensure_future(read(subscription))
        deliver(broker, "n", 1, 2)
        await turns()
        deliver(broker, "n", 3)
        await turns()
        assert seen == [1, 2, 3]
        assert not reading.done()
    await reading


async def test_several_tasks_may_read_one_subscription(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n") as subscription:
        both = [asyncio.ensure_future(anext(subscription)) for _ in range(2)]
        await turns()
        deliver(broker, "n", 1, 2)
        assert sorted([(await one).data for one in both]) == [1, 2]


async def test_a_full_buffer_ends_the_subscription_and_nothing_else(
    broker: FakeBroker, lisa: Session
) -> None:
    async with (
        lisa.events.subscribe("n", buffer=2) as small,
        lisa.events.subscribe("n/**", "n") as big,
        lisa.events.subscribe("m", buffer=2) as other,
    ):
        deliver(broker, "n", 1, 2, 3, 4)
        deliver(broker, "m", 5)
        assert [(await anext(small)).data for _ in range(2)] == [1, 2]
        for _ in range(2):
            with pytest.raises(RequestFailed) as caught:
                await anext(small)
            assert caught.value.code == "SUBSCRIPTION_OVERFLOW"
        assert [(await anext(big)).data for _ in range(4)] == [1, 2, 3, 4]
        assert (await anext(other)).data == 5
    await lisa.events.publish("x")


async def test_an_overflow_unsubscribes_at_once(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n", buffer=1):
        deliver(broker, "n", 1, 2)
        await turns()
        assert broker.features.subscriptions[broker.connection] == {}


async def test_a_body_that_cannot_be_decoded_is_told_and_the_next_comes(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n") as subscription:
        # A map with a key that is no text.
        broker.connection.send(messages.Event("n", encode_body(None)))
        broker.connection.core.queue(bytes.fromhex("9422a16e810102c2"))
        deliver(broker, "n", 2)
        assert (await anext(subscription)).data is None
        with pytest.raises(RequestFailed) as caught:
            await anext(subscription)
        assert (caught.value.code, caught.value.name) == ("INVALID_MESSAGE_DATA", "n")
        assert (await anext(subscription)).data == 2


async def test_after_the_block_the_iterator_has_ended_quietly(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n") as subscription:
        deliver(broker, "n", 1)
        await turns()
    assert [event async for event in subscription] == []
    with pytest.raises(RuntimeError):
        await subscription.__aenter__()


async def test_closing_here_stops_iterators_quietly_behind_what_came(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n") as subscription:
        deliver(broker, "n", 1)
        await turns()
        await lisa.close()
        assert [event.data async for event in subscription] == [1]


async def test_r71_an_end_that_the_broker_decides_raises_its_reason(
    broker: FakeBroker, lisa: Session
) -> None:
    async with lisa.events.subscribe("n") as subscription:
        reading = asyncio.ensure_future(anext(subscription))
        await turns()
        broker.connection.say_bye(CloseCode.SESSION_REVOKED, EndReason.REVOKED)
        with pytest.raises(SessionClosed) as caught:
            await reading
        assert caught.value.reason == "revoked"
        with pytest.raises(SessionClosed):
            await anext(subscription)
    assert await lisa.wait_closed() == "revoked"


@pytest.mark.parametrize("close_code", [None, 4406, 1000])
async def test_w22_a_cut_raises_truncated_whatever_the_close_frame_says(
    broker: FakeBroker, lisa: Session, close_code: int | None
) -> None:
    async with lisa.events.subscribe("n") as subscription:
        deliver(broker, "n", 1)
        broker.connection.flush()
        broker.connection.cut(close_code)
        assert (await anext(subscription)).data == 1
        with pytest.raises(SessionClosed) as caught:
            await anext(subscription)
        assert caught.value.reason == "truncated"


async def test_it_tells_its_patterns(lisa: Session) -> None:
    assert repr(lisa.events.subscribe("n/*", "m")) == "<Subscription n/*, m>"
