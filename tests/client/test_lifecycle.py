import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from client.fake_broker import LISA, FakeBroker, turns, until
from vestibule.client import (
    ConnectionLost,
    ConnectionState,
    HandshakeFailed,
    Reconnect,
    RequestFailed,
    SessionClosed,
)
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.limits import WireLimits


Told = list[tuple[ConnectionState, str | None]]


def listener() -> tuple[Told, Callable[[ConnectionState, str | None], None]]:
    told: Told = []
    return told, lambda state, reason: told.append((state, reason))


# Which ends lead to what.


@pytest.mark.parametrize("close_code", [None, 1000, 4100, 4404, 4406])
async def test_r70_a_truncated_session_is_taken_up_again(
    broker: FakeBroker, close_code: int | None
) -> None:
    told, on_state = listener()
    async with broker.open_session(on_state=on_state) as session:
        first = session.session_id
        broker.connection.cut(close_code)
        await turns(3)
        await session.events.publish("x")
        assert session.session_id != first
        assert session.session_id == broker.connection.session_id
        # Whoever decides on logins is asked again, with the same data.
        assert [c.logins[0]["auth_data"] for c in broker.connections] == [LISA, LISA]
    assert told[2:] == [
        (ConnectionState.OPEN, None),
        (ConnectionState.RECONNECTING, "truncated"),
        (ConnectionState.OPEN, None),
        (ConnectionState.CLOSED, "client"),
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CloseCode.SHUTTING_DOWN, EndReason.SHUTTING_DOWN),
        (CloseCode.SLOW_READER, EndReason.SLOW_READER),
    ],
)
async def test_a_transient_bye_leads_to_a_reconnection(
    broker: FakeBroker, code: CloseCode, reason: EndReason
) -> None:
    told, on_state = listener()
    async with broker.open_session(on_state=on_state) as session:
        broker.connection.say_bye(code, reason)
        await turns(4)
        await session.events.publish("x")
    assert (ConnectionState.RECONNECTING, reason.value) in told
    assert broker.dialled == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CloseCode.SESSION_REVOKED, EndReason.REVOKED),
        (CloseCode.SESSION_REVOKED, EndReason.PASSWORD_CHANGED),
        (CloseCode.SESSION_EXPIRED, EndReason.IDLE),
        (CloseCode.SESSION_REPLACED, EndReason.REPLACED),
        (CloseCode.MESSAGE_PARSE_ERROR, EndReason.PARSE_ERROR),
    ],
)
async def test_w23_r71_a_terminal_bye_ends_the_session_with_its_reason(
    broker: FakeBroker, code: CloseCode, reason: EndReason
) -> None:
    told, on_state = listener()
    async with broker.open_session(on_state=on_state) as session:
        broker.features.silent = True
        asking = asyncio.ensure_future(session.events.publish("x"))
        await turns()
        broker.connection.say_bye(code, reason)
        with pytest.raises(SessionClosed) as caught:
            await asking
        assert caught.value.reason == reason
        assert await session.wait_closed() == reason
        with pytest.raises(SessionClosed):
            await session.events.publish("x")
    assert told[-1] == (ConnectionState.CLOSED, reason.value)
    assert broker.dialled == 1
    # The client has answered the bye.
    assert broker.connection.end is not None
    assert broker.connection.end.reason is reason


async def test_w14_a_record_that_does_not_open_is_a_truncation(
    broker: FakeBroker,
) -> None:
    async with (
        broker.open_session(reconnect=None) as session,
        session.events.subscribe("n", echo=True) as subscription,
    ):
        await session.events.publish("n", 1)
        assert (await anext(subscription)).data == 1
        broker.to_client = lambda m: (m[:-1] + bytes([m[-1] ^ 1]),)
        with pytest.raises(SessionClosed) as caught:
            await session.events.publish("n", 2)
        assert caught.value.reason == "truncated"
        with pytest.raises(SessionClosed):
            await anext(subscription)


