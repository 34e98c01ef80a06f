"""The pump between a scripted core and a scripted transport."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast

import pytest

from client.fake_broker import until
from vestibule.client.pump import Pump
from vestibule.protocol import events
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.initiator import Initiator


class Core:
    """Does what the test says and notes what it was asked."""

    def __init__(self) -> None:
        self.queued: list[bytes] = []
        self.queued_bytes = 0
        self.happening: list[events.Event] = []
        self.due: float | None = None
        self.ticks = 0
        self.said: CloseCode | None = None

    def receive(self, message: bytes, now: float) -> list[events.Event]:
        del message, now
        return self.happening

    def receive_text(self, now: float) -> list[events.Event]:
        return [events.Ended(4101, EndReason.TRUNCATED)] if now else []

    def queue(self, message: bytes) -> None:
        self.queued.append(message)
        self.queued_bytes += len(message)

    def outgoing(self, now: float) -> list[bytes]:
        del now
        batch, self.queued = self.queued, []
        self.queued_bytes = 0
        return [b"".join(batch)] if batch else []

    def deadline(self) -> float | None:
        return self.due

    def tick(self, now: float) -> list[events.Event]:
        del now
        self.ticks += 1
        self.due = None
        return []

    def bye(self, code: CloseCode, reason: EndReason) -> None:
        del reason
        self.said = code

    def lost(self, now: float) -> list[events.Event]:
        del now
        return [events.Ended(None, EndReason.TRUNCATED, drop=True)]


class Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.congested = False
        self.closed: int | str | None = None

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def allow(self, message_bytes: int) -> None:
        raise AssertionError(message_bytes)

    def close(self, code: int) -> None:
        self.closed = code

    def abort(self) -> None:
        self.closed = "aborted"


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.fault: Exception | None = None

    def noticed(self, messages: Sequence[Any]) -> None:
        self.heard.append(list(messages))
        if self.fault is not None:
            raise self.fault

    def happened(self, event: events.Event) -> None:
        self.heard.append(type(event).__name__)


@pytest.fixture
async def core() -> Core:
    return Core()


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def listener() -> Listener:
    return Listener()


@pytest.fixture
async def pump(core: Core, wire: Wire, listener: Listener) -> Pump:
    pump = Pump(cast("Initiator", core), listener)
    pump.attach(wire)
    return pump


async def test_what_is_queued_in_one_turn_leaves_together(
    pump: Pump, wire: Wire
) -> None:
    for message in (b"a", b"b", b"c"):
        pump.queue(message)
    assert wire.sent == []
    await asyncio.sleep(0)
    pump.queue(b"d")
    await asyncio.sleep(0)
    assert wire.sent == [b"abc", b"d"]


async def test_what_is_queued_before_there_is_a_transport_waits(core: Core) -> None:
    pump = Pump(cast("Initiator", core), Listener())
    pump.queue(b"a")
    await asyncio.sleep(0)
    wire = Wire()
    pump.attach(wire)
    assert wire.sent == [b"a"]


async def test_notices_go_one_way_and_all_else_the_other(
    pump: Pump, core: Core, listener: Listener
) -> None:
    core.happening = [
        events.ServerKeysReceived(()),
        events.Noticed([]),
    ]
    pump.received(b"record")
    assert listener.heard == ["ServerKeysReceived", []]


async def test_an_answer_of_the_core_leaves_soon(
    pump: Pump, core: Core, wire: Wire
) -> None:
    core.queued.append(b"pong")
    pump.received(b"record")
    await asyncio.sleep(0)
    assert wire.sent == [b"pong"]


async def test_an_end_sends_what_is_left_and_closes(
    pump: Pump, core: Core, wire: Wire, listener: Listener
) -> None:
    core.queued.append(b"bye")
    core.happening = [events.Ended(4406, EndReason.REVOKED)]
    pump.received(b"record")
    assert (wire.sent, wire.closed) == ([b"bye"], 4406)
    assert listener.heard == ["Ended"]


async def test_a_drop_aborts(pump: Pump, core: Core, wire: Wire) -> None:
    core.happening = [events.Ended(None, EndReason.TRUNCATED, drop=True)]
    pump.received(b"record")
    assert wire.closed == "aborted"


async def test_text_is_the_cores_to_judge(pump: Pump, wire: Wire) -> None:
    pump.received_text()
    assert wire.closed == 4101


async def test_the_cores_clock_is_turned_when_it_is_due(pump: Pump, core: Core) -> None:
    core.due = asyncio.get_running_loop().time()
    pump.wake()
    await until(lambda: core.ticks)
    assert core.ticks == 1


async def test_an_earlier_deadline_takes_the_place_of_a_later_one(
    pump: Pump, core: Core
) -> None:
    now = asyncio.get_running_loop().time()
    for due in (now + 3600, now):
        core.due = due
        pump.wake()
        await asyncio.sleep(0)
    await until(lambda: core.ticks)


async def test_a_fault_of_the_listener_ends_the_connection_and_is_logged_by_type(
    pump: Pump,
    core: Core,
    wire: Wire,
    listener: Listener,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener.fault = ValueError("sesame")
    core.happening = [events.Noticed([])]
    with caplog.at_level(logging.ERROR):
        pump.received(b"record")
    assert wire.closed == "aborted"
    assert "ValueError" in str(vars(caplog.records[-1]))
    assert "sesame" not in caplog.text


async def test_room_sends_at_once_and_waits_for_a_congested_transport(
    pump: Pump, wire: Wire
) -> None:
    full = [pump.full]
    pump.queue(b"x" * 200_000)
    full.append(pump.full)
    await pump.room()
    full.append(pump.full)
    assert len(wire.sent) == 1
    wire.congested = True
    full.append(pump.full)
    assert full == [False, True, False, True]
    waiting = [asyncio.ensure_future(pump.room()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert not waiting[1].done()
    wire.congested = False
    pump.writable()
    await waiting[1]


async def test_the_end_of_the_transport_wakes_everybody(
    pump: Pump, wire: Wire, listener: Listener
) -> None:
    wire.congested = True
    waiting = asyncio.ensure_future(pump.room())
    await asyncio.sleep(0)
    pump.lost(4406)
    await waiting
    await pump.gone.wait()
    assert pump.close_code == 4406
    assert listener.heard == ["Ended"]
    pump.queue(b"late")
    pump.abort()
    await asyncio.sleep(0)
    assert wire.sent == []


async def test_bye_is_said_by_the_core(pump: Pump, core: Core) -> None:
    pump.bye()
    assert core.said is CloseCode.CLOSED
