"""A session's way to the broker, across connections: requests out, notices in.

Features (events, calls, …) know this module and nothing of connections. Each says
what it reads, and what it does when the connection is lost, taken up again or ended.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Raw

from vestibule.client.callbacks import Callbacks
from vestibule.client.carrier import Carrier
from vestibule.client.errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
    VestibuleError,
    request_failed,
)
from vestibule.client.pending import About, Pending, Request
from vestibule.client.settings import OnError
from vestibule.client.tasks import Tasks
from vestibule.protocol import events, messages
from vestibule.protocol.codec import decode_body, encode, encode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody
from vestibule.protocol.messages import AnyNotice, Message


__all__ = ["Channel", "Feature", "body_of", "value_of"]

log = logging.getLogger("vestibule.client")


class Feature:
    """A vocabulary of the session. Each of these may be left as it is.

    All but `reopen` are called from the callback in which bytes came in: they neither
    raise nor wait.
    """

    kind = ""
    """What `Suspended` and `Resumed` call it."""

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """Say which messages it reads."""
        return {}

    def suspended(self, names: Sequence[str], code: str) -> None:
        """Take note that rights were lost."""

    def resumed(self, names: Sequence[str]) -> None:
        """Take note that they are back."""

    def lost(self) -> None:
        """Take note that the connection is gone and with it what the broker kept."""

    async def reopen(self) -> None:
        """Make again what the broker kept. The session opens when all have returned.

        Raises:
            ConnectionLost, SessionClosed: the new connection is gone too.
        """

    def ended(self, reason: str, *, quietly: bool) -> None:
        """Take note that the session is over; `quietly`: because it was closed here."""


F = TypeVar("F", bound=Feature)


class Channel:
    """What the features of one session share. Used on one event loop, by many tasks."""

    def __init__(
        self, request_timeout: float, callbacks: Callbacks, tasks: Tasks
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self.request_timeout: Final = request_timeout
        self._on_error: OnError | None = None
        self._features: list[Feature] = []
        self._kinds: dict[str, Feature] = {}
        self._pending: Final = Pending(self._loop)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            messages.Answered: self._answered,
            messages.Failed: self._failed,
            messages.Suspended: self._suspended,
            messages.Resumed: self._resumed,
            events.Malformed: self._unreadable,
        }
        self._usable = False
        self._changed: Final = asyncio.Event()
        self._reason: str | None = None
        self.carrier: Carrier | None = None
        """The connection, also while what the broker kept is made again."""
        self.callbacks: Final = callbacks
        self.tasks: Final = tasks

    def add(self, feature: F) -> F:
        """Let a feature take part."""
        self._features.append(feature)
        self._handlers.update(feature.handlers())
        if feature.kind:
            self._kinds[feature.kind] = feature
        return feature

    # Down: what the session asks.

    async def ask(
        self,
        make: Callable[[int], Message],
        about: About,
        name: str,
        *,
        wait: float | None = None,
        patience: float | None = None,
        abandon: Callable[[int], Message] | None = None,
        again: bool = False,
        then: Callable[[Raw], None] | None = None,
    ) -> Raw:
        """Send the request that `make` makes of an id, and give its answer.

        While the client reconnects it waits, for `wait` seconds at most; then the
        broker has `patience` seconds. Both are `request_timeout` unless given.
        `abandon` makes the message that tells the broker when nobody waits any more.
        `again` is for what a feature makes again in `reopen`: it does not wait.
        `then` is called with the answer, before this returns, and also if the caller
        has been cancelled meanwhile.

        Raises:
            RequestFailed: the broker refused; INVALID_PATH, LIMIT_EXCEEDED: what
                cannot be sent; RequestTimeout: no answer in time.
            ConnectionLost: the connection ended meanwhile, or none came in time.
            SessionClosed: the session is over.
        """
        carrier = self.carrier
        if carrier is None or not (self._usable or again):
            carrier = await self._usable_carrier(wait)
        id_ = carrier.next_id()
        message = self._encoded(make(id_), carrier, about, name)
        request = Request(id_, about, name, self._loop.create_future())
        self._pending.wait(
            request, self.request_timeout if patience is None else patience
        )
        carrier.queue(message)
        if then is not None:
            return await self._told(request, then)
        try:
            outcome = await request.outcome
        except asyncio.CancelledError:
            self._abandon(carrier, abandon, id_)
            raise
        finally:
            self._pending.forget(request)
        if not isinstance(outcome, VestibuleError):
            return outcome
        if (
            isinstance(outcome, RequestTimeout)
            and outcome.code == ErrorCode.REQUEST_TIMEOUT
        ):
            self._abandon(carrier, abandon, id_)
        raise outcome

    async def _told(self, request: Request, then: Callable[[Raw], None]) -> Raw:
        """Wait for an answer, and have `then` told of it whoever still waits."""

        def settled(outcome: asyncio.Future[Raw | VestibuleError]) -> None:
            answer = outcome.result()
            if not isinstance(answer, VestibuleError):
                then(answer)

        request.outcome.add_done_callback(settled)
        outcome = await asyncio.shield(request.outcome)
        if isinstance(outcome, VestibuleError):
            raise outcome
        return outcome

    async def post(
        self, make: Callable[[int], Message], about: About, name: str
    ) -> None:
        """Send a request that is answered only if it fails; that goes to `on_error`.

        Waits while the client reconnects, as `ask`, and when more is queued than the
        socket takes.
        """
        carrier = self.carrier
        if carrier is None or not self._usable:
            carrier = await self._usable_carrier(None)
        id_ = carrier.next_id()
        carrier.queue(self._encoded(make(id_), carrier, about, name))
        self._pending.unanswered(id_, about, name)
        if carrier.full:
            await carrier.room()

    def tell(self, message: Message, *, carrier: Carrier | None = None) -> bool:
        """Send a message without answer; `carrier`: only if it is still the present one.

        Answers whether it was sent: not without a connection, nor if it is too long.
        """
        present = self.carrier
        if present is None or carrier not in (None, present):
            return False
        encoded = encode(message)
        if len(encoded) > present.largest_message:
            return False
        present.queue(encoded)
        return True

    def forget(self, make: Callable[[int], Message]) -> None:
        """Send a request whose answer nobody waits for; without a connection, nothing."""
        if self.carrier is not None:
            self.tell(make(self.carrier.next_id()))

    async def _usable_carrier(self, wait: float | None) -> Carrier:
        try:
            async with asyncio.timeout(self.request_timeout if wait is None else wait):
                while True:
                    if self._reason is not None:
                        raise SessionClosed(self._reason)
                    if self._usable and self.carrier is not None:
                        return self.carrier
                    await self._changed.wait()
        except TimeoutError:
            raise ConnectionLost from None

    def _encoded(
        self, message: Message, carrier: Carrier, about: About, name: str
    ) -> bytes:
        try:
            encoded = encode(message)
        except InvalidBody:
            # Bodies are encoded before: what is left is a text without UTF-8 form.
            raise request_failed(
                ErrorCode.INVALID_PATH,
                "not text",
                {},
                topic=about.topic,
                action=about.action,
                name=name,
            ) from None
        if len(encoded) > carrier.largest_message:
            raise request_failed(
                ErrorCode.LIMIT_EXCEEDED,
                "longer than a message may be",
                {"limit": "limits.message_bytes"},
                topic=about.topic,
                action=about.action,
                name=name,
            )
        return encoded

    def _abandon(
        self, carrier: Carrier, abandon: Callable[[int], Message] | None, id_: int
    ) -> None:
        if abandon is not None:
            self.tell(abandon(id_), carrier=carrier)

    # Up: what the broker says.

    def noticed(self, notices: Sequence[AnyNotice | events.Malformed]) -> None:
        """Hand the messages of one record to who reads them."""
        handlers = self._handlers
        for notice in notices:
            handler = handlers.get(type(notice))
            if handler is not None:
                handler(notice)

    def _answered(self, notice: messages.Answered) -> None:
        self._pending.answered(notice.id, notice.data)

    def _failed(self, notice: messages.Failed) -> None:
        error = self._pending.failed(notice)
        if error is not None:
            self.report(error)

    def _unreadable(self, notice: events.Malformed) -> None:
        log.warning("notice.unreadable", extra={"tag": notice.tag})
        self._failed(messages.Failed(notice.id, notice.code, "an unreadable answer"))

    def _suspended(self, notice: messages.Suspended) -> None:
        feature = self._kinds.get(notice.kind)
        if feature is not None:
            feature.suspended(notice.names, notice.code)

    def _resumed(self, notice: messages.Resumed) -> None:
        feature = self._kinds.get(notice.kind)
        if feature is not None:
            feature.resumed(notice.names)

    def report(self, error: RequestFailed) -> None:
        """Tell the application of a failure that no call of its own can raise."""
        if self._on_error is None:
            log.warning("request.failed", extra={"code": error.code})
        else:
            self.callbacks.call(self._on_error, error)

    def reports_to(self, on_error: OnError | None) -> None:
        """Say where `report` goes."""
        self._on_error = on_error

    # What happens to the connection.

    def attach(self, carrier: Carrier) -> None:
        """Speak through `carrier`, to make again what the broker kept."""
        self.carrier = carrier

    async def reopen(self) -> None:
        """Make everything again.

        Raises:
            ConnectionLost, SessionClosed: the new connection is gone too.
        """
        # All ask before any waits: what they send leaves in one record.
        outcomes = await asyncio.gather(
            *(feature.reopen() for feature in self._features), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def open(self) -> None:
        """Let the session's requests go."""
        self._usable = True
        self._changed.set()
        self._changed.clear()

    def lost(self) -> None:
        """Take note that the connection is gone, and another is looked for."""
        self._detach(ConnectionLost)

    def end(self, reason: str, *, quietly: bool) -> None:
        """End for good."""
        self._reason = reason
        self._detach(lambda: SessionClosed(reason))
        for feature in self._features:
            feature.ended(reason, quietly=quietly)
        self._changed.set()

    def _detach(self, error: Callable[[], VestibuleError]) -> None:
        self.carrier = None
        self._usable = False
        self._pending.end(error)
        for feature in self._features:
            feature.lost()


def body_of(value: Any, about: About, name: str) -> Raw:
    """Encode what an application sends.

    Raises:
        RequestFailed: INVALID_MESSAGE_DATA, for what no message can carry.
    """
    try:
        return encode_body(value)
    except InvalidBody as problem:
        raise request_failed(
            ErrorCode.INVALID_MESSAGE_DATA,
            str(problem),
            {},
            topic=about.topic,
            action=about.action,
            name=name,
        ) from None


def value_of(body: Raw | bytes, about: About, name: str) -> Any:
    """Decode what came for an application.

    Raises:
        RequestFailed: INVALID_MESSAGE_DATA, for what is no value.
    """
    try:
        return decode_body(body)
    except InvalidBody:
        raise request_failed(
            ErrorCode.INVALID_MESSAGE_DATA,
            "a body that cannot be decoded",
            {},
            topic=about.topic,
            action=about.action,
            name=name,
        ) from None
