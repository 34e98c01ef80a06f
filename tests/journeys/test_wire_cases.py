"""What a peer that makes its own records may try on a real broker, and what it hears."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from msgspec import Raw
from websockets.frames import Frame, Opcode

from handlers import Everybody
from journeys.conftest import Starting
from vestibule.client import HandshakeFailed, LoginRefused, connect
from vestibule.protocol.codec import encode
from vestibule.protocol.crypto import ReceivingKey
from vestibule.protocol.events import Event
from vestibule.protocol.framing import split_batch
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.messages import NIL, Publish
from vestibule.protocol.reserved import Ping, Rekey
from vestibule.server import ConnectionData, InvalidCredentials
from vestibule.server.config import ConfigError
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


LISA = {"username": "lisa"}

ANYWHERE = "0.0.0.0"  # noqa: S104 - what a broker without encryption has to refuse

REFUSED, BYE, PING, PONG, FAILED, EVENT = 7, 2, 9, 10, 33, 34
"""Tags of what a broker says."""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[ReceivingKey, list[bytes]]:
    """Keep the batches that each receiving key opens."""
    batches: dict[ReceivingKey, list[bytes]] = {}
    original = ReceivingKey.open

    def spy(self: ReceivingKey, box: bytes) -> bytes:
        batch = original(self, box)
        batches.setdefault(self, []).append(batch)
        return batch

    monkeypatch.setattr(ReceivingKey, "open", spy)
    return batches


Opened = dict[ReceivingKey, list[bytes]]


def said(opened: Opened, peer: RawPeer) -> list[list[Any]]:
    """Give all messages that a peer was sent, in order."""
    key = peer.initiator._receiving
    assert isinstance(key, ReceivingKey)
    return [
        msgpack.unpackb(entry.data)
        for batch in opened.get(key, [])
        if not batch.startswith(b"finished")
        for entry in split_batch(batch, 65_536)
    ]


@pytest.fixture
def handler() -> Everybody:
    return Everybody()


@pytest.fixture
async def broker(handler: Everybody) -> AsyncIterator[MemoryBroker]:
    async with memory_broker(handler) as broker:
        yield broker


def publish(peer: RawPeer, name: str = "n", body: bytes = b"\xc0") -> bytes:
    return encode(Publish(peer.next_id(), name, Raw(body)))


def names(handler: Everybody, *, action: str = "publish") -> list[str]:
    return [one.name for _, one in handler.asked if one.action == action]


async def turns() -> None:
    """Let everything in memory come to rest."""
    for _ in range(30):
        await asyncio.sleep(0)


async def ended_for_a_parse_error(peer: RawPeer, opened: Opened) -> None:
    """At once, not when a timer looks again."""
    async with asyncio.timeout(1):
        assert await peer.wait_closed() == "parse_error"
    assert said(opened, peer)[-1][:2] == [BYE, 4405]


@pytest.mark.parametrize("size", [0, 1, 16])
async def test_w16_a_box_of_hardly_any_bytes_closes_with_4101(
    broker: MemoryBroker, size: int
) -> None:
    for admitted in (False, True):
        peer = await broker.connect()
        await (peer.login(LISA) if admitted else peer.ready())
        peer.write(Frame(Opcode.BINARY, bytes(size)).serialize(mask=True))
        assert await peer.wait_closed() == "truncated"
        assert peer.close_code == 4101
    assert broker.broker.counters["records_rejected"] == 2


async def test_w17_keys_change_in_both_directions_while_requests_are_answered(
    handler: Everybody,
) -> None:
    async with memory_broker(handler, rekey={"records": 10}) as broker:
        peer = await broker.connect()
        peer.initiator.limits = replace(peer.initiator.limits, rekey_records=10)
        await peer.login(LISA)
        for number in range(1000):
            await peer.publish("n", number)
        assert len(handler.asked) == 1000
        sending, receiving = peer.initiator._sending, peer.initiator._receiving
        assert sending is not None
        assert receiving is not None
        assert sending.epoch >= 99
        assert receiving.epoch >= 99


async def test_w19_rekey_in_the_middle_of_a_batch_voids_it(
    broker: MemoryBroker, handler: Everybody, opened: Opened
) -> None:
    peer = await broker.login(LISA)
    peer.send_raw(publish(peer), encode(Rekey()), publish(peer))
    await ended_for_a_parse_error(peer, opened)
    assert names(handler) == []


@pytest.mark.parametrize("bad", [b"\xc1", b"\x90", b"\x05", b"\x92\xa1x\x01", b"\x93"])
async def test_w20_a_framing_error_voids_its_whole_batch(
    broker: MemoryBroker, handler: Everybody, opened: Opened, bad: bytes
) -> None:
    peer = await broker.login(LISA)
    peer.send_raw(publish(peer, "1"), publish(peer, "2"), bad)
    await ended_for_a_parse_error(peer, opened)
    assert names(handler) == []
    await turns()
    assert broker.broker.counters["parse_errors"] == 1


async def test_w24_what_waits_leaves_before_the_answer_to_a_bye_and_nothing_after(
    broker: MemoryBroker, opened: Opened
) -> None:
    hearer, speaker = await broker.login(LISA), await broker.login({"username": "b"})
    await hearer.subscribe("n")
    hearer.stop_reading()
    for number in range(5):
        await speaker.publish("n", number)
    hearer.close()
    await turns()
    await speaker.publish("n", "late")
    hearer._transport.resume_reading()
    assert await hearer.wait_closed() == "client"
    assert hearer.close_code == 1000
    heard = said(opened, hearer)
    assert [message[2] for message in heard if message[0] == EVENT] == [0, 1, 2, 3, 4]
    assert heard[-1] == [BYE, 1000, "", 0]


async def test_w25_a_ping_is_answered_and_is_no_attempt(
    broker: MemoryBroker, opened: Opened
) -> None:
    peer = await broker.connect()
    await peer.ready()
    peer.send_raw(encode(Ping(5)))
    with pytest.raises(RequestRefused) as caught:
        await peer.login({})
    assert caught.value.details["attempts_left"] == 2
    assert said(opened, peer)[0] == [PONG, 5]


@pytest.mark.parametrize("behind", [False, True])
async def test_w25_a_ping_in_a_session_is_answered_at_once(
    broker: MemoryBroker, opened: Opened, *, behind: bool
) -> None:
    peer = await broker.login(LISA)
    silent = encode(Publish(peer.next_id(), "n", NIL, ack=False))
    peer.send_raw(*([silent] if behind else []), encode(Ping(6)))
    await turns()
    assert said(opened, peer)[-1] == [PONG, 6]


async def test_w26_silence_is_asked_about_and_then_ends_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with memory_broker(Everybody(), heartbeat={"interval": 0.2}) as broker:
        peer = await broker.login(LISA)
        loop = asyncio.get_running_loop()
        began = loop.time()
        monkeypatch.setattr(peer, "_flush", lambda: None)  # from now on it is mute
        assert await peer.wait_closed() == "truncated"
        assert 0.39 <= loop.time() - began <= 1.0
        pinged = [message for message in said(opened, peer) if message[0] == PING]
        assert len(pinged) == 1
        assert peer.close_code is None, "it is dropped"


def login_and_publish(peer: RawPeer, auth_data: dict[str, Any]) -> asyncio.Future[Any]:
    """Send a login and a publish in one batch; gives what answers the login."""
    number = peer.initiator.login("plain", {"auth_data": auth_data})
    answer = asyncio.get_running_loop().create_future()
    peer._waiting[number] = answer
    (login,) = peer.initiator._logins
    peer.initiator._logins.clear()
    peer.send_raw(login, publish(peer, "behind"))
    return answer


async def test_w27_behind_a_login_that_succeeds_requests_are_done(
    broker: MemoryBroker, handler: Everybody
) -> None:
    peer = await broker.connect()
    await peer.ready()
    assert (await login_and_publish(peer, LISA))["username"] == "lisa"
    await peer.publish("after")
    assert names(handler) == ["behind", "after"]


async def test_w27_behind_a_refused_login_they_end_the_connection(
    broker: MemoryBroker, handler: Everybody
) -> None:
    peer = await broker.connect()
    await peer.ready()
    with pytest.raises(RequestRefused):
        await login_and_publish(peer, {})
    assert await peer.wait_closed() == "invalid_auth_msg"
    assert peer.close_code == 4401
    assert names(handler) == []


@pytest.mark.parametrize("code", [0, 999, 1000, 1001, 4405, 4999, 2**40, -1])
@pytest.mark.parametrize("admitted", [False, True])
async def test_a_bye_of_any_code_ends_the_connection_and_is_no_error_of_the_broker(
    broker: MemoryBroker, opened: Opened, code: int, *, admitted: bool
) -> None:
    peer = await broker.connect()
    await (peer.login(LISA) if admitted else peer.ready())
    peer.send_raw(msgpack.packb([BYE, code, "whatever", 0]))
    async with asyncio.timeout(1):
        await peer.wait_closed()
    assert said(opened, peer)[-1] == [BYE, 1000, "", 0]
    await turns()
    assert not broker.broker.sessions
    assert broker.broker.counters["parse_errors"] == 0


class Slow(Everybody):
    """Refuses everybody, later."""

    running = most = evaluated = 0

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Any:
        return self._refuse()

    async def _refuse(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.evaluated += 1
        await asyncio.sleep(0.001)
        self.running -= 1
        raise InvalidCredentials


def intercepted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Keep the boxes that come to peers from now on, unopened."""
    boxes: list[bytes] = []

    def receive(_: Initiator, box: bytes, now: float) -> list[Event]:
        boxes.append(box)
        return []

    monkeypatch.setattr(Initiator, "receive", receive)
    return boxes


