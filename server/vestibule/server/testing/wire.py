"""A pair of transports without a socket between them."""

import asyncio
from typing import Any, Final


__all__ = ["MemoryTransport", "joined"]


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory.

    What is written arrives at the other end in a later turn of the loop. While the
    other end does not read, it stays unsent here.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, peer: str
    ) -> None:
        super().__init__({"peername": (peer, 0)})
        self._loop: Final = loop
        self._protocol: Final = protocol
        self._other: MemoryTransport | None = None
        self._unsent = bytearray()
        self._reading = True
        self._closing = False
        self._lost = False
        self._high = 65_536
        self._paused = False
        self._sending = False

    def join(self, other: "MemoryTransport") -> None:
        """Be the other end of `other`."""
        self._other = other

    def write(self, data: Any) -> None:
        """Send to the other end."""
        if self._lost or self._closing:
            return
        self._unsent += data
        self._schedule()
        if len(self._unsent) > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def _schedule(self) -> None:
        if not self._sending:
            self._sending = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._sending = False
        other = self._other
        if self._lost or other is None:
            return
        if self._unsent and other.is_reading():
            data = bytes(self._unsent)
            self._unsent.clear()
            if self._paused:
                self._paused = False
                self._protocol.resume_writing()
            other.arrive(data)
        if self._closing and not self._unsent:
            self.abort()

    def arrive(self, data: bytes) -> None:
        """Take what the other end sent."""
        if self._lost:
            return
        try:
            self._protocol.data_received(data)
        except BaseException:
            # As over a socket, whoever reads fatally has no connection any more.
            self.abort()
            raise

    def get_write_buffer_size(self) -> int:
        """Tell the bytes that the other end has not read."""
        return len(self._unsent)

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Set from how many unsent bytes on the protocol is told to pause."""
        del low
        self._high = 65_536 if high is None else high

    def is_reading(self) -> bool:
        """Whether this end takes what is sent to it."""
        return self._reading and not self._lost

    def pause_reading(self) -> None:
        """Take nothing."""
        self._reading = False

    def resume_reading(self) -> None:
        """Take what has waited."""
        self._reading = True
        if self._other is not None:
            self._other._schedule()  # noqa: SLF001 - the other half of this object

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called."""
        return self._closing or self._lost

    def close(self) -> None:
        """End once everything is sent."""
        self._closing = True
        self._schedule()

    def abort(self) -> None:
        """End now; what is unsent is lost."""
        if self._lost:
            return
        self._closing = self._lost = True
        self._loop.call_soon(self._protocol.connection_lost, None)
        if self._other is not None:
            self._loop.call_soon(self._other.abort)


def joined(
    loop: asyncio.AbstractEventLoop,
    server: asyncio.Protocol,
    client: asyncio.Protocol,
    *,
    address: str = "127.0.0.1",
) -> tuple[MemoryTransport, MemoryTransport]:
    """Connect two protocols; `address` is where the client seems to come from."""
    near = MemoryTransport(loop, server, address)
    far = MemoryTransport(loop, client, "memory")
    near.join(far)
    far.join(near)
    server.connection_made(near)
    client.connection_made(far)
    return near, far
