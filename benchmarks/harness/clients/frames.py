"""A WebSocket client that costs little, for load where a library is the bottleneck.

It does what a loopback benchmark needs and no more: whole binary messages both ways,
no extensions, pings answered. A product uses a library.
"""

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast


__all__ = ["Socket", "connect"]

BINARY, CLOSE, PING, PONG = 0x82, 0x88, 0x89, 0x8A
MASKED = 0x80
MEDIUM, LONG = 126, 127
"""Length bytes that say: the length follows, in 2 or in 8 bytes."""
MEDIUM_MOST = 0xFFFF
NO_MASK = bytes(4)
"""A mask is for proxies that confuse protocols; zeros are legal and free."""


class Socket(asyncio.Protocol):
    """One connection, made by `connect`."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        """`take` gets each message."""
        loop = asyncio.get_running_loop()
        self.take = take
        self.upgraded: asyncio.Future[bytes] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. uvloop's do not derive from asyncio's."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        problem = exc or ConnectionError("the server closed the connection")
        if not self.upgraded.done():
            self.upgraded.set_exception(problem)
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take the answer to the upgrade, then whole frames."""
        data = self.buffer + data if self.buffer else data
        if not self.upgraded.done():
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self.buffer = head
                return
            self.upgraded.set_result(head)
        self.buffer = data[self.frames(data) :]

    def frames(self, data: bytes) -> int:
        """Take every whole frame; gives where the first unfinished one begins."""
        at = 0
        end = len(data)
        while end - at >= 2:
            size = data[at + 1]
            body = at + 2
            if size >= MEDIUM:
                body += 2 if size == MEDIUM else 8
                if end < body:
                    break
                size = int.from_bytes(data[at + 2 : body])
            if end < body + size:
                break
            kind = data[at]
            if kind == BINARY:
                self.take(data[body : body + size])
            elif kind == PING:
                self.write(PONG, data[body : body + size])
            elif kind not in (CLOSE, PONG):
                raise ValueError(f"a frame of kind {kind:#x}")
            at = body + size
        return at

    def send(self, message: bytes) -> None:
        """Send one message."""
        self.write(BINARY, message)

    def write(self, kind: int, body: bytes) -> None:
        """Send one frame."""
        if self.transport is not None:
            self.transport.write(frame(kind, body))

    async def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.write(CLOSE, b"\x03\xe8")
            self.transport.close()
        await self.ended


def frame(kind: int, body: bytes) -> bytes:
    """Frame a client's message."""
    size = len(body)
    if size < MEDIUM:
        head = bytes((kind, MASKED | size))
    elif size <= MEDIUM_MOST:
        head = bytes((kind, MASKED | MEDIUM)) + size.to_bytes(2)
    else:
        head = bytes((kind, MASKED | LONG)) + size.to_bytes(8)
    return head + NO_MASK + body


async def connect(
    host: str, port: int, take: Callable[[bytes], None], subprotocol: str | None = None
) -> Socket:
    """Connect and upgrade; raises `ConnectionError` if that is refused."""
    _, socket = await asyncio.get_running_loop().create_connection(
        lambda: Socket(take), host, port
    )
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET / HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
    ]
    if socket.transport is not None:
        socket.transport.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    head = await socket.upgraded
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(head.split(b"\r\n", 1)[0].decode())
    return socket
