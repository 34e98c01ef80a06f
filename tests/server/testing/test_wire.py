"""Transports in memory behave as sockets do."""

import asyncio
from typing import Any

import pytest

from vestibule.server.testing.wire import MemoryTransport, joined


class End(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.events: list[str] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")

    def pause_writing(self) -> None:
        self.events.append("paused")

    def resume_writing(self) -> None:
        self.events.append("resumed")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def pair(server: End | None = None) -> tuple[End, End, MemoryTransport]:
    near, far = server or End(), End()
    transport, _ = joined(asyncio.get_running_loop(), near, far, address="192.0.2.7")
    return near, far, transport


async def test_what_is_written_arrives_in_a_later_turn_and_in_order() -> None:
    near, far, transport = pair()
    assert transport.get_extra_info("peername")[0] == "192.0.2.7"
    far.transport.write(b"a")
    far.transport.write(b"b")
    assert near.heard == []
    await settle()
    assert b"".join(near.heard) == b"ab"


async def test_what_the_other_end_does_not_read_stays_unsent_and_pauses() -> None:
    near, far, transport = pair()
    transport.set_write_buffer_limits(high=10)
    far.transport.pause_reading()
    transport.write(bytes(11))
    await settle()
    assert transport.get_write_buffer_size() == 11
    assert near.events == ["paused"]
    far.transport.resume_reading()
    await settle()
    assert transport.get_write_buffer_size() == 0
    assert near.events == ["paused", "resumed"]
    assert far.heard == [bytes(11)]


async def test_closing_sends_what_is_left_and_ends_both_ends_once() -> None:
    near, far, transport = pair()
    transport.write(b"last")
    transport.close()
    assert transport.is_closing()
    transport.write(b"too late")
    await settle()
    assert far.heard == [b"last"]
    assert (near.events, far.events) == (["lost"], ["lost"])


async def test_aborting_loses_what_is_unsent() -> None:
    near, far, transport = pair()
    transport.write(b"lost")
    transport.abort()
    transport.abort()
    await settle()
    assert far.heard == []
    assert (near.events, far.events) == (["lost"], ["lost"])


class Failing(End):
    def data_received(self, data: bytes) -> None:
        raise ValueError("a fault")


async def test_an_end_that_fails_while_it_reads_is_lost_as_over_a_socket() -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["exception"])
    )
    near, far, _ = pair(Failing())
    far.transport.write(b"x")
    await settle()
    assert (near.events, far.events) == (["lost"], ["lost"])
    assert [type(one) for one in told] == [ValueError]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_an_end_that_is_over_hears_nothing(end: str) -> None:
    near, far, transport = pair()
    far.transport.write(b"x")
    getattr(transport, end)()
    if end == "abort":
        await settle()
        assert near.heard == []
    else:
        await settle()
        assert near.events == ["lost"]
    assert far.events == ["lost"]
