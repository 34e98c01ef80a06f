"""A whole broker without sockets, and the peer that talks to it."""

import asyncio

import pytest

from handlers import Everybody
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body
from vestibule.server.testing import PeerClosed, RequestRefused, memory_broker


async def test_a_broker_in_memory_has_a_fresh_directory_and_no_port() -> None:
    async with memory_broker() as broker:
        assert broker.broker.http_url is None
        admin = await broker.admin()
        found = await admin.component("vestibule/security/get_user", "_ADMIN")
        assert found["username"] == "_ADMIN"
        folder = broker.broker.config.data
        assert folder.exists()
    assert not folder.exists()


async def test_settings_are_those_of_the_configuration() -> None:
    async with memory_broker(name="hub") as broker:
        admin = await broker.admin()
        assert await admin.component("hub/security/get_user", "_ADMIN")


async def test_a_peer_seems_to_come_from_where_it_is_told_to() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        peer = await broker.connect(address="192.0.2.9", headers={"X-A": "b"})
        await peer.login({"username": "lisa"})
        ((connection, _),) = handler.logins
        assert connection.remote_address == "192.0.2.9"
        assert connection.headers["x-a"] == "b"


async def test_what_a_peer_asks_is_answered_or_raises() -> None:
    async with memory_broker(Everybody(lambda _, m: m.name != "no")) as broker:
        lisa = await broker.login({"username": "lisa"})
        await lisa.publish("yes", {"a": 1})
        with pytest.raises(RequestRefused) as caught:
            await lisa.publish("no")
        assert (caught.value.code, caught.value.details) == ("MESSAGE_DENIED", {})
        assert await lisa.subscribe("a", "no") != [None, None]


async def test_what_answers_no_request_is_kept_in_order() -> None:
    async with memory_broker(Everybody()) as broker:
        lisa = await broker.login({"username": "lisa"})
        bob = await broker.login({"username": "bob"})
        await lisa.subscribe("**")
        for number in range(3):
            await bob.publish("n", number)
        heard = [await asyncio.wait_for(lisa.notices.get(), 1) for _ in range(3)]
        data = [
            decode_body(one.data) for one in heard if isinstance(one, messages.Event)
        ]
        assert data == [0, 1, 2]


async def test_a_peer_whose_connection_ends_is_told_why_and_asks_no_more() -> None:
    async with memory_broker(Everybody()) as broker:
        lisa = await broker.login({"username": "lisa"})
        waiting = asyncio.ensure_future(lisa.call("nobody-answers-in-time"))
        lisa.cut()
        with pytest.raises((PeerClosed, RequestRefused)):
            await waiting
        assert await lisa.wait_closed() == "truncated"
        with pytest.raises(PeerClosed, match="truncated"):
            await lisa.publish("x")


async def test_a_peer_that_closes_says_so() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        lisa = await broker.login({"username": "lisa"})
        lisa.close()
        assert await lisa.wait_closed() == "client"
        assert handler.left == ["lisa"]


async def test_an_upgrade_that_is_refused_is_told_by_its_status() -> None:
    async with memory_broker() as broker:
        peer = await broker.connect(headers={"Origin": "http://evil.example"})
        with pytest.raises(PeerClosed, match="status 403"):
            await peer.ready()


async def test_a_deaf_peer_hears_its_close_frame_alone() -> None:
    async with memory_broker(Everybody(), quarantine={"timeout": 0.1}) as broker:
        peer = await broker.connect()
        await peer.ready()
        peer.deaf = True
        assert await asyncio.wait_for(peer.wait_closed(), 3) == "truncated"
        assert peer.close_code == 4403
