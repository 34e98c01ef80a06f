"""Moves bytes between one transport and the protocol core, and turns the core's clock."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from vestibule.client.transport import Transport
from vestibule.protocol import events
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.messages import AnyNotice


__all__ = ["Listener", "Pump"]

log = logging.getLogger("vestibule.client")

_FULL_BYTES: Final = 64 * 1024
"""What a loop turn may queue before senders that wait for no answer wait for the
socket: some hundred small messages a record, and little memory."""


class Listener(Protocol):
    """Who is told what the core has found. None of these raises."""

    def noticed(self, messages: Sequence[AnyNotice | events.Malformed]) -> None:
        """Take the messages of one record, in their order."""

    def happened(self, event: events.Event) -> None:
        """Take any other event; `Ended` is the last one."""


class Pump:
    """One connection's bytes. It is the transport's receiver.

    Everything that is queued in one turn of the loop leaves as one record, or as
    several where it is longer than one may be. There is no task: it works in the
    callbacks of the transport and of the loop.
    """

    __slots__ = (
        "_core",
        "_flushing",
        "_listener",
        "_loop",
        "_rearm",
        "_timer",
        "_transport",
        "_waiters",
        "close_code",
        "gone",
    )

    def __init__(self, core: Initiator, listener: Listener) -> None:
        self._core = core
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._rearm = False
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.close_code: int | None = None
        """The code of the close frame that came, if one did."""
        self.gone: Final = asyncio.Event()
        """Set when the transport is gone."""

    def attach(self, transport: Transport) -> None:
        """Begin to send through `transport`."""
        self._transport = transport
        self._rearm = True
        self._flush()

    # The transport's side.

    def received(self, message: bytes) -> None:
        """Take one whole message."""
        self._take(self._core.receive(message, self._loop.time()))

    def received_text(self) -> None:
        """Take note of a text message."""
        self._take(self._core.receive_text(self._loop.time()))

    def writable(self) -> None:
        """Wake the senders that wait."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def lost(self, close_code: int | None) -> None:
        """Take note that the transport is gone."""
        self.close_code = close_code
        self._take(self._core.lost(self._loop.time()))
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.writable()
        self.gone.set()

    # The session's side.

    def queue(self, message: bytes) -> None:
        """Send an encoded message with the next record; after the end, drop it."""
        self._core.queue(message)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    @property
    def full(self) -> bool:
        """Whether a sender that waits for no answer should wait for `room`."""
        transport = self._transport
        return self._core.queued_bytes > _FULL_BYTES or (
            transport is not None and transport.congested
        )

    async def room(self) -> None:
        """Send what is queued, and wait until the socket takes more."""
        self._flush()
        transport = self._transport
        if transport is not None and transport.congested:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        else:
            # One turn for what came in meanwhile.
            await asyncio.sleep(0)

    def wake(self) -> None:
        """Send soon what the core has to send, and look at its deadline again."""
        self._rearm = True
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def bye(self) -> None:
        """Say that this end is done; `Ended` follows within about a second."""
        self._core.bye(CloseCode.CLOSED, EndReason.CLIENT)
        self.wake()

    def abort(self) -> None:
        """Drop the transport; it reads as truncated unless a bye was said."""
        if self._transport is not None:
            self._transport.abort()

    # Between the two.

    def _take(self, happened: Sequence[events.Event]) -> None:
        try:
            for event in happened:
                if isinstance(event, events.Noticed):
                    self._listener.noticed(event.messages)
                else:
                    self._rearm = True
                    if isinstance(event, events.Ended):
                        self._end(event)
                    self._listener.happened(event)
        except Exception as problem:  # noqa: BLE001 - a fault of the client ends the connection
            # The text may hold data of the session.
            log.error("client.failed", extra={"exception": type(problem).__name__})  # noqa: TRY400 - no traceback, as above
            self.abort()
        # A pong, a bye or a rekey may have to leave.
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _end(self, event: events.Ended) -> None:
        self._flush()
        transport = self._transport
        if transport is None:
            return
        if event.drop or event.close_code is None:
            transport.abort()
        else:
            transport.close(int(event.close_code))

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if transport is None:
            return
        for record in self._core.outgoing(self._loop.time()):
            transport.send(record)
        if self._rearm:
            self._rearm = False
            self._arm()

    def _arm(self) -> None:
        deadline = self._core.deadline()
        timer = self._timer
        # A deadline that moved away is looked at when the old one has come: records
        # move the heartbeat each time, and cost no timer.
        if deadline is None or (timer is not None and timer.when() <= deadline):
            return
        if timer is not None:
            timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._rearm = True
        self._take(self._core.tick(self._loop.time()))
