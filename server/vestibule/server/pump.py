"""The pump: one socket and its WebSocket parser, inside the bounds of its stage.

A whole message is handed on in the callback that read it, without a queue or a task
between. Bytes and frames are counted here, whatever the parser counts itself, and
before a message is put together (docs/security.md, "Strangers").
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN

from vestibule.protocol.errors import CloseCode
from vestibule.server.config_limits import Limits, Quarantine
from vestibule.server.conversation import Conversation
from vestibule.server.counters import Counters
from vestibule.server.frames import binary_frames
from vestibule.server.handler import Headers
from vestibule.server.room import Room
from vestibule.server.service import Service
from vestibule.server.upgrade import (
    Network,
    RequestHead,
    Upgrades,
    forwarded_address,
    trusts,
)


__all__ = ["Pump", "PumpService"]

_STRANGER_LINGER: Final = 0.5
_LINGER: Final = 1.0
"""Seconds for a peer to answer a close frame, and for the last bytes to leave."""

_STRANGER_STEP: Final = 4_096
_STEP: Final = 65_536
"""Bytes parsed before the bounds are looked at again: a read brings up to 256 KiB,
which a hostile peer fills with tens of thousands of frames."""

_HIGH_WATER: Final = 65_536
"""Unsent bytes from which on the socket is watched for progress."""

_NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpService:
    """What the sockets of a broker share."""

    conversations: Service
    quarantine: Quarantine
    limits: Limits
    upgrades: Upgrades
    trusted_proxies: Sequence[Network]
    room: Room
    counters: Counters


class _Stage(Enum):
    """How far a socket has come."""

    TURNED_AWAY = auto()
    """There is no room: the request will be answered 503."""
    OPENING = auto()
    """The request is not complete."""
    STRANGER = auto()
    """A WebSocket in quarantine."""
    ADMITTED = auto()
    """A WebSocket of a session."""
    CLOSING = auto()
    """Our last word is out: what comes is passed over."""
    CLOSED = auto()


class Pump(asyncio.Protocol):
    """The `Wire` of one conversation, and a `Stranger` in the room until admission."""

    local = False
    """Whether the process itself is at the other end; of a socket it never is."""

    def __init__(self, service: PumpService, gone: Callable[["Pump"], None]) -> None:
        self._service: Final = service
        self._gone: Final = gone
        self._loop: Final = service.conversations.loop
        self._stage = _Stage.OPENING
        self._ws: Final = service.upgrades.parser(service.quarantine.message_bytes)
        self._head: Final = RequestHead(service.quarantine.request_bytes)
        self._received = 0
        self._frames = 0
        self._control_frames = 0
        self._fragments: list[bytes] | None = None
        self._text = False
        self._written = 0
        self._taken = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def conversation(self) -> Conversation | None:
        """The conversation on this socket; None for one that was turned away."""
        return self._conversation

    @property
    def deciding(self) -> bool:
        """Whether a login is being decided."""
        return self._conversation is not None and self._conversation.deciding

    def evict(self) -> None:
        """Make room: a bare close frame, or a drop where there is no WebSocket yet."""
        self._service.counters.add("quarantine_evicted")
        if self._conversation is not None:
            self._conversation.lost()
        if self._stage is _Stage.STRANGER:
            self.close(CloseCode.EVICTED)
        else:
            self.drop()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a socket: a place in the room, or a refusal."""
        service = self._service
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._conversation: Conversation | None = None
        known = None if trusts(self._peer, service.trusted_proxies) else self._peer
        if service.room.enter(self, known):
            self._conversation = Conversation(
                service.conversations, self, self._loop.time()
            )
        else:
            service.counters.add("connections_refused")
            self._stage = _Stage.TURNED_AWAY
            self._timer = self._loop.call_later(_LINGER, self.drop)

    def data_received(self, data: bytes) -> None:
        """Take what was read, in steps, looking at the bounds between."""
        stage = self._stage
        if stage is _Stage.ADMITTED and len(data) <= _STEP:
            self._parse(data)
        elif stage is _Stage.OPENING:
            self._open(data)
        elif stage is _Stage.TURNED_AWAY:
            self._answer(_NO_ROOM)
        else:
            self._parse_in_steps(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind, whatever happened before."""
        del exc
        self._stage = _Stage.CLOSED
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._conversation is not None:
            self._conversation.lost()
        self._service.room.leave(self)
        self._gone(self)

    def pause_writing(self) -> None:
        """Begin to watch a socket that does not take what is written to it."""
        self._taken = self._written - self.unsent()
        self._watch()

    def resume_writing(self) -> None:
        """Stop watching: the socket takes bytes."""
        if self._timer is not None and self._stage is _Stage.ADMITTED:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        if self._timer is None:
            timeout = self._service.limits.write_timeout
            self._timer = self._loop.call_later(timeout, self._look)

    def _look(self) -> None:
        """End a peer that has not taken one byte in `limits.write_timeout`."""
        self._timer = None
        taken = self._written - self.unsent()
        if taken > self._taken:
            self._taken = taken
            self._watch()
        elif self._conversation is not None:
            self._conversation.stuck()
        else:
            self.drop()

    # The request.

    def _open(self, data: bytes) -> None:
        """Collect the request; nothing is parsed before it is whole and short enough."""
        self._received += len(data)
        whole = self._head.take(data)
        if whole is None:
            if self._head.too_long:
                self._answer(_TOO_LARGE)
            return
        request, rest = whole
        self._upgrade(request)
        if rest and self._stage is _Stage.STRANGER:
            self._received -= len(rest)
            self.data_received(rest)

    def _upgrade(self, head: bytes) -> None:
        ws, service = self._ws, self._service
        ws.receive_data(head)
        request = next(iter(ws.events_received()), None)
        if not isinstance(request, Request):
            self.drop()
            return
        headers = Headers(request.headers.raw_items())
        address = forwarded_address(self._peer, headers, service.trusted_proxies)
        if not service.room.identify(self, address):
            service.counters.add("connections_refused")
            self._answer(_NO_ROOM)
            return
        ws.send_response(service.upgrades.answer(ws, request))
        if ws.state is OPEN and self._conversation is not None:
            self._stage = _Stage.STRANGER
            self._write_ws()
            local = self.local and self._transport.get_extra_info("socket") is None
            self._conversation.begin(address, headers, local=local)
        else:
            service.counters.add("connections_refused")
            self._write_ws()
            self._linger()

    def _answer(self, response: bytes) -> None:
        self._transport.write(response)
        self._linger()

    # Frames.

    def _parse_in_steps(self, data: bytes) -> None:
        for at in range(0, len(data), _STRANGER_STEP):
            if self._stage is _Stage.CLOSED:
                return
            step = data[at : at + _STRANGER_STEP]
            if self._stage is _Stage.STRANGER:
                self._received += len(step)
                if self._received > self._service.quarantine.total_bytes:
                    self._breach()
                    return
            self._parse(step)

    def _parse(self, data: bytes) -> None:
        ws = self._ws
        ws.receive_data(data)
        if ws.writes:
            self._write_ws()
        for frame in ws.events_received():
            if type(frame) is not Frame:
                continue
            if (
                frame.opcode is Opcode.BINARY
                and frame.fin
                and self._stage is _Stage.ADMITTED
                and self._conversation is not None
            ):
                self._conversation.receive(bytes(frame.data))
            else:
                self._frame(frame)
        if ws.parser_exc is not None and self._stage is not _Stage.CLOSED:
            # Its close frame is written; nothing more of this peer is read.
            self._linger(read=False)

    def _frame(self, frame: Frame) -> None:
        stage = self._stage
        if stage is _Stage.STRANGER:
            if not self._within_quarantine(frame):
                self._breach()
                return
        elif stage is not _Stage.ADMITTED:
            if frame.opcode is Opcode.CLOSE:
                self._linger()
            return
        if frame.opcode is Opcode.BINARY and frame.fin:  # a stranger's
            self._message(bytes(frame.data), text=False)
        elif frame.opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
            self._assemble(frame)
        elif frame.opcode is Opcode.CLOSE:
            self._linger()

    def _within_quarantine(self, frame: Frame) -> bool:
        """Count a stranger's frame; false where it is one too many, or a fragment."""
        quarantine = self._service.quarantine
        if frame.opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
            self._control_frames += 1
            return self._control_frames <= quarantine.control_frames
        self._frames += 1
        return frame.fin and self._frames <= quarantine.frames

    def _assemble(self, frame: Frame) -> None:
        """Put a session's message together, of a bounded number of frames."""
        if self._fragments is None:
            self._fragments = []
            self._text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > self._service.limits.fragments:
            self._breach()
        elif frame.fin:
            message, self._fragments = b"".join(self._fragments), None
            self._message(message, text=self._text)

    def _message(self, message: bytes, *, text: bool) -> None:
        conversation = self._conversation
        if conversation is None:
            return
        if text:
            conversation.receive_text()
        else:
            conversation.receive(message)

    def _breach(self) -> None:
        """Drop a peer that is past a bound of its stage."""
        if self._stage is _Stage.STRANGER:
            self._service.counters.add("quarantine_dropped")
        self.drop()

    # The wire of the conversation.

    def write(self, boxes: Sequence[bytes]) -> None:
        """Send each box as one binary message."""
        if self._stage is _Stage.ADMITTED or self._stage is _Stage.STRANGER:
            data = binary_frames(boxes)
            self._written += len(data)
            self._transport.write(data)

    def unsent(self) -> int:
        """Tell the bytes that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def admitted(self) -> None:
        """Apply the bounds of a session in place of a stranger's."""
        if self._stage is not _Stage.STRANGER:
            return
        self._stage = _Stage.ADMITTED
        self._ws.max_message_size = self._service.limits.message_bytes
        self._service.room.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause(self) -> None:
        """Read no further until `resume`."""
        if self._stage is _Stage.ADMITTED:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._stage is _Stage.ADMITTED:
            self._transport.resume_reading()

    def close(self, code: int) -> None:
        """Close with a close frame of `code` and no reason."""
        if self._stage not in (_Stage.STRANGER, _Stage.ADMITTED):
            self.drop()
            return
        if self._ws.state is OPEN:
            self._ws.send_close(code)
            self._write_ws()
        # The peer answers with a close frame of its own, or is dropped.
        stranger = self._stage is _Stage.STRANGER
        self._stage = _Stage.CLOSING
        self._deadline(_STRANGER_LINGER if stranger else _LINGER)

    def drop(self) -> None:
        """Close the TCP connection at once."""
        self._stage = _Stage.CLOSED
        self._transport.abort()

    def _write_ws(self) -> None:
        """Write what the parser answers: the upgrade, pongs, close frames."""
        for data in self._ws.data_to_send():
            # Empty data asks for an end of our half, which `_linger` makes.
            if data:
                self._written += len(data)
                self._transport.write(data)
        quarantine, limits = self._service.quarantine, self._service.limits
        admitted = self._stage is _Stage.ADMITTED
        if self.unsent() <= (
            limits.outbox_bytes if admitted else quarantine.write_buffer_bytes
        ):
            return
        if admitted and self._conversation is not None:
            self._conversation.stuck()
        else:
            self._breach()

    def _linger(self, *, read: bool = True) -> None:
        """Let the last bytes leave, but not longer than a second."""
        if self._stage is _Stage.CLOSED:
            return
        self._stage = _Stage.CLOSING
        if not read:
            self._transport.pause_reading()
        self._transport.close()
        self._deadline(_LINGER)

    def _deadline(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.drop)
