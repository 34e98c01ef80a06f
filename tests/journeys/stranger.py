"""A stranger on a bare socket: it writes whatever bytes it likes."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from websockets.frames import Frame, Opcode

from vestibule.server import Broker


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: vestibule.1\r\n\r\n"
)


def frame(data: bytes, *, opcode: Opcode = Opcode.BINARY, fin: bool = True) -> bytes:
    """Make a client's frame."""
    return Frame(opcode, data, fin).serialize(mask=True)


def announced(size: int) -> bytes:
    """Make the header of a client's binary frame of `size` bytes, without them."""
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return b"\x82" + length + b"\0\0\0\0"


@dataclass
class Stranger:
    """One socket to the broker."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def come(cls, broker: Broker, *, source: str | None = None) -> Self:
        host, port = broker.url.removeprefix("ws://").split(":")
        local = None if source is None else (source, 0)
        return cls(*await asyncio.open_connection(host, int(port), local_addr=local))

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def upgrade(self) -> None:
        self.say(UPGRADE)
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head

    async def ended(self, within: float) -> bytes:
        """Wait for the end, give all that was said before it, and leave."""
        heard = b""
        try:
            async with asyncio.timeout(within):
                while data := await self.reader.read(65_536):
                    heard += data
        except ConnectionError:
            pass
        self.leave()
        return heard

    def leave(self) -> None:
        self.writer.transport.abort()


def resident_bytes() -> int:
    """Give the memory of this process that is resident."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
