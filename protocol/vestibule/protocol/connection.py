"""What both ends of a connection do: open records, keep phases, notice silence, end.

`Responder` and `Initiator` add what only one of them does. There is no I/O and no clock
here: the owner hands in what arrived and the time, sends what `outgoing` gives, closes
what has ended, and calls `tick` when `deadline` is reached.
"""

from abc import abstractmethod
from collections import deque
from contextlib import suppress
from typing import Final

from vestibule.protocol.clear import ClearKey
from vestibule.protocol.codec import decode_reserved, encode
from vestibule.protocol.crypto import (
    MAX_EPOCH_BYTES,
    MAX_EPOCH_RECORDS,
    ReceivingKey,
)
from vestibule.protocol.errors import (
    BadRecord,
    CloseCode,
    EndReason,
    FramingError,
    InvalidBody,
    reason_of,
)
from vestibule.protocol.events import ByeReceived, Event
from vestibule.protocol.framing import Entry, split_batch
from vestibule.protocol.lifecycle import Lifecycle
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.phases import Phase, Reads, Transitions
from vestibule.protocol.reserved import (
    FIRST_MESSAGE_TAG,
    Bye,
    Pad,
    Ping,
    Pong,
    Rekey,
    Tag,
)
from vestibule.protocol.values import decode_value


__all__ = ["Connection"]

_ADMITTED: Final = Phase.ADMITTED
_STRANGERS: Final = frozenset({Phase.QUARANTINED, Phase.DECIDING, Phase.CHALLENGED})
_PRIVATE_CODES: Final = range(4000, 5000)
"""The close codes of RFC 6455 7.4.2 that an application may send as it likes."""


