"""What strangers may try on a bare socket, and what it costs the broker."""

import asyncio
import gc

import pytest
from websockets.frames import Opcode

from handlers import Everybody
from journeys.conftest import Starting, raw_peer
from journeys.stranger import (
    UPGRADE,
    Stranger,
    announced,
    frame,
    resident_bytes,
)
from vestibule.server import Broker
from vestibule.server.pump import Pump


MIB = 1_048_576


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> dict[Pump, int]:
    """Count the bytes that the broker reads of each socket."""
    counts: dict[Pump, int] = {}
    original = Pump.data_received

    def data_received(self: Pump, data: bytes) -> None:
        counts[self] = counts.get(self, 0) + len(data)
        original(self, data)

    monkeypatch.setattr(Pump, "data_received", data_received)
    return counts


async def pouring(stranger: Stranger, data: bytes, within: float) -> None:
    """Send for as long as the other end takes it."""
    try:
        async with asyncio.timeout(within):
            for at in range(0, len(data), 65_536):
                stranger.say(data[at : at + 65_536])
                await stranger.writer.drain()
    except (ConnectionError, TimeoutError):
        pass


async def honest_login(broker: Broker) -> None:
    peer = await raw_peer(broker)
    await peer.login({"username": "honest"})
    await peer.publish("n")
    peer.close()
    await peer.wait_closed()


@pytest.fixture
def lifetimes(monkeypatch: pytest.MonkeyPatch) -> dict[Pump, float]:
    """Time each socket from its accept to its end, in seconds, at the broker."""
    accepted: dict[Pump, float] = {}
    lasted: dict[Pump, float] = {}
    made, lost = Pump.connection_made, Pump.connection_lost

    def connection_made(self: Pump, transport: asyncio.BaseTransport) -> None:
        accepted[self] = asyncio.get_running_loop().time()
        made(self, transport)

    def connection_lost(self: Pump, exc: Exception | None) -> None:
        lasted[self] = asyncio.get_running_loop().time() - accepted[self]
        lost(self, exc)

    monkeypatch.setattr(Pump, "connection_made", connection_made)
    monkeypatch.setattr(Pump, "connection_lost", connection_lost)
    return lasted


async def test_q1_silent_strangers_are_gone_in_time_and_leave_nothing(
    starting: Starting, lifetimes: dict[Pump, float]
) -> None:
    quarantine = {"handshake_timeout": 1.0, "max_per_address": 200}
    async with starting(Everybody(), quarantine=quarantine) as broker:
        tasks = len(asyncio.all_tasks())

        async def silent(number: int, *, upgraded: bool) -> None:
            stranger = await Stranger.come(broker, source=f"127.0.0.{number % 9 + 1}")
            if upgraded:
                await stranger.upgrade()
            await stranger.ended(4)

        load = [
            asyncio.ensure_future(silent(number, upgraded=number % 2 == 0))
            for number in range(400)
        ]
        await asyncio.sleep(0.3)
        assert broker.quarantined > 300
        await honest_login(broker)
        await asyncio.gather(*load)
        await asyncio.sleep(0.05)
        _honest, *lasted = sorted(lifetimes.values())
        assert len(lasted) == 400
        assert min(lasted) >= 0.9
        assert max(lasted) <= 2.0
        assert len(asyncio.all_tasks()) <= tasks
        assert broker.quarantined == 0


@pytest.mark.parametrize("size", [32_769, 2**31, 2**63 - 1])
@pytest.mark.parametrize("payload", [0, 1_000, 200_000])
async def test_q3_frames_that_announce_too_much_end_at_once(
    starting: Starting, read_bytes: dict[Pump, int], size: int, payload: int
) -> None:
    async with starting(quarantine={"max_per_address": 200}) as broker:
        before = resident_bytes()

        async def announce() -> bytes:
            stranger = await Stranger.come(broker)
            await stranger.upgrade()
            stranger.say(announced(size))
            await pouring(stranger, b"x" * payload, 1)
            heard = await stranger.ended(1)
            stranger.leave()
            return heard

        said = await asyncio.gather(*(announce() for _ in range(100)))
        # The close frame of 1009 arrives, or is lost to what was still on its way.
        assert all(not heard or heard.startswith(b"\x88") for heard in said)
        assert max(read_bytes.values()) <= 131_072 + 262_144
        assert resident_bytes() - before <= 16 * MIB


async def test_q3_a_request_that_is_too_long_is_refused(starting: Starting) -> None:
    async with starting() as broker:
        stranger = await Stranger.come(broker)
        stranger.say(b"GET / HTTP/1.1\r\nCookie: " + b"x" * 9_000)
        assert (await stranger.ended(1)).startswith(b"HTTP/1.1 431")
        whole = await Stranger.come(broker)
        whole.say(UPGRADE[:-2] + b"Cookie: " + b"x" * 9_000 + b"\r\n\r\n")
        assert (await whole.ended(1)).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("size", [0, 1])
async def test_q4_fragments_in_quarantine_drop_the_connection_at_the_first(
    starting: Starting, read_bytes: dict[Pump, int], size: int
) -> None:
    async with starting() as broker:
        before = resident_bytes()
        stranger = await Stranger.come(broker)
        await stranger.upgrade()
        fragment = frame(b"x" * size, opcode=Opcode.CONT, fin=False)
        stranger.say(frame(b"x" * size, fin=False))
        await pouring(stranger, fragment * 2_000_000, 5)
        assert await stranger.ended(1) == b""
        stranger.leave()
        assert max(read_bytes.values()) <= 512 * 1_024
        assert broker.counters["quarantine_dropped"] == 1
        gc.collect()
        assert resident_bytes() - before <= 8 * MIB + len(fragment) * 2_000_000


