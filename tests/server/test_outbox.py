"""The outbox: one record a turn, and bounds on what is not taken."""

import asyncio
from typing import Any

from vestibule.server.outbox import Outbox
from vestibule.server.turns import Turns


class Core:
    """Stands for the protocol core: joins what is queued into one box."""

    def __init__(self) -> None:
        self.queued: list[bytes] = []

    @property
    def queued_bytes(self) -> int:
        return sum(map(len, self.queued))

    def queue(self, message: bytes) -> None:
        self.queued.append(message)

    def outgoing(self, _: float) -> list[bytes]:
        boxes = [b"|".join(self.queued)] if self.queued else []
        self.queued.clear()
        return boxes


class Socket:
    """Takes what is written, or lets it pile up."""

    def __init__(self, *, reading: bool = True) -> None:
        self.written: list[bytes] = []
        self.reading = reading
        self.overflows = 0

    def write(self, boxes: list[bytes]) -> None:
        self.written += boxes

    def unsent(self) -> int:
        return 0 if self.reading else sum(map(len, self.written))

    def overflow(self) -> None:
        self.overflows += 1


def outbox(socket: Socket, *, limit: int = 10) -> Outbox:
    core: Any = Core()
    loop = asyncio.get_running_loop()
    return Outbox(
        core,
        write=socket.write,
        unsent=socket.unsent,
        overflow=socket.overflow,
        limit=limit,
        turns=Turns(loop),
        now=loop.time,
    )


async def test_what_is_put_in_one_turn_leaves_together_at_its_end() -> None:
    socket = Socket()
    box = outbox(socket)
    box.put(b"a")
    box.put(b"b")
    assert socket.written == []
    await asyncio.sleep(0)
    assert socket.written == [b"a|b"]
    box.put(b"c")
    await asyncio.sleep(0)
    assert socket.written == [b"a|b", b"c"]
    await asyncio.sleep(0)
    assert socket.written == [b"a|b", b"c"]


async def test_flushing_does_not_wait_for_the_end_of_the_turn() -> None:
    socket = Socket()
    box = outbox(socket)
    box.put(b"a")
    box.flush()
    assert socket.written == [b"a"]


async def test_more_than_the_limit_in_one_turn_is_told() -> None:
    socket = Socket()
    box = outbox(socket)
    box.put(b"12345")
    box.put(b"67890")
    assert socket.overflows == 0
    box.put(b"x")
    assert socket.overflows == 1


async def test_more_than_the_limit_that_a_socket_has_not_taken_is_told() -> None:
    socket = Socket(reading=False)
    box = outbox(socket)
    for letter in (b"123456", b"7890"):
        box.put(letter)
        box.flush()
    assert socket.overflows == 0
    box.put(b"x")
    box.flush()
    assert socket.overflows == 1


async def test_an_admitted_session_may_have_more_unsent() -> None:
    socket = Socket(reading=False)
    box = outbox(socket)
    box.raise_limit(100)
    box.put(bytes(50))
    box.flush()
    assert socket.overflows == 0


async def test_a_closed_outbox_sends_nothing_and_complains_of_nothing() -> None:
    socket = Socket(reading=False)
    box = outbox(socket, limit=1)
    box.put(b"12345")
    box.close()
    box.put(b"67890")
    await asyncio.sleep(0)
    assert (socket.written, socket.overflows) == ([], 0)