class Connection(Lifecycle):
    """One end of a connection.

    After every call, send `outgoing()` and re-arm the timer from `deadline()`. Nothing
    that a peer sends raises: it becomes events. Once `Ended` was given, nothing does
    anything any more.
    """

    __slots__ = (
        "_entries",
        "_reads",
        "_receiving",
        "_record_bytes",
        "_records",
        "exporter",
        "session_id",
    )

    def __init__(
        self,
        limits: WireLimits,
        transitions: Transitions,
        reads: Reads,
        breach_code: CloseCode,
    ) -> None:
        """Take the tables of this end, and how it ends what breaks quarantine."""
        super().__init__(limits, transitions, breach_code)
        self._reads: Final = reads
        self._receiving: ReceivingKey | ClearKey | None = None
        self._record_bytes = limits.quarantine_message_bytes
        self._entries: deque[Entry] = deque()  # the rest of an opened batch
        self._records: deque[bytes] = deque()  # what waits unopened behind a login
        self.session_id = ""
        self.exporter: bytes | None = None

    def receive(self, message: bytes, now: float) -> list[Event]:
        """Take one whole binary message of the WebSocket."""
        if self.phase is _ADMITTED:
            events = self._take_record(message, now)
            return events + self._work_off(now) if self._entries else events
        return self._receive_early(message, now)

    def receive_text(self, now: float) -> list[Event]:
        """Take note of a text message: there is none in this protocol."""
        del now
        if self.phase is Phase.GREETING:
            return self._refuse_hello("text in place of a hello")
        return self._fail(CloseCode.BAD_RECORD, "a text message")

    def _receive_early(self, message: bytes, now: float) -> list[Event]:
        """Take a message in any phase but the admitted one."""
        if self.phase in _STRANGERS:
            return self._receive_from_stranger(message, now)
        if self.phase is Phase.GREETING:
            return self._greet(message, now)
        if self.phase is Phase.CLOSING:
            return self._look_for_bye(message)
        return []

    def _receive_from_stranger(self, message: bytes, now: float) -> list[Event]:
        if len(message) > self._record_bytes:
            return self._fail(CloseCode.MESSAGE_TOO_BIG, "a message that is too long")
        self._records.append(message)
        if self._reads[self.phase]:
            return self._work_off(now)
        waiting = sum(len(entry.data) for entry in self._entries)
        waiting += sum(len(record) for record in self._records)
        if waiting > self._limits.quarantine_waiting_bytes:
            return self._drop("too much waits behind a login")
        return []

    def _take_record(self, record: bytes, now: float) -> list[Event]:
        """Open one record. What of it has still to be handled is left in `_entries`."""
        key = self._receiving
        if len(record) > self._record_bytes or key is None:
            return self._fail(CloseCode.MESSAGE_TOO_BIG, "a message that is too long")
        try:
            batch = key.open(record)
        except BadRecord as error:
            return self._fail(error.code, "a message that does not open")
        self._heard = now
        if (
            self.phase is _ADMITTED
            and key.records < MAX_EPOCH_RECORDS
            and key.bytes < MAX_EPOCH_BYTES
        ):
            event = self._read_batch(batch)
            if event is not None:
                return [event]
        try:
            self._entries.extend(self._split(batch, key))
        except (FramingError, InvalidBody) as error:
            return self._breach(str(error))
        return []

    def _split(self, batch: bytes, key: ReceivingKey | ClearKey) -> list[Entry]:
        """Check a whole batch before any of it is handled, and change keys after it."""
        limits = self._limits
        entries = split_batch(batch, limits.batch_messages)
        if self.phase in _STRANGERS:
            for entry in entries:
                decode_value(entry.data, limits.data_depth, limits.data_nodes)
        last = entries[-1]
        if last.tag == Tag.REKEY:
            if isinstance(key, ClearKey):
                raise FramingError("rekey without encryption")
            with suppress(FramingError):  # a malformed one ends it all in its turn
                decode_reserved(Rekey, last.data)
                key.rekey()
        elif key.records >= MAX_EPOCH_RECORDS or key.bytes >= MAX_EPOCH_BYTES:
            raise FramingError("an epoch that does not end")
        return entries

    def _work_off(self, now: float) -> list[Event]:
        """Handle what has arrived until a login is to be decided or all is over."""
        events: list[Event] = []
        while self._reads[self.phase]:
            if self._entries:
                events += self._handle_entries()
            elif self._records:
                events += self._take_record(self._records.popleft(), now)
            else:
                break
        return events

    def _handle_entries(self) -> list[Event]:
        """Handle messages one by one; those from tag 16 on become one event."""
        events: list[Event] = []
        while self._entries and (reads := self._reads[self.phase]):
            entry = self._entries.popleft()
            try:
                happened = self._handle(entry, reads)
            except FramingError as error:
                happened = self._breach(str(error))
            if happened:
                events += self._gathered()
                events += happened
        return events + self._gathered()

    def _handle(self, entry: Entry, reads: frozenset[int]) -> list[Event]:
        """Handle one message in its turn.

        Raises:
            FramingError: the phase does not allow it, or it has other elements.
        """
        if min(entry.tag, FIRST_MESSAGE_TAG) not in reads:
            raise FramingError("a message that this phase does not allow")
        match entry.tag:
            case Tag.PAD:
                decode_reserved(Pad, entry.data)
            case Tag.REKEY:
                decode_reserved(Rekey, entry.data)  # done when the record was split
            case Tag.PING:
                self._put(encode(Pong(decode_reserved(Ping, entry.data).number)))
            case Tag.PONG:
                decode_reserved(Pong, entry.data)
            case Tag.BYE:
                return self._bye_came(decode_reserved(Bye, entry.data))
            case tag if tag < FIRST_MESSAGE_TAG:
                return self._handle_login(entry)
            case _:
                self._gather(entry)
        return []

    def _bye_came(self, bye: Bye) -> list[Event]:
        """Answer the first bye of the connection, and end it."""
        reason = reason_of(bye.code, bye.reason)
        self._put_farewell(encode(self._answer_to_bye()), discard=False)
        sendable = bye.code == CloseCode.CLOSED or bye.code in _PRIVATE_CODES
        code = bye.code if sendable else CloseCode.CLOSED
        came = ByeReceived(bye.code, reason, max(0, bye.retry_after_ms))
        return [came, *self._finish(code, reason)]

    def _look_for_bye(self, record: bytes) -> list[Event]:
        """Look, after this end's bye, at nothing but the other's."""
        key = self._receiving
        if key is None or len(record) > self._record_bytes:
            return self._fail(CloseCode.MESSAGE_TOO_BIG, "")
        try:
            last = self._split(key.open(record), key)[-1]
            if last.tag != Tag.BYE:
                return []
            decode_reserved(Bye, last.data)
        except (FramingError, InvalidBody):
            return []
        except BadRecord:
            return self._fail(CloseCode.BAD_RECORD, "")
        # The code and the reason are those of this end's bye, the first.
        return self.lost(self._heard)

    def bye(
        self,
        code: CloseCode,
        reason: str = "",
        retry_after_ms: int = 0,
        *,
        discard: bool = False,
    ) -> None:
        """Say bye, as `Lifecycle.bye`, and forget what waits to be read."""
        super().bye(code, reason, retry_after_ms, discard=discard)
        self._forget()

    def _finish(
        self,
        code: int | None,
        reason: EndReason,
        problem: str = "",
        *,
        drop: bool = False,
    ) -> list[Event]:
        self._forget()
        return super()._finish(code, reason, problem, drop=drop)

    def _forget(self) -> None:
        self._entries.clear()
        self._records.clear()

    def _admit(self, now: float) -> None:
        super()._admit(now)
        self._record_bytes = self._limits.message_bytes

    @abstractmethod
    def _greet(self, message: bytes, now: float) -> list[Event]:
        """Take the other end's hello."""

    @abstractmethod
    def _refuse_hello(self, problem: str) -> list[Event]:
        """End a connection whose hello is none."""

    @abstractmethod
    def _read_batch(self, batch: bytes) -> Event | None:
        """Read a batch of nothing but good messages from tag 16 on, else give None."""

    @abstractmethod
    def _gather(self, entry: Entry) -> None:
        """Read one message from tag 16 on and keep it for `_gathered`.

        Raises:
            FramingError: it ends the connection.
        """

    @abstractmethod
    def _gathered(self) -> list[Event]:
        """Give the event of what was gathered, if anything was."""

    @abstractmethod
    def _handle_login(self, entry: Entry) -> list[Event]:
        """Handle one message of tags 3 to 8.

        Raises:
            FramingError: it has other elements.
        """

    @abstractmethod
    def _answer_to_bye(self) -> Bye:
        """Give this end's bye in answer to the other's."""
