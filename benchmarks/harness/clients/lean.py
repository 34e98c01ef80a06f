"""Vestibule by a lean client on the protocol core, so that the broker is the bottleneck.

It speaks the whole protocol until a subscription runs. Then it stops opening boxes and
counts events by the length of what comes: the broker's work is the same, and the load's
is a tenth. Such a connection cannot go back; it is good for one scenario.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from harness.clients import frames
from harness.clients.base import PASSWORD, Client, user
from harness.clients.vestibule import PATIENCE_SECONDS, VestibuleDriver
from harness.plan import Plan
from vestibule.protocol import events, messages
from vestibule.protocol.boxes import BOX_OVERHEAD
from vestibule.protocol.codec import encode, encode_body
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.initiator import Initiator


__all__ = ["driver"]

NO_HINT = bytes(16)


class RefusedError(Exception):
    """The broker refused a login or a request."""


class LeanClient:
    """One connection, made and logged in by `open`."""

    def __init__(self, payload: str, *, encrypted: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.body = encode_body(payload)
        self.encrypted = encrypted
        self.core = (
            Initiator(any_key, NO_HINT) if encrypted else Initiator((), encrypted=False)
        )
        self.socket: frames.Socket | None = None
        self.shaken: asyncio.Future[None] = self.loop.create_future()
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.on_event: Callable[[], None] | None = None
        self.event_bytes = 0
        """The length of an event in a batch, once boxes are no longer opened."""
        self.flushing = False

    async def open(self, host: str, port: int, username: str) -> None:
        """Connect and log in; raises `RefusedError`."""
        subprotocol = "vestibule.1" if self.encrypted else "vestibule.1-clear"
        self.socket = await frames.connect(host, port, self.take, subprotocol)
        self.flush()
        await self.shaken
        data = {"username": username, "password": PASSWORD}
        await self.answer(self.core.login("plain", {"auth_data": data}))

    async def close(self) -> None:
        """Say bye, where the keys still allow it, and end the connection."""
        if self.socket is None:
            return
        if not self.event_bytes:
            self.core.bye(CloseCode.CLOSED, EndReason.CLIENT)
            self.flush()
        await self.socket.close()

    # What the scenarios ask for.

    async def provide_echo(self, name: str) -> None:
        """Answer calls with what they carry."""
        await self.request(messages.Provide(self.core.next_id(), name))

    async def call(self, name: str) -> None:
        """Call and wait."""
        timeout = int(PATIENCE_SECONDS * 1_000)
        id_ = self.core.next_id()
        await self.request(messages.Call(id_, name, self.body, timeout))

    async def subscribe(self, name: str, on_event: Callable[[], None]) -> None:
        """Subscribe; the first events say how long one is, the others are counted."""
        self.on_event = on_event
        await self.request(messages.Subscribe(self.core.next_id(), [name]))

    async def publish(self, name: str) -> None:
        """Queue an event for the next record."""
        self.queue(messages.Publish(self.core.next_id(), name, self.body, ack=False))

    # Down.

    async def request(self, message: messages.Request) -> None:
        """Send a request and wait for its answer; raises `RefusedError`."""
        self.queue(message)
        await self.answer(message.id)

    async def answer(self, id_: int) -> None:
        """Wait for an answer."""
        self.waiting[id_] = future = self.loop.create_future()
        self.flush_soon()
        await future

    def queue(self, message: messages.Message) -> None:
        """Send a message with all others of this turn of the loop."""
        self.core.queue(encode(message))
        self.flush_soon()

    def flush_soon(self) -> None:
        """Send at the end of this turn."""
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what the core has."""
        self.flushing = False
        if self.socket is not None:
            for record in self.core.outgoing(self.loop.time()):
                self.socket.send(record)

    # Up.

    def take(self, record: bytes) -> None:
        """Take one record, or only its length."""
        if self.event_bytes:
            self.count(len(record))
            return
        happened = self.core.receive(record, self.loop.time())
        for event in happened:
            match event:
                case events.Noticed(messages=noticed):
                    self.noticed(noticed, len(record))
                case events.HandshakeCompleted():
                    self.shaken.set_result(None)
                case events.LoginAccepted(id=id_):
                    self.settle(id_)
                case events.LoginRefusedReceived(id=id_, code=code):
                    self.settle(id_, RefusedError(code))
                case events.Ended(reason=reason):
                    self.ended(RefusedError(f"the connection ended: {reason}"))
                case _:
                    pass
        self.flush_soon()

    def noticed(
        self, noticed: Sequence[messages.AnyNotice | events.Malformed], size: int
    ) -> None:
        """Take the messages of a record of `size` bytes."""
        if all(isinstance(message, messages.Event) for message in noticed):
            content = size - (BOX_OVERHEAD if self.encrypted else 0)
            self.event_bytes = content // len(noticed)
            self.count(size)
            return
        for message in noticed:
            match message:
                case messages.Answered(id=id_):
                    self.settle(id_)
                case messages.Failed(id=id_, code=code):
                    self.settle(id_, RefusedError(code))
                case messages.CallGiven(call=call, data=data):
                    self.queue(messages.Accept(call))
                    self.queue(messages.Respond(call, data))
                case other:
                    self.ended(
                        RefusedError(f"{type(other).__name__} was not asked for")
                    )

    def count(self, size: int) -> None:
        """Count the events in a record of `size` bytes.

        All events of a scenario are equally long; what is left over is a rekey.
        """
        content = size - (BOX_OVERHEAD if self.encrypted else 0)
        if self.on_event is not None:
            for _ in range(content // self.event_bytes):
                self.on_event()

    def settle(self, id_: int, problem: RefusedError | None = None) -> None:
        """Hand an answer to who waits for it; a refusal nobody waits for is fatal."""
        future = self.waiting.pop(id_, None)
        if future is not None and problem is None:
            future.set_result(None)
        elif future is not None:
            future.set_exception(problem or RefusedError())
        elif problem is not None:
            raise problem

    def ended(self, problem: RefusedError) -> None:
        """Tell everybody who waits."""
        futures = [self.shaken, *self.waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(problem)


def any_key(_key: bytes) -> bool:
    """Accept the broker that this very benchmark has started."""
    return True


class LeanDriver(VestibuleDriver):
    """Makes lean connections; users and denials are the library's business."""

    async def connect(self, number: int) -> Client:
        """Log in by password."""
        address = urlsplit(self.url)
        client = LeanClient(self.payload, encrypted=self.encryption == "required")
        name = user(number, self.users)
        await client.open(address.hostname or "", address.port or 0, name)
        return client


def driver(options: Mapping[str, str], plan: Plan) -> LeanDriver:
    """Make a driver for `options["url"]` and `options["encryption"]`."""
    return LeanDriver(options["url"], options["encryption"], plan)
