"""A conversation: deadlines, the login in its place, and every way to end."""

import asyncio
from typing import Any

import pytest

from handlers import Everybody
from vestibule.protocol import messages
from vestibule.protocol.codec import encode
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.reserved import Ping
from vestibule.server import ConnectionData, Identity, Message, PermissionHandler
from vestibule.server.directory import Directory
from vestibule.server.testing import (
    MemoryBroker,
    PeerClosed,
    RawPeer,
    RequestRefused,
    memory_broker,
)


class Mute(RawPeer):
    """A peer that never says hello."""

    def _flush(self) -> None:
        self._write()


async def named(broker: MemoryBroker, name: str = "lisa") -> RawPeer:
    return await broker.login({"username": name})


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


class Thinking(Everybody):
    """Thinks about publishing `slow` until `decided`."""

    def __init__(self) -> None:
        super().__init__(self._think)
        self.decided = asyncio.Event()
        self.began = asyncio.Event()

    async def _think(self, _: str, message: Message) -> bool:
        if message.name == "slow":
            self.began.set()
            await self.decided.wait()
        return True


def publish(peer: RawPeer, name: str) -> messages.Publish:
    return messages.Publish(peer.next_id(), name, messages.NIL)


# Strangers.


async def test_who_says_no_hello_is_closed_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vestibule.server.testing.memory.RawPeer", Mute)
    quarantine = {"handshake_timeout": 0.05, "timeout": 30}
    async with memory_broker(quarantine=quarantine) as broker:
        peer = await broker.connect()
        assert await asyncio.wait_for(peer.wait_closed(), 1) == "truncated"
        assert peer.close_code == 4102
        assert broker.broker.counters["quarantine_timeouts"] == 1
        assert broker.broker.quarantined == 0


async def test_a_ping_in_quarantine_extends_no_deadline() -> None:
    async with memory_broker(quarantine={"timeout": 0.2}) as broker:
        peer = await broker.connect()
        await peer.ready()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while peer.end_reason is None and loop.time() - began < 1:
            peer.send_raw(encode(Ping(1)))
            await asyncio.sleep(0.02)
        assert peer.end_reason == "login_timeout"
        assert loop.time() - began < 0.5


async def test_whoever_waited_longest_is_evicted_from_a_full_room() -> None:
    quarantine = {"max_connections": 1, "evict_after": 0.01}
    async with memory_broker(quarantine=quarantine) as broker:
        first = await broker.connect()
        await first.ready()
        await asyncio.sleep(0.02)
        second = await broker.connect()
        await second.ready()
        assert await first.wait_closed() == "truncated"
        assert first.close_code == CloseCode.EVICTED
        assert broker.broker.counters["quarantine_evicted"] == 1
        assert broker.broker.quarantined == 1


class DecidesLater(PermissionHandler):
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> str:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "lisa"


async def test_whose_login_is_being_decided_is_not_evicted() -> None:
    handler = DecidesLater()
    quarantine = {"max_connections": 1, "evict_after": 0.01}
    async with memory_broker(handler, quarantine=quarantine) as broker:
        first = await broker.connect()
        login = asyncio.ensure_future(first.login({}))
        await handler.began.wait()
        await asyncio.sleep(0.02)
        second = await broker.connect()
        assert await second.wait_closed() in {"truncated", "status 503"}
        first.cut()
        with pytest.raises(Exception, match="truncated"):
            await login


async def test_a_stranger_that_leaves_takes_its_login_with_it() -> None:
    handler = DecidesLater()
    async with memory_broker(handler) as broker:
        peer = await broker.connect()
        login = asyncio.ensure_future(peer.login({}))
        await handler.began.wait()
        peer.cut()
        await asyncio.wait_for(handler.cancelled.wait(), 1)
        with pytest.raises(Exception, match="truncated"):
            await login
        await settle()
        assert broker.broker.quarantined == 0
        assert len(broker.broker.sessions) == 0


async def test_client_data_that_is_too_much_for_any_client_refuses_the_login() -> None:
    class Talks(PermissionHandler):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Any:
            return Identity("lisa", client_data="x" * 2_000_000)

    async with memory_broker(Talks()) as broker:
        with pytest.raises(RequestRefused, match="login failed"):
            await broker.login({})
        assert len(broker.broker.sessions) == 0


# Sessions.


async def test_what_fails_while_a_login_is_decided_drops_its_connection_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(directory: Directory, name: str) -> None:
        raise ValueError("a fault of the broker's")

    async with memory_broker(Everybody()) as broker:
        peer = await broker.connect()
        monkeypatch.setattr(Directory, "user", failing)
        with pytest.raises(PeerClosed):
            await asyncio.wait_for(peer.login({"username": "lisa"}), 1)
        assert len(broker.broker._tasks) == 0


async def test_messages_in_the_record_of_a_login_are_handled_behind_it() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        peer = await broker.connect()
        await peer.ready()
        first, second = peer.next_id(), peer.next_id()
        login = peer.login_message(first, {"username": "lisa"})
        event = encode(messages.Publish(second, "x", messages.NIL))
        peer.send_raw(login, event)
        await settle()
        assert handler.names_asked() == ["x"]