async def test_w6_a_valid_hello_in_two_fragments_is_dropped(starting: Starting) -> None:
    async with starting() as broker:
        stranger = await Stranger.come(broker)
        await stranger.upgrade()
        stranger.say(frame(b"x" * 256, fin=False))
        stranger.say(frame(b"x" * 256, opcode=Opcode.CONT))
        assert await stranger.ended(1) == b""


async def test_q4_a_session_may_fragment_into_sixteen_frames(
    starting: Starting,
) -> None:
    async with starting(Everybody()) as broker:
        for pieces, survives in ((16, True), (17, False)):
            peer = await raw_peer(broker)
            await peer.login({"username": "lisa"})
            peer.send_fragmented(pieces)
            if survives:
                await peer.publish("still/there")
                peer.close()
                assert await peer.wait_closed() == "client"
            else:
                assert await peer.wait_closed() == "truncated"


async def test_q4_a_session_that_sends_empty_fragments_without_end_is_dropped(
    starting: Starting,
) -> None:
    async with starting(Everybody()) as broker:
        before = resident_bytes()
        peer = await raw_peer(broker)
        await peer.login({"username": "lisa"})
        empty = frame(b"", opcode=Opcode.CONT, fin=False)
        peer.write(frame(b"", fin=False) + empty * 300_000)
        assert await asyncio.wait_for(peer.wait_closed(), 3) == "truncated"
        gc.collect()
        assert resident_bytes() - before <= 24 * MIB


PING = frame(b"x" * 125, opcode=Opcode.PING)


async def test_q5_a_stranger_that_pings_and_never_reads_is_dropped(
    starting: Starting,
) -> None:
    async with starting() as broker:
        before = resident_bytes()
        stranger = await Stranger.come(broker)
        await stranger.upgrade()
        await pouring(stranger, PING * 10_000, 3)
        await stranger.ended(1)
        assert broker.counters["quarantine_dropped"] == 1
        assert broker.quarantined == 0
        assert resident_bytes() - before <= 8 * MIB


async def test_q5_a_session_that_pings_and_never_reads_is_ended(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent: list[int] = []
    original = Pump.unsent

    def watched(self: Pump) -> int:
        unsent.append(original(self))
        return unsent[-1]

    monkeypatch.setattr(Pump, "unsent", watched)
    async with starting(Everybody()) as broker:
        before = resident_bytes()
        peer = await raw_peer(broker)
        await peer.login({"username": "lisa"})
        peer.stop_reading()
        loop = asyncio.get_running_loop()
        until = loop.time() + 5
        while loop.time() < until and broker.sessions:
            peer.write(PING * 500)
            await asyncio.sleep(0.001)
            if peer.unsent() > 200_000:
                await asyncio.sleep(0.01)
        assert not broker.sessions
        assert broker.counters["slow_readers"] == 1
        assert max(unsent) <= 9 * MIB
        peer.cut()
        gc.collect()
        assert resident_bytes() - before <= 24 * MIB


async def test_w7_text_ends_the_connection(starting: Starting) -> None:
    async with starting() as broker:
        greeting = await Stranger.come(broker)
        await greeting.upgrade()
        greeting.say(frame(b"hello", opcode=Opcode.TEXT))
        assert await greeting.ended(2) == b"\x88\x02\x11\x30"  # 4400
        peer = await raw_peer(broker)
        await peer.ready()
        peer.write(frame(b"hello", opcode=Opcode.TEXT))
        assert await peer.wait_closed() == "truncated"
        assert peer.close_code == 4101


async def test_w5_a_reserved_bit_ends_the_connection(starting: Starting) -> None:
    async with starting() as broker:
        stranger = await Stranger.come(broker)
        await stranger.upgrade()
        stranger.say(b"\xc2\x80\0\0\0\0")
        heard = await stranger.ended(1)
        assert not heard or heard[:4] == b"\x88" + heard[1:2] + b"\x03\xea"  # 1002


async def test_a_full_house_answers_503_and_serves_again_when_there_is_room(
    starting: Starting,
) -> None:
    quarantine = {"max_per_address": 3}
    async with starting(Everybody(), quarantine=quarantine) as broker:
        waiting = [await Stranger.come(broker) for _ in range(3)]
        for stranger in waiting:
            await stranger.upgrade()
        turned = await Stranger.come(broker)
        turned.say(UPGRADE)
        heard = await turned.ended(1)
        assert heard.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in heard
        assert broker.counters["connections_refused"] == 1
        waiting[0].leave()
        await asyncio.sleep(0.05)
        await honest_login(broker)
        for stranger in waiting:
            stranger.leave()


async def test_a_full_house_evicts_whoever_has_waited_longest(
    starting: Starting,
) -> None:
    quarantine = {"max_connections": 2, "evict_after": 0.05}
    async with starting(Everybody(), quarantine=quarantine) as broker:
        waiting = [await Stranger.come(broker) for _ in range(2)]
        for stranger in waiting:
            await stranger.upgrade()
        await asyncio.sleep(0.1)
        await honest_login(broker)
        assert await waiting[0].ended(1) == b"\x88\x02\x10\x07"  # 4103
        assert broker.counters["quarantine_evicted"] == 1
        waiting[1].leave()


async def test_w22_a_close_frame_without_a_bye_is_truncated(starting: Starting) -> None:
    handler = Everybody()
    async with starting(handler) as broker:
        peer = await raw_peer(broker)
        await peer.login({"username": "lisa"})
        peer.write(frame((1000).to_bytes(2, "big"), opcode=Opcode.CLOSE))
        assert await peer.wait_closed() == "truncated"
        await asyncio.sleep(0.05)
        assert not broker.sessions
        assert handler.left == ["lisa"]
