import asyncio
import copy
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from client.fake_broker import FakeBroker, turns, until
from vestibule.client import (
    GivenCall,
    MessageDenied,
    RemoteError,
    RequestFailed,
    RequestTimeout,
    Session,
)
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body


BOB = {"username": "bob", "password": "builder"}


class Orders:
    """A component."""

    def place(self, item: str, *, count: int = 1) -> dict[str, Any]:
        return {"item": item, "count": count}

    async def who(self, call: GivenCall) -> Any:
        await asyncio.sleep(0)
        return call.caller["username"]

    async def slow(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def provider(broker: FakeBroker) -> AsyncIterator[Session]:
    async with broker.open_session() as session:
        yield session


@pytest.fixture
async def caller(broker: FakeBroker, provider: Session) -> AsyncIterator[Session]:
    del provider  # its connection is the first
    async with broker.open_session(BOB) as session:
        yield session


async def test_methods_are_called_like_methods(
    provider: Session, caller: Session
) -> None:
    async with provider.exchange.provide("orders", Orders()):
        placed = {"item": "tea", "count": 2}
        exchange = caller.exchange
        assert await exchange.orders.place("tea", count=2) == placed
        assert await exchange["orders"]["place"]("tea", count=2) == placed
        assert await exchange.call("orders", "place", "tea", count=2) == placed
        assert await exchange.orders.who() == "bob"
        # It is a call like any other.
        body = {"args": ["tea"], "kwargs": {"count": 2}}
        assert await caller.rpc.call("hub/orders/place", body) == placed


async def test_a_call_may_have_a_time_limit(provider: Session, caller: Session) -> None:
    async with provider.exchange.provide("orders", Orders()):
        with pytest.raises(RequestTimeout):
            await caller.exchange.call("orders", "slow", timeout=0.02)


async def test_wrong_arguments_reach_the_caller_as_a_type_error(
    provider: Session, caller: Session
) -> None:
    async with provider.exchange.provide("orders", Orders()):
        for wrong in (
            caller.exchange.orders.place(),
            caller.exchange.orders.who(call={"username": "admin"}),
            caller.rpc.call("hub/orders/place", 5),
        ):
            with pytest.raises(RemoteError) as caught:
                await wrong
            assert caught.value.name == "TypeError"


async def test_all_methods_of_a_component_are_asked_for_in_one_record(
    broker: FakeBroker, provider: Session
) -> None:
    sent = broker.connection.transport.sent
    before = len(sent)
    async with provider.exchange.provide("orders", Orders()) as provision:
        assert len(sent) == before + 1
        names = {one.name for one in provision.provisions}
        assert names == {"hub/orders/place", "hub/orders/who", "hub/orders/slow"}
    assert all(not held for held in broker.features.providers.values())


async def test_a_component_is_provided_whole_or_not_at_all(
    broker: FakeBroker, provider: Session
) -> None:
    broker.features.denied.add(("provide", "hub/orders/who"))
    with pytest.raises(MessageDenied):
        async with provider.exchange.provide("orders", Orders()):
            pass
    assert all(not held for held in broker.features.providers.values())


async def test_a_cancelled_entering_withdraws_the_component(
    broker: FakeBroker, provider: Session
) -> None:
    component = provider.exchange.provide("orders", Orders())
    entering = asyncio.ensure_future(component.__aenter__())
    await turns(2)
    entering.cancel()
    await asyncio.wait([entering])
    await turns()
    assert all(not held for held in broker.features.providers.values())


async def test_a_component_tells_which_methods_are_suspended(
    broker: FakeBroker, provider: Session
) -> None:
    told: list[Any] = []
    async with provider.exchange.provide(
        "orders", Orders(), on_state=lambda *change: told.append(change)
    ) as provision:
        broker.features.take_away("provide", "hub/orders/who")
        await turns()
        assert provision.suspended
        assert provision.suspended_patterns == ("hub/orders/who",)
    assert told == [("suspended", "PERMISSION_REVOKED", ("hub/orders/who",))]


async def test_what_has_no_methods_is_no_component(provider: Session) -> None:
    with pytest.raises(ValueError, match="method"):
        provider.exchange.provide("orders", object())
    with pytest.raises(TypeError):
        provider.exchange.provide(5, Orders())  # type: ignore[arg-type]  # the mistake


async def test_names_with_an_underscore_are_no_attributes(provider: Session) -> None:
    for thing in (provider.exchange, provider.exchange.orders, provider.event):
        with pytest.raises(AttributeError):
            thing._hidden  # noqa: B018 - looking is what is tested
        assert not hasattr(thing, "__deepcopy__")
    assert copy.copy(provider.exchange.orders) is not provider.exchange.orders
    assert repr(provider.exchange.orders.place) == "<Method hub/orders/place>"


# Events with a handler.


async def test_a_handler_gets_the_data_of_each_event_in_order(
    provider: Session, caller: Session
) -> None:
    seen: list[Any] = []
    done = asyncio.Event()

    async def slowly(data: Any) -> None:
        await asyncio.sleep(0)
        seen.append(data)
        if data == 3:
            done.set()

    subscription = await provider.event.orders.on("placed", slowly)
    for number in (1, 2, 3):
        await caller.events.publish("hub/orders/placed", number)
    await done.wait()
    assert seen == [1, 2, 3]
    await subscription.close()
    await subscription.close()
    await caller.events.publish("hub/orders/placed", 4)
    await turns()
    assert seen == [1, 2, 3]


async def test_keys_may_be_patterns_and_components_any_name(
    provider: Session, caller: Session
) -> None:
    seen: list[Any] = []
    await provider.event["my-orders"].on("placed/*", seen.append)
    await caller.events.publish("hub/my-orders/placed/tea", 1)
    await turns()
    assert seen == [1]


async def test_a_handler_that_raises_is_logged_and_called_again(
    provider: Session, caller: Session, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    def handler(data: Any) -> None:
        if data == 1:
            raise ValueError
        seen.append(data)

    await provider.event.orders.on("placed", handler)
    with caplog.at_level(logging.ERROR):
        for number in (1, 2):
            await caller.events.publish("hub/orders/placed", number)
        await turns()
    assert seen == [2]
    assert [record.message for record in caplog.records] == ["handler.failed"]


async def test_a_denied_key_raises(broker: FakeBroker, provider: Session) -> None:
    broker.features.denied.add(("subscribe", "hub/orders/placed"))
    with pytest.raises(MessageDenied):
        await provider.event.orders.on("placed", print)
    with pytest.raises(TypeError):
        await provider.event.orders.on(5, print)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError):
        await provider.event.orders.on("placed", 5)  # type: ignore[arg-type]  # the same


async def test_a_handlers_subscription_is_suspended_and_resumes(
    broker: FakeBroker, provider: Session
) -> None:
    told: list[Any] = []
    subscription = await provider.event.orders.on(
        "placed", print, on_state=lambda *change: told.append(change[0])
    )
    broker.features.take_away("subscribe", "hub/orders/placed")
    await turns()
    assert subscription.suspended
    assert subscription.suspended_patterns == ("hub/orders/placed",)
    broker.features.give_back("subscribe", "hub/orders/placed")
    await turns()
    assert list(subscription.suspended_patterns) == []
    assert subscription.gaps == 1
    assert told == ["suspended", "resumed"]


async def test_what_a_handler_cannot_be_given_goes_to_on_error(
    broker: FakeBroker,
) -> None:
    errors: list[RequestFailed] = []
    seen: list[Any] = []
    async with broker.open_session(on_error=errors.append) as session:
        await session.event.c.on("k", seen.append)
        # A map with a key that is no text, between two good ones.
        for number in (1, 2):
            event = messages.Event("hub/c/k", encode_body(number))
            broker.connection.send(event)
            if number == 1:
                bad = b"\x94\x22\xa7hub/c/k\x81\x01\x02\xc2"
                broker.connection.core.queue(bad)
        await turns()
        assert seen == [1, 2]
    assert [error.code for error in errors] == ["INVALID_MESSAGE_DATA"]


async def test_an_overflow_ends_a_handlers_subscription_and_is_reported(
    broker: FakeBroker,
) -> None:
    errors: list[RequestFailed] = []
    go = asyncio.Event()

    async def stuck(_: Any) -> None:
        await go.wait()

    async with broker.open_session(on_error=errors.append) as session:
        await session.event.c.on("k", stuck)
        nil = messages.NIL
        for _ in range(10_100):
            broker.connection.send(messages.Event("hub/c/k", nil))
        await turns()
        go.set()
        await until(lambda: errors)
    assert [error.code for error in errors] == ["SUBSCRIPTION_OVERFLOW"]