@pytest.mark.parametrize("fault", ["twice", "left out", "swapped"])
async def test_w14_records_out_of_place_end_it_and_nothing_of_them_is_delivered(
    broker: FakeBroker, fault: str
) -> None:
    held: list[bytes] = []
    count = 0

    def between(message: bytes) -> Sequence[bytes]:
        nonlocal count
        count += 1
        if count == 2:
            held.append(message)
        if fault == "twice":
            return (message, message) if count == 2 else (message,)
        if fault == "left out":
            return () if count == 2 else (message,)
        return () if count == 2 else (message, *held) if count == 3 else (message,)

    async with (
        broker.open_session(reconnect=None) as session,
        session.events.subscribe("n") as subscription,
    ):
        broker.to_client = between
        for number in range(4):
            broker.connection.send(messages.Event("n", encode_body(number)))
            await turns()
        for number in [0, 1] if fault == "twice" else [0]:
            assert (await anext(subscription)).data == number
        with pytest.raises(SessionClosed) as caught:
            await anext(subscription)
        assert caught.value.reason == "truncated"


async def test_w15_a_record_of_ones_own_that_comes_back_is_a_truncation(
    broker: FakeBroker,
) -> None:
    async with broker.open_session(reconnect=None) as session:
        await session.events.publish("n", 1)
        transport = broker.connection.transport
        transport.receive(transport.sent[-1])
        assert await session.wait_closed() == "truncated"
        with pytest.raises(SessionClosed):
            await session.events.publish("n", 2)


async def test_a_broker_that_falls_silent_is_asked_and_then_given_up() -> None:
    broker = FakeBroker(limits=WireLimits(heartbeat_ms=10))
    async with broker.open_session(reconnect=None) as session:
        sent = broker.connection.transport.sent
        before = len(sent)
        broker.to_client = lambda _: ()
        assert await session.wait_closed() == "truncated"
        # It was pinged, and not told a bye: nobody could hear one.
        assert len(sent) == before + 1


async def test_a_wrong_word_of_the_broker_is_a_parse_error_and_final(
    broker: FakeBroker,
) -> None:
    async with broker.open_session() as session:
        # An array without a tag.
        broker.connection.core.queue(b"\x90")
        broker.connection.flush()
        assert await session.wait_closed() == "parse_error"
    assert broker.connection.bye is not None
    assert broker.connection.bye.code == CloseCode.MESSAGE_PARSE_ERROR
    assert broker.dialled == 1


async def test_without_reconnection_a_truncation_ends_the_session(
    broker: FakeBroker,
) -> None:
    async with broker.open_session(reconnect=None) as session:
        broker.connection.cut()
        assert await session.wait_closed() == "truncated"


async def test_without_login_data_there_is_nothing_to_take_a_session_up_with(
    broker: FakeBroker,
) -> None:
    async with broker.open_session(keep_login_data=False) as session:
        broker.connection.cut()
        assert await session.wait_closed() == "reauthentication_failed"
    assert broker.dialled == 1


# Trying again.


async def test_attempts_go_on_until_one_succeeds(broker: FakeBroker) -> None:
    async with broker.open_session() as session:
        broker.unreachable = True
        await broker.cut()
        asking = asyncio.ensure_future(session.events.publish("x"))
        await until(lambda: broker.dialled >= 4)
        broker.unreachable = False
        broker.refuse_upgrade = 503
        await until(lambda: broker.dialled >= 6)
        broker.refuse_upgrade = None
        await asking


async def test_attempts_that_are_used_up_end_it_with_the_first_reason(
    broker: FakeBroker,
) -> None:
    reconnect = Reconnect(first=0.0, most=0.0, attempts=3)
    async with broker.open_session(reconnect=reconnect) as session:
        broker.unreachable = True
        broker.connection.say_bye(CloseCode.SHUTTING_DOWN, EndReason.SHUTTING_DOWN)
        assert await session.wait_closed() == "shutting_down"
    assert broker.dialled == 4