async def test_a_ping_is_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_broker(Everybody()) as broker:
        lisa = await named(broker)
        heard: list[int] = []
        took = RawPeer.data_received

        def counting(self: RawPeer, data: bytes) -> None:
            heard.append(len(data))
            took(self, data)

        monkeypatch.setattr(RawPeer, "data_received", counting)
        lisa.send_raw(encode(Ping(7)))
        await settle()
        assert len(heard) == 1


async def test_a_session_that_was_ended_is_heard_no_more() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        lisa = await named(broker)
        (session,) = broker.broker.sessions.values()
        session.link.end(CloseCode.SESSION_REVOKED, EndReason.REVOKED)
        lisa.send(publish(lisa, "x"))
        assert await lisa.wait_closed() == "revoked"
        assert handler.asked == []
        assert len(broker.broker.sessions) == 0
        assert handler.left == ["lisa"]


async def test_ending_twice_says_and_tells_it_once() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        lisa = await named(broker)
        (session,) = broker.broker.sessions.values()
        session.link.end(CloseCode.SESSION_REVOKED, EndReason.REVOKED)
        session.link.end(CloseCode.SHUTTING_DOWN, EndReason.SHUTTING_DOWN)
        session.link.fail()
        assert await lisa.wait_closed() in {"revoked", "truncated"}
        await settle()
        assert handler.left == ["lisa"]


async def test_a_session_whose_feature_failed_is_dropped_without_a_bye() -> None:
    async with memory_broker(Everybody()) as broker:
        lisa = await named(broker)
        (session,) = broker.broker.sessions.values()
        session.link.fail()
        assert await lisa.wait_closed() == "truncated"
        assert lisa.close_code is None
        assert len(broker.broker.sessions) == 0


# The end.


async def test_what_came_before_a_bye_is_handled_before_it_is_answered() -> None:
    handler = Thinking()
    async with memory_broker(handler) as broker:
        lisa, bob = await named(broker), await named(broker, "bob")
        await bob.subscribe("**")
        lisa.send(publish(lisa, "slow"), publish(lisa, "last"))
        await handler.began.wait()
        lisa.close()
        await settle()
        assert len(broker.broker.sessions) == 2
        handler.decided.set()
        assert await lisa.wait_closed() == "client"
        heard = [await asyncio.wait_for(bob.notices.get(), 1) for _ in range(2)]
        names = [one.name for one in heard if isinstance(one, messages.Event)]
        assert names == ["slow", "last"]


async def test_what_takes_longer_than_a_second_is_given_up_for_a_bye() -> None:
    handler = Thinking()
    async with memory_broker(handler) as broker:
        lisa, bob = await named(broker), await named(broker, "bob")
        await bob.subscribe("**")
        lisa.send(publish(lisa, "slow"), publish(lisa, "last"))
        await handler.began.wait()
        loop = asyncio.get_running_loop()
        began = loop.time()
        lisa.close()
        assert await lisa.wait_closed() == "client"
        for _ in range(300):
            if len(broker.broker.sessions) == 1:
                break
            await asyncio.sleep(0.01)
        assert 0.5 < loop.time() - began < 2
        handler.decided.set()
        await settle()
        assert bob.notices.empty()


async def test_a_bye_waits_its_second_though_another_timer_is_due() -> None:
    handler = Thinking()
    async with memory_broker(handler, heartbeat={"interval": 1}) as broker:
        lisa, bob = await named(broker), await named(broker, "bob")
        await bob.subscribe("**")
        await asyncio.sleep(0.8)  # so that the heartbeat is due within that second
        lisa.send(publish(lisa, "slow"))
        await handler.began.wait()
        lisa.close()
        await asyncio.sleep(0.4)
        assert bob.notices.empty()
        handler.decided.set()
        heard = await asyncio.wait_for(bob.notices.get(), 1)
        assert isinstance(heard, messages.Event)


async def test_a_socket_that_ends_without_a_bye_leaves_nothing() -> None:
    handler = Thinking()
    async with memory_broker(handler) as broker:
        lisa = await named(broker)
        await lisa.subscribe("a", "b")
        lisa.send(publish(lisa, "slow"))
        await handler.began.wait()
        lisa.cut()
        await settle()
        assert broker.broker.subscriptions == 0
        assert len(broker.broker.sessions) == 0
        assert len(broker.broker._tasks) == 0
        assert handler.left == ["lisa"]


async def test_a_record_that_does_not_open_ends_the_session_and_is_counted() -> None:
    async with memory_broker(Everybody()) as broker:
        lisa = await named(broker)
        lisa._ws.send_binary(b"x" * 40)
        lisa._write()
        assert await lisa.wait_closed() == "truncated"
        assert lisa.close_code == CloseCode.BAD_RECORD
        assert broker.broker.counters["records_rejected"] == 1
        assert len(broker.broker.sessions) == 0
