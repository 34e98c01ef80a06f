"""A peer that makes its own messages: the least client there can be."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from msgspec import Raw
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from vestibule.protocol import events, messages
from vestibule.protocol.codec import decode_body, encode, encode_body
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.reserved import Login, Pad


__all__ = ["PeerClosed", "RawPeer", "RequestRefused"]


class PeerClosed(Exception):  # noqa: N818 - what happened, not whose fault it is
    """The connection has ended; `reason` says why, as the peer learnt it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class RequestRefused(Exception):  # noqa: N818 - as above
    """The broker refused a login or a request with `code`."""

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code: Final = code
        self.message: Final = message
        self.details: Final = details


class RawPeer(asyncio.Protocol):
    """A connection of one client, over any transport, that seals its own messages.

    `notices` holds what the broker said that answers no request, in order: events,
    calls given, suspensions.
    """

    def __init__(self, server_key: bytes, headers: dict[str, str]) -> None:
        self.initiator: Final = Initiator([server_key])
        self.notices: asyncio.Queue[messages.AnyNotice] = asyncio.Queue()
        self.end_reason: str | None = None
        self.close_code: int | None = None
        self.retry_after_ms = 0
        self.deaf = False
        """Set it to pass over all that the broker says but the close frame."""
        self._headers: Final = headers
        self._ws: Final = ClientProtocol(
            parse_uri("ws://memory/"), subprotocols=[Subprotocol("vestibule.1")]
        )
        self._loop: Final = asyncio.get_running_loop()
        self._ready: Final[asyncio.Future[None]] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._login = 0
        self._ended: Final = asyncio.Event()

    # Speaking.

    async def login(self, auth_data: dict[str, Any]) -> dict[str, Any]:
        """Log in; answers what the broker tells an admitted session.

        Raises:
            RequestRefused: it was refused.
            PeerClosed: the connection has ended.
        """
        return await self.present("plain", {"auth_data": auth_data})

    async def present(self, scheme: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Send a login of any scheme; answers the fields of the answer or challenge.

        Raises:
            RequestRefused: it was refused.
            PeerClosed: the connection has ended.
        """
        await self.ready()
        self._check_open()
        self._login = self.initiator.login(scheme, fields)
        return cast("dict[str, Any]", await self._answer(self._login))

    async def prove(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Answer a challenge; as `present`."""
        self._check_open()
        self.initiator.prove(fields)
        return cast("dict[str, Any]", await self._answer(self._login))

    @property
    def exporter(self) -> bytes:
        """What names this connection, once it is ready; logins sign it."""
        return self.initiator.exporter or b""

    async def request(self, message: messages.Request) -> Any:
        """Send a request and give its decoded result.

        Raises:
            RequestRefused: it was refused.
            PeerClosed: the connection has ended.
        """
        self._check_open()
        self.send(message)
        return await self._answer(message.id)

    async def reauthenticate(self, auth_data: dict[str, Any]) -> dict[str, Any]:
        """Log in anew, by plain login data; answers who the session is then.

        Raises:
            RequestRefused: it was refused; the session is who it was.
            PeerClosed: the connection has ended.
        """
        fields = Raw(encode_body({"auth_data": auth_data}))
        message = messages.Reauthenticate(self.next_id(), "plain", fields)
        return cast("dict[str, Any]", await self.request(message))

    async def publish(self, name: str, data: Any = None) -> None:
        """Publish an event."""
        body = Raw(encode_body(data))
        await self.request(messages.Publish(self.next_id(), name, body))

    async def subscribe(self, *patterns: str) -> list[Any]:
        """Subscribe; answers the outcome of each pattern."""
        message = messages.Subscribe(self.next_id(), list(patterns))
        return cast("list[Any]", await self.request(message))

    async def call(self, name: str, data: Any = None) -> Any:
        """Call a method."""
        body = Raw(encode_body(data))
        return await self.request(messages.Call(self.next_id(), name, body))

    async def component(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a component's method by its whole path."""
        return await self.call(name, {"args": list(args), "kwargs": kwargs})

    def next_id(self) -> int:
        """Give the id of the next request."""
        return self.initiator.next_id()

    def send(self, *said: messages.Message) -> None:
        """Send messages as one record."""
        for message in said:
            self.initiator.queue(encode(message))
        self._flush()

    async def ready(self) -> None:
        """Wait for the end of the handshake.

        Raises:
            PeerClosed: there was none.
        """
        await asyncio.shield(self._ready)

    def send_raw(self, *encoded: bytes) -> None:
        """Send encoded messages as one record, whatever they are."""
        for message in encoded:
            # Past the initiator's own care for what its phase allows.
            self.initiator._put(message)  # noqa: SLF001 - no owner may do this
        self._flush()

    def login_message(self, number: int, auth_data: dict[str, Any]) -> bytes:
        """Encode a plain login under an id of one's own."""
        return encode(
            Login(number, "plain", Raw(encode_body({"auth_data": auth_data})))
        )

    def close(self) -> None:
        """Say bye."""
        self.initiator.bye(CloseCode.CLOSED, EndReason.CLIENT)
        self._flush()

    def send_fragmented(self, pieces: int) -> None:
        """Send one padded record as a WebSocket message of so many frames."""
        self.initiator.queue(encode(Pad(bytes(4 * pieces))))
        (box,) = self.initiator.outgoing(self._now())
        size = len(box) // pieces + 1
        for piece in range(pieces):
            data = box[piece * size : (piece + 1) * size]
            fin = piece == pieces - 1
            if piece:
                self._ws.send_continuation(data, fin)
            else:
                self._ws.send_binary(data, fin)
        self._write()

    def write(self, data: bytes) -> None:
        """Write bytes to the transport, past WebSocket and protocol."""
        self._transport.write(data)

    def unsent(self) -> int:
        """Tell the bytes that the transport has not taken yet."""
        return self._transport.get_write_buffer_size()

    def stop_reading(self) -> None:
        """Take nothing any more from the transport."""
        self._transport.pause_reading()

    def cut(self) -> None:
        """Be gone without a word."""
        self._transport.abort()

    async def wait_closed(self) -> str:
        """Wait for the end and give its reason."""
        await self._ended.wait()
        return self.end_reason or EndReason.TRUNCATED

    def _check_open(self) -> None:
        if self._ended.is_set():
            raise PeerClosed(self.end_reason or EndReason.TRUNCATED)

    async def _answer(self, number: int) -> Any:
        self._check_open()
        future = self._waiting[number] = self._loop.create_future()
        self._flush()
        return await future

    # Hearing.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        request = self._ws.connect()
        for key, value in self._headers.items():
            request.headers[key] = value
        self._ws.send_request(request)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Take what the broker sends."""
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Response):
                self._upgraded(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                if not self.deaf:
                    self._heard(self.initiator.receive(bytes(event.data), self._now()))
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                close = self._ws.close_rcvd
                self.close_code = None if close is None else close.code
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        del exc
        self._heard(self.initiator.lost(self._now()))
        self._finish(EndReason.TRUNCATED)

    def _upgraded(self, response: Response) -> None:
        if self._ws.handshake_exc is not None:
            self._finish(f"status {response.status_code}")
            self._transport.abort()

    def _heard(self, heard: Sequence[events.Event]) -> None:
        for event in heard:
            match event:
                case events.HandshakeCompleted():
                    self._ready.set_result(None)
                case (
                    events.LoginAccepted(id=number, fields=fields)
                    | events.LoginChallenged(id=number, fields=fields)
                ):
                    self._settle(number, fields)
                case events.LoginRefusedReceived(id=number, code=code, reason=reason):
                    self._refused(number, RequestRefused(code, reason, event.details))
                case events.Noticed(messages=noticed):
                    for message in noticed:
                        self._noticed(message)
                case events.ByeReceived(retry_after_ms=wait):
                    self.retry_after_ms = wait
                case events.Ended(reason=reason):
                    self._finish(reason)
                    self._flush()
                    self._transport.close()
                case _:
                    pass

    def _noticed(self, message: messages.AnyNotice | events.Malformed) -> None:
        match message:
            case messages.Answered(id=number, data=data):
                self._settle(number, decode_body(data))
            case messages.Failed(id=number, code=code, message=text, details=details):
                refusal = RequestRefused(code, text, decode_body(details))
                self._refused(number, refusal)
            case events.Malformed():
                pass
            case _:
                self.notices.put_nowait(message)

    def _settle(self, number: int, result: Any) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_result(result)

    def _refused(self, number: int, refusal: RequestRefused) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_exception(refusal)

    def _finish(self, reason: str) -> None:
        if self.end_reason is None:
            self.end_reason = str(reason)
        self._ended.set()
        if not self._ready.done():
            self._ready.set_exception(PeerClosed(self.end_reason))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(PeerClosed(self.end_reason))
        self._waiting.clear()

    def _flush(self) -> None:
        if self._ws.state.name == "OPEN":
            for box in self.initiator.outgoing(self._now()):
                self._ws.send_binary(box)
        self._write()

    def _write(self) -> None:
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def _now(self) -> float:
        return self._loop.time()