def answers_in(boxes: list[bytes], key: ReceivingKey) -> list[list[Any]]:
    return [
        msgpack.unpackb(entry.data)
        for box in boxes
        for entry in split_batch(key.open(box), 65_536)
    ]


async def test_w28_three_of_five_logins_are_evaluated_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow()
    async with memory_broker(slow) as broker:
        peer = await broker.connect()
        await peer.ready()
        key = peer.initiator._receiving
        assert isinstance(key, ReceivingKey)
        boxes = intercepted(monkeypatch)
        peer.send_raw(*(peer.login_message(number, {}) for number in range(1, 6)))
        await peer.wait_closed()
        assert [answer[:3] for answer in answers_in(boxes, key)] == [
            [REFUSED, 1, "INVALID_AUTH_DATA"],
            [REFUSED, 2, "INVALID_AUTH_DATA"],
            [REFUSED, 3, "TOO_MANY_AUTH_ATTEMPTS"],
            [BYE, 4402, ""],
        ]
        assert peer.close_code == 4402
        assert (slow.evaluated, slow.most) == (3, 1)


async def test_w29_a_login_in_a_session_is_refused_and_the_session_goes_on(
    broker: MemoryBroker, handler: Everybody, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await broker.login(LISA)
    number = peer.next_id()
    # Its own core would not expect the answer: it is opened here.
    key = peer.initiator._receiving
    assert isinstance(key, ReceivingKey)
    boxes = intercepted(monkeypatch)
    peer.send_raw(peer.login_message(number, {"username": "other"}), publish(peer))
    await turns()
    answers = answers_in(boxes, key)
    assert [answer[:3] for answer in answers] == [
        [REFUSED, number, "INVALID_AUTH_MSG"],
        [32, number + 1, None],
    ]
    assert len(handler.logins) == 1
    assert names(handler) == ["n"]


async def test_w29_an_unknown_tag_is_reported_and_the_session_goes_on(
    broker: MemoryBroker, opened: Opened
) -> None:
    peer = await broker.login(LISA)
    number = peer.next_id()
    peer.send_raw(msgpack.packb([60_000, number, "what"]))
    await peer.publish("n")
    assert said(opened, peer)[-2][:3] == [FAILED, number, "UNKNOWN_ACTION"]


async def test_w29_another_reserved_tag_ends_the_session(
    broker: MemoryBroker, handler: Everybody, opened: Opened
) -> None:
    peer = await broker.login(LISA)
    peer.send_raw(publish(peer, "before"), msgpack.packb([12, 1]))
    peer.send_raw(publish(peer, "behind"))
    await ended_for_a_parse_error(peer, opened)
    assert names(handler) == ["before"]


# Without encryption.


async def test_w46_a_broker_without_encryption_wants_it_said(
    starting: Starting,
) -> None:
    async with starting(Everybody(), encryption="off") as broker:
        with pytest.raises(HandshakeFailed) as caught:
            async with connect(broker.url, server_key=broker.server_key):
                pass
        assert caught.value.code == "UPGRADE_REFUSED"
        assert caught.value.details["status"] == 400
        async with connect(broker.url, encryption="off") as connection:
            with pytest.raises(LoginRefused) as refused:
                await connection.login({"username": "lisa", "signing_key": b"k" * 32})
            assert refused.value.code == "SCHEME_NOT_AVAILABLE"
            session = await connection.login(LISA)
            assert session.insecure == ("encryption_off",)
            async with session.events.subscribe("n", echo=True) as events:
                await session.events.publish("n", {"a": [1, None]})
                assert (await anext(aiter(events))).data == {"a": [1, None]}


async def test_w47_encryption_off_on_other_addresses_stops_the_start(
    starting: Starting,
) -> None:
    with pytest.raises(ConfigError) as caught:
        async with starting(
            Everybody(), encryption="off", listen={"host": ANYWHERE, "port": 0}
        ):
            pass
    assert "encryption" in str(caught.value)
    assert "listen.host" in str(caught.value)


async def test_w48_a_client_without_encryption_is_no_client_of_an_ordinary_broker(
    starting: Starting,
) -> None:
    handler = Everybody()
    async with starting(handler) as broker:
        with pytest.raises(HandshakeFailed) as caught:
            async with connect(broker.url, encryption="off"):
                pass
        assert caught.value.code == "UPGRADE_REFUSED"
        assert caught.value.details["status"] == 400
        assert handler.logins == []


# Bodies.


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


BAD_BODIES = {
    "65 containers": nested(65),
    "100,001 values": b"\xdd" + (100_000).to_bytes(4, "big") + b"\xc0" * 100_000,
    "an extension type": b"\xd4\x05\x00",
    "a timestamp": b"\xd6\xff\0\0\0\0",
    "no UTF-8": b"\xa2\xff\xfe",
    "a surrogate": b"\xa3\xed\xa0\x80",
    "a key that is no text": b"\x81\x01\x02",
}


@pytest.mark.parametrize("what", BAD_BODIES)
async def test_w51_a_body_that_breaks_the_rules_is_refused_and_nobody_sees_it(
    broker: MemoryBroker, handler: Everybody, opened: Opened, what: str
) -> None:
    hearer, speaker = await broker.login(LISA), await broker.login({"username": "b"})
    await hearer.subscribe("n")
    number = speaker.next_id()
    body = Raw(BAD_BODIES[what])
    speaker.send_raw(encode(Publish(number, "n", body)))
    await speaker.publish("n", "good")
    answers = [one for one in said(opened, speaker) if one[:2] == [FAILED, number]]
    assert [answer[2] for answer in answers] == ["INVALID_MESSAGE_DATA"]
    await turns()
    heard = [one[2] for one in said(opened, hearer) if one[0] == EVENT]
    assert heard == ["good"]


async def test_w51_what_just_keeps_the_rules_arrives(
    broker: MemoryBroker, opened: Opened
) -> None:
    hearer, speaker = await broker.login(LISA), await broker.login({"username": "b"})
    await hearer.subscribe("n")
    deepest = Raw(nested(63))  # the message's own array is the 64th
    await speaker.request(Publish(speaker.next_id(), "n", deepest))
    await turns()
    assert hearer.notices.qsize() == 1
