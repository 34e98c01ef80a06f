"""The pump: one socket through its stages, inside their bounds."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from handlers import Everybody
from vestibule.server.testing import MemoryBroker, RawPeer, memory_broker
from vestibule.server.testing.wire import joined


class Bytes(asyncio.Protocol):
    """A client that sends and keeps bytes."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    @property
    def status(self) -> str:
        return self.heard.partition(b"\r\n")[0].decode()


def arrive(broker: MemoryBroker, address: str = "127.0.0.1") -> Bytes:
    client = Bytes()
    joined(asyncio.get_running_loop(), broker.broker.pump(), client, address=address)
    return client


def upgrade(path: str = "/", more: str = "") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket"
        "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        f"\r\nSec-WebSocket-Protocol: vestibule.1\r\n{more}\r\n"
    ).encode()


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Make a short masked frame with a mask of zeros."""
    head = bytes([(0x80 if fin else 0) | opcode, 0x80 | len(payload)])
    return head + bytes(4) + payload


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


async def gone(client: Bytes) -> None:
    async with asyncio.timeout(2):
        await client.lost.wait()


async def opened(broker: MemoryBroker) -> Bytes:
    """Give a client whose WebSocket is open, in quarantine."""
    client = arrive(broker)
    client.transport.write(upgrade())
    await until(lambda: b"\r\n\r\n" in client.heard)
    assert client.status.startswith("HTTP/1.1 101")
    client.heard = b""
    return client


async def test_a_request_may_come_byte_by_byte() -> None:
    async with memory_broker() as broker:
        client = arrive(broker)
        for byte in upgrade():
            client.transport.write(bytes([byte]))
            await asyncio.sleep(0)
        await until(lambda: client.status.startswith("HTTP/1.1 101"))
        assert broker.broker.quarantined == 1


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (upgrade("/x"), "HTTP/1.1 404"),
        (upgrade(more="Origin: http://evil.example\r\n"), "HTTP/1.1 403"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, "HTTP/1.1 431"),
    ],
)
async def test_what_is_no_upgrade_is_answered_over_http_and_is_gone(
    request_bytes: bytes, expected: str
) -> None:
    async with memory_broker() as broker:
        client = arrive(broker)
        client.transport.write(request_bytes)
        await gone(client)
        assert client.status.startswith(expected)
        await until(lambda: broker.broker.quarantined == 0)


@pytest.mark.parametrize("garbage", [b"\x00\x01\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"])
async def test_what_is_no_request_ends_the_socket(garbage: bytes) -> None:
    async with memory_broker() as broker:
        client = arrive(broker)
        client.transport.write(garbage)
        await gone(client)
        await until(lambda: broker.broker.quarantined == 0)


async def test_without_room_the_first_bytes_are_answered_503() -> None:
    quarantine = {"max_per_address": 1}
    async with memory_broker(quarantine=quarantine) as broker:
        first, second = arrive(broker), arrive(broker)
        second.transport.write(b"GET")
        await gone(second)
        assert second.status == "HTTP/1.1 503 Service Unavailable"
        assert broker.broker.counters["connections_refused"] == 1
        assert not first.lost.is_set()


async def test_behind_a_proxy_the_room_counts_the_client_that_it_names() -> None:
    settings: dict[str, Any] = {
        "quarantine": {"max_per_address": 1},
        "trusted_proxies": ["127.0.0.1"],
    }
    async with memory_broker(**settings) as broker:
        answers = []
        for said in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
            client = arrive(broker)
            client.transport.write(upgrade(more=f"X-Forwarded-For: {said}\r\n"))
            await until(lambda client=client: b"\r\n\r\n" in client.heard)  # type: ignore[misc]  # a default binds it
            answers.append(client.status[9:12])
        assert answers == ["101", "101", "503"]


@pytest.mark.parametrize(
    "sent",
    [
        frame(2, b"x", fin=False),
        b"".join(frame(9, b"") for _ in range(200)),
    ],
)
async def test_a_stranger_past_a_bound_is_dropped_and_counted(sent: bytes) -> None:
    async with memory_broker() as broker:
        client = await opened(broker)
        client.transport.write(sent)
        await gone(client)
        await until(lambda: broker.broker.quarantined == 0)
        assert broker.broker.counters["quarantine_dropped"] == 1


async def test_nothing_after_a_breach_is_handled() -> None:
    quarantine = {"control_frames": 1}
    async with memory_broker(quarantine=quarantine) as broker:
        client = await opened(broker)
        client.transport.write(frame(9, b"1") + frame(9, b"2") + frame(1, b"text"))
        await gone(client)
        assert b"2" not in client.heard
        assert broker.broker.counters["quarantine_dropped"] == 1
        assert broker.broker.counters["handshakes_failed"] == 0


async def test_bytes_of_a_stranger_are_bounded_whatever_they_are() -> None:
    quarantine = {"total_bytes": 70_000}
    async with memory_broker(quarantine=quarantine) as broker:
        client = await opened(broker)
        for _ in range(100):
            client.transport.write(b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00")
            client.transport.write(bytes(1_000))
            await asyncio.sleep(0)
        await gone(client)


async def test_text_before_the_hello_is_closed_with_4400() -> None:
    async with memory_broker() as broker:
        client = await opened(broker)
        client.transport.write(frame(1, b"hello"))
        await until(lambda: len(client.heard) >= 4)
        assert client.heard[:4] == b"\x88\x02" + (4400).to_bytes(2)
        client.transport.write(frame(8, (4400).to_bytes(2)))
        await gone(client)


async def test_a_peer_that_does_not_answer_our_close_is_dropped_in_a_second() -> None:
    async with memory_broker() as broker:
        client = await opened(broker)
        client.transport.write(frame(1, b"hello"))
        async with asyncio.timeout(1.5):
            await client.lost.wait()
        assert broker.broker.quarantined == 0


async def test_a_session_leaves_the_room_and_may_send_more_than_a_stranger() -> None:
    async with memory_broker(Everybody()) as broker:
        lisa = await broker.login({"username": "lisa"})
        assert broker.broker.quarantined == 0
        for _ in range(50):
            await lisa.publish("x", "y" * 20_000)
        assert lisa.end_reason is None


async def test_a_session_may_fragment_into_so_many_frames_and_no_more() -> None:
    async with memory_broker(Everybody(), limits={"fragments": 4}) as broker:
        lisa = await broker.login({"username": "lisa"})
        lisa.send_fragmented(4)
        await lisa.publish("x")
        lisa.send_fragmented(5)
        assert await lisa.wait_closed() == "truncated"


async def silenced(broker: MemoryBroker) -> tuple[RawPeer, RawPeer]:
    """Give a session that hears `n` and reads nothing, and one that publishes."""
    lisa = await broker.login({"username": "lisa"})
    bob = await broker.login({"username": "bob"})
    await lisa.subscribe("n")
    lisa.stop_reading()
    return lisa, bob


async def test_r72_a_peer_that_takes_no_byte_in_time_is_ended_alone() -> None:
    limits = {"write_timeout": 0.1}
    async with memory_broker(Everybody(), limits=limits) as broker:
        _, bob = await silenced(broker)
        for _ in range(10):
            await bob.publish("n", "x" * 10_000)
        await until(lambda: len(broker.broker.sessions) == 1)
        assert broker.broker.counters["slow_readers"] == 1
        await bob.publish("n")


async def test_a_peer_that_reads_again_in_time_is_left_alone() -> None:
    limits = {"write_timeout": 0.2}
    async with memory_broker(Everybody(), limits=limits) as broker:
        lisa, bob = await silenced(broker)
        for _ in range(10):
            await bob.publish("n", "x" * 10_000)
        lisa._transport.resume_reading()
        await asyncio.sleep(0.3)
        assert len(broker.broker.sessions) == 2
        assert lisa.notices.qsize() == 10


async def test_a_peer_that_takes_a_little_all_the_time_is_left_alone() -> None:
    limits = {"write_timeout": 0.2}
    async with memory_broker(Everybody(), limits=limits) as broker:
        lisa, bob = await silenced(broker)
        for _ in range(10):
            await bob.publish("n", "x" * 10_000)
        await asyncio.sleep(0)
        far: Any = lisa._transport
        near, began = far._other, asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 0.45:
            taken = bytes(near._unsent[:1_000])
            del near._unsent[:1_000]
            far.arrive(taken)
            await bob.publish("n", "x" * 1_200)  # it never catches up
            await asyncio.sleep(0.03)
        assert len(near._unsent) > near._high
        assert len(broker.broker.sessions) == 2
