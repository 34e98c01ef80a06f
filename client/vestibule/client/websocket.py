"""A WebSocket as a transport: whole frames are handled in the callback they come in.

The frames are parsed and made by websockets; only its queue of received messages, and
the task switch that it costs, are passed over.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.typing import Subprotocol

from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import HandshakeFailed
from vestibule.client.transport import Receiver, Target, Transport
from vestibule.protocol.errors import ErrorCode


if TYPE_CHECKING:
    import asyncio

__all__ = ["dial"]

_HELLO_BYTES: Final = 1024
"""A ServerHello has 512 at most; what is longer may come once the limits are known."""

_FRAGMENTS: Final = 16
"""Frames of one message: proxies that fragment, not fragments by the thousand."""

_OPEN_SECONDS: Final = 10.0
"""For TCP, TLS and the upgrade together."""

_CLOSE_SECONDS: Final = 1.0
"""What the other end has to answer a close frame, and to end the TCP connection."""

_WRITE_BYTES: Final = 256 * 1024
"""What may wait for the network before senders are told to wait."""


async def dial(target: Target, receiver: Receiver) -> Transport:
    """Open a WebSocket; the contract is that of `vestibule.client.transport.Dial`."""
    try:
        socket = await _Connect(
            target.url,
            subprotocols=[Subprotocol(target.subprotocol)],
            additional_headers=dict(target.headers),
            compression=None,
            # Proxies of the environment are for other hosts than this one.
            proxy=None if Endpoint.of_url(target.url).loopback else True,
            open_timeout=_OPEN_SECONDS,
            # vestibule.1 has its own heartbeat, inside the boxes.
            ping_interval=None,
            close_timeout=_CLOSE_SECONDS,
            max_size=_HELLO_BYTES,
            write_limit=_WRITE_BYTES,
            # A factory is as good as the class that the annotation asks for.
            create_connection=cast(
                "type[ClientConnection]", partial(_Socket, receiver)
            ),
        )
    except InvalidStatus as refusal:
        raise _refused(refusal) from None
    except InvalidHandshake as problem:
        raise HandshakeFailed(
            ErrorCode.HANDSHAKE_INVALID,
            f"the upgrade was not answered as asked: {type(problem).__name__}",
        ) from None
    if socket.subprotocol != target.subprotocol:
        socket.transport.abort()
        raise HandshakeFailed(
            ErrorCode.HANDSHAKE_INVALID, f"the peer does not speak {target.subprotocol}"
        )
    assert isinstance(socket, _Socket)  # noqa: S101 - create_connection makes it
    return _WebSocketTransport(socket)


def _refused(refusal: InvalidStatus) -> HandshakeFailed:
    response = refusal.response
    details: dict[str, Any] = {"status": response.status_code}
    retry_after = response.headers.get("Retry-After", "")
    if retry_after.isascii() and retry_after.isdecimal():
        details["retry_after"] = int(retry_after)
    return HandshakeFailed(
        ErrorCode.UPGRADE_REFUSED, f"HTTP status {response.status_code}", details
    )


class _Connect(connect):
    """Does not follow redirects: a broker is where the application said it is."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Socket(ClientConnection):
    """A connection that hands each message to its receiver as it is parsed."""

    def __init__(
        self, receiver: Receiver, protocol: ClientProtocol, **options: Any
    ) -> None:
        super().__init__(protocol, **options)
        # Frames are never logged: without encryption they hold login data, and the
        # headers of the upgrade may.
        protocol.debug = self.debug = False
        self.receiver: Final = receiver
        self.congested = False
        self._parts: list[bytes] = []
        self._last: asyncio.TimerHandle | None = None

    def process_event(self, event: Event) -> None:
        """Take one frame, or the answer to the upgrade."""
        if not isinstance(event, Frame):
            super().process_event(event)
        elif event.opcode is Opcode.BINARY and event.fin:
            self.receiver.received(bytes(event.data))
        elif event.opcode is Opcode.BINARY or event.opcode is Opcode.CONT:
            self._part(event)
        elif event.opcode is Opcode.TEXT:
            self.receiver.received_text()
        # Pings are answered by the parser. They prove no liveness, and pongs neither.

    def _part(self, frame: Frame) -> None:
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            self.receiver.received(message)
        elif len(self._parts) >= _FRAGMENTS:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # After a close frame, or what is no WebSocket, the server should end the TCP
        # connection, and a client should not count on it.
        if self.protocol.state is State.CLOSING and self.response is not None:
            self.hurry()

    def hurry(self) -> None:
        """End the TCP connection within a second, whatever the other end does."""
        if self._last is None:
            self._last = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.congested = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.congested = False
        self.receiver.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.congested = False
        if self._last is not None:
            self._last.cancel()
        received = self.protocol.close_rcvd
        self.receiver.lost(None if received is None else int(received.code))


class _WebSocketTransport:
    __slots__ = ("_socket",)

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket

    @property
    def congested(self) -> bool:
        return self._socket.congested

    def send(self, message: bytes) -> None:
        protocol = self._socket.protocol
        if protocol.state is State.OPEN:
            protocol.send_binary(message)
            self._socket.send_data()

    def allow(self, message_bytes: int) -> None:
        self._socket.protocol.max_message_size = message_bytes

    def close(self, code: int) -> None:
        socket = self._socket
        if socket.protocol.state is State.OPEN:
            socket.protocol.send_close(code)
            socket.send_data()
        socket.hurry()

    def abort(self) -> None:
        self._socket.transport.abort()