async def test_the_broker_is_not_dialled_before_the_time_that_it_named(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    least: list[float] = []

    def delay(_: object, seconds: float = 0.0) -> float:
        least.append(seconds)
        return 0.0

    monkeypatch.setattr("vestibule.client.backoff.Backoff.delay", delay)
    async with broker.open_session() as session:
        broker.connection.say_bye(
            CloseCode.SHUTTING_DOWN, EndReason.SHUTTING_DOWN, 7_500
        )
        await turns(5)
        await session.events.publish("x")
    assert least == [7.5]


async def test_a_refused_login_ends_it_without_further_attempts(
    broker: FakeBroker,
) -> None:
    told, on_state = listener()
    async with broker.open_session(on_state=on_state) as session:
        broker.users["lisa"] = "another"
        async with session.events.subscribe("n") as subscription:
            await broker.cut()
            with pytest.raises(SessionClosed) as caught:
                await session.events.publish("x")
            assert caught.value.reason == "reauthentication_failed"
            with pytest.raises(SessionClosed):
                await anext(subscription)
    assert told.count((ConnectionState.CLOSED, "reauthentication_failed")) == 1
    assert broker.dialled == 2
    # The connection that was refused is closed too.
    assert broker.connection.bye is not None


async def test_another_server_key_ends_it_and_sees_no_login_data(
    broker: FakeBroker,
) -> None:
    told, on_state = listener()
    async with broker.open_session(on_state=on_state) as session:
        broker.identities = [IdentityKey.generate()]
        broker.connection.cut()
        assert await session.wait_closed() == "server_key_changed"
    assert told[-1] == (ConnectionState.CLOSED, "server_key_changed")
    assert broker.connection.logins == []
    assert broker.dialled == 2


async def test_a_key_of_the_brokers_own_list_is_accepted(broker: FakeBroker) -> None:
    new = IdentityKey.generate()
    broker.identities.append(new)
    async with broker.open_session() as session:
        broker.identities = [new]
        await broker.cut()
        await session.events.publish("x")


async def test_on_first_use_only_the_key_of_the_first_connection_is_accepted(
    broker: FakeBroker, tmp_path: Path
) -> None:
    async with broker.open_session(
        server_key=None, known_brokers=tmp_path / "known", plain_on_first_use=True
    ) as session:
        await broker.cut()
        await session.events.publish("x")
        broker.identities = [IdentityKey.generate()]
        broker.connection.cut()
        assert await session.wait_closed() == "server_key_changed"


async def test_client_data_are_told_once_if_they_have_changed(
    broker: FakeBroker,
) -> None:
    told: list[Any] = []
    broker.client_data = {"theme": 1}
    async with broker.open_session(on_client_data=told.append) as session:
        assert session.client_data == {"theme": 1}
        for theme in (1, 2, 2):
            broker.client_data = {"theme": theme}
            await broker.cut()
            await session.events.publish("x")
        assert session.client_data == {"theme": 2}
    assert told == [{"theme": 2}]


async def test_a_connection_that_is_lost_while_being_taken_up_is_tried_again(
    broker: FakeBroker,
) -> None:
    async with (
        broker.open_session() as session,
        session.events.subscribe("n") as subscription,
    ):
        broker.features.silent = True
        await broker.cut()
        await until(lambda: len(broker.connections) == 2 and broker.connection.requests)
        # Logged in again, and the subscription is not answered yet.
        assert session.connection.state is ConnectionState.RECONNECTING
        broker.features.silent = False
        await broker.cut()
        await session.events.publish("x")
        assert len(broker.connections) == 3
        assert not subscription.suspended


async def test_a_terminal_bye_while_being_taken_up_is_final(
    broker: FakeBroker,
) -> None:
    async with broker.open_session() as session, session.events.subscribe("n"):
        broker.features.silent = True
        await broker.cut()
        await until(lambda: len(broker.connections) == 2 and broker.connection.requests)
        broker.connection.say_bye(CloseCode.SESSION_REVOKED, EndReason.REVOKED)
        assert await session.wait_closed() == "revoked"


async def test_a_transient_bye_to_a_login_is_tried_again(broker: FakeBroker) -> None:
    async with broker.open_session() as session:
        broker.silent_logins = True
        await broker.cut()
        await until(lambda: len(broker.connections) == 2 and broker.connection.logins)
        broker.silent_logins = False
        broker.connection.say_bye(CloseCode.SHUTTING_DOWN, EndReason.SHUTTING_DOWN)
        await session.events.publish("x")


# Requests meanwhile.


async def test_open_requests_are_lost_and_new_ones_wait(broker: FakeBroker) -> None:
    async with broker.open_session() as session:
        broker.features.silent = True
        asking = [asyncio.ensure_future(session.events.publish("x")) for _ in range(3)]
        await turns()
        broker.features.silent = False
        broker.unreachable = True
        broker.connection.cut()
        for one in asking:
            with pytest.raises(ConnectionLost) as caught:
                await one
            assert caught.value.code == "CONNECTION_LOST"
        waiting = asyncio.ensure_future(session.events.publish("y"))
        unanswered = asyncio.ensure_future(session.events.publish("z", ack=False))
        await turns()
        assert not waiting.done()
        broker.unreachable = False
        await asyncio.gather(waiting, unanswered)
        await turns()
        names = [vars_of(message) for message in broker.connection.requests]
        assert names == ["y", "z"]


def vars_of(message: Any) -> str:
    name: str = message.name
    return name


async def test_a_request_waits_no_longer_than_its_time(broker: FakeBroker) -> None:
    async with broker.open_session(request_timeout=0.02) as session:
        broker.unreachable = True
        await broker.cut()
        with pytest.raises(ConnectionLost):
            await session.events.publish("x")
        with pytest.raises(ConnectionLost):
            await session.rpc.call("f", timeout=0.02)


async def test_a_connection_that_never_was_tells_why(broker: FakeBroker) -> None:
    told, on_state = listener()
    key = IdentityKey.generate().text
    for options in ({"server_key": key}, {}):
        broker.unreachable = not options
        with pytest.raises((HandshakeFailed, OSError)):
            async with broker.connect(on_state=on_state, **options):
                pass
    assert told == [
        (ConnectionState.CLOSED, "server_key_changed"),
        (ConnectionState.CLOSED, "truncated"),
    ]


async def test_requests_that_wait_at_the_end_are_session_closed(
    broker: FakeBroker,
) -> None:
    async with broker.open_session() as session:
        broker.unreachable = True
        await broker.cut()
        waiting = asyncio.ensure_future(session.events.publish("x"))
        await turns()
        await session.close()
        with pytest.raises(SessionClosed) as caught:
            await waiting
        assert caught.value.reason == "client"


async def test_requests_that_are_open_when_it_is_closed_are_session_closed(
    broker: FakeBroker,
) -> None:
    async with broker.open_session() as session:
        broker.features.silent = True
        asking = asyncio.ensure_future(session.events.publish("x"))
        await turns()
        await session.close()
        with pytest.raises(SessionClosed) as caught:
            await asking
        assert caught.value.reason == "client"


async def test_closing_while_reconnecting_stops_the_attempts(
    broker: FakeBroker,
) -> None:
    reconnect = Reconnect(first=60.0, most=60.0)
    async with broker.open_session(reconnect=reconnect) as session:
        await broker.cut()
        assert session.connection.state is ConnectionState.RECONNECTING
        await session.close()
        assert await session.wait_closed() == "client"
    assert broker.dialled == 1


async def test_a_callback_may_close_the_connection(broker: FakeBroker) -> None:
    closing: list[Any] = []

    async def on_state(state: ConnectionState, _: str | None) -> None:
        if state is ConnectionState.RECONNECTING:
            await session.close()
            closing.append(state)

    async with broker.open_session(
        on_state=on_state, reconnect=Reconnect(first=60.0, most=60.0)
    ) as session:
        await broker.cut()
        assert await session.wait_closed() == "client"
    assert closing == [ConnectionState.RECONNECTING]


async def test_a_handler_of_failures_may_be_async(broker: FakeBroker) -> None:
    heard = asyncio.Event()

    async def on_error(error: RequestFailed) -> None:
        assert error.code == "MESSAGE_DENIED"
        heard.set()

    broker.features.denied.add(("publish", "x"))
    async with broker.open_session(on_error=on_error) as session:
        await session.events.publish("x", ack=False)
        await heard.wait()
