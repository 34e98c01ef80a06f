"""The sending half of a connection: what is queued, sealed, re-keyed, and said last."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import inf
from typing import Final

from vestibule.protocol.boxes import BOX_OVERHEAD
from vestibule.protocol.clear import ClearKey
from vestibule.protocol.codec import encode
from vestibule.protocol.crypto import MAX_EPOCH, SendingKey
from vestibule.protocol.errors import CloseCode, LocalProtocolError, MessageTooLarge
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.reserved import Pad, Rekey


__all__ = ["SendingHalf"]

_REKEY: Final = encode(Rekey())

_SEALING: Final = BOX_OVERHEAD + len(_REKEY)
"""What a record may need beyond its messages."""

_SPARE_MESSAGES: Final = 2
"""Places that a record keeps free: for `rekey`, and for an item that is two messages."""

_PAD_UNIT: Final = 256
_PAD_BYTES: Final = len(encode(Pad(b"")))


class SendingHalf(ABC):
    """Turns messages into records; `Connection` adds the receiving half.

    They are one object, not two, because a delivery to a subscriber is little more than
    one `queue` and one `outgoing`.
    """

    __slots__ = (
        "_epoch_ends",
        "_farewell",
        "_heralds",
        "_limits",
        "_logins",
        "_most",
        "_queue",
        "_sending",
        "_silent",
        "_takes",
        "_unusual",
        "largest_message",
        "queued_bytes",
    )

    def __init__(self, limits: WireLimits) -> None:
        self._heralds: list[bytes] = []  # hellos: they leave as they are
        self._logins: list[bytes] = []  # each leaves padded, in a record of its own
        self._queue: list[bytes] = []
        self._farewell: bytes | None = None
        self._unusual = False  # whether anything but the queue has to leave
        self._takes = False  # whether the owner may queue messages
        self._silent = False  # whether nothing of the owner leaves any more
        self._sending: SendingKey | ClearKey | None = None
        self._epoch_ends = inf
        self.queued_bytes = 0
        self._use_limits(limits)
        self._use_record_bytes(limits.quarantine_message_bytes)

    def queue(self, message: bytes) -> None:
        """Take one encoded message from tag 16 on; the next `outgoing` sends it.

        After a bye it is dropped.

        Raises:
            LocalProtocolError: no message may be sent yet.
            MessageTooLarge: it is longer than `largest_message`: it fits no record.
        """
        size = len(message)
        if size > self.largest_message or not self._takes:
            self._refuse(size)
            return
        self._queue.append(message)
        self.queued_bytes += size

    def outgoing(self, now: float) -> list[bytes]:
        """Give the WebSocket messages to send, in their order: all that is queued."""
        if self._unusual:
            return self._outgoing_in_parts(now)
        queue = self._queue
        if not queue:
            return []
        size = self.queued_bytes
        key = self._sending
        limits = self._limits
        if (
            key is None
            or size > self.largest_message
            or len(queue) > self._most
            or now >= self._epoch_ends
            or key.records + 1 >= limits.rekey_records
            or key.bytes + size + _SEALING >= limits.rekey_bytes
        ):
            return self._outgoing_in_parts(now)
        box = key.seal(b"".join(queue))
        queue.clear()
        self.queued_bytes = 0
        return [box]

    @abstractmethod
    def bye(
        self,
        code: CloseCode,
        reason: str = "",
        retry_after_ms: int = 0,
        *,
        discard: bool = False,
    ) -> None:
        """End this direction, behind what is queued or, with `discard`, instead of it."""

    @abstractmethod
    def _bye_left(self, now: float) -> None:
        """Take note that the bye is among what `outgoing` gives."""

    def _use_limits(self, limits: WireLimits) -> None:
        self._limits = limits
        self._most = limits.batch_messages - _SPARE_MESSAGES

    def _use_record_bytes(self, record_bytes: int) -> None:
        """Set the length of the longest record to be sent from now on."""
        self.largest_message = record_bytes - _SEALING

    def _use_key(self, key: SendingKey | ClearKey, now: float) -> None:
        self._sending = key
        encrypted = isinstance(key, SendingKey)
        self._epoch_ends = now + self._limits.rekey_seconds if encrypted else inf

    def _refuse(self, size: int) -> None:
        if self._silent:
            return
        if not self._takes:
            raise LocalProtocolError("no message may be sent in this phase")
        raise MessageTooLarge(size, self.largest_message)

    @staticmethod
    def _check_size(size: int, record_bytes: int) -> None:
        """Refuse messages that fit no record of `record_bytes`."""
        if size > record_bytes - _SEALING:
            raise MessageTooLarge(size, record_bytes - _SEALING)

    def _put(self, message: bytes) -> None:
        """Queue what the core itself says."""
        if len(message) > self.largest_message:
            raise MessageTooLarge(len(message), self.largest_message)
        self._queue.append(message)
        self.queued_bytes += len(message)

    def _herald(self, hello: bytes) -> None:
        self._heralds.append(hello)
        self._unusual = True

    def _put_login(self, login: bytes) -> None:
        size = len(login) + _PAD_UNIT
        if size > self.largest_message:
            raise MessageTooLarge(size, self.largest_message)
        self._logins.append(login)
        self._unusual = True

    def _put_farewell(self, bye: bytes, *, discard: bool) -> None:
        """Let `bye` be the last message; what is queued until it leaves goes before."""
        if discard:
            self._queue.clear()
            self.queued_bytes = 0
        self._farewell = bye
        self._unusual = True

    def _discard(self) -> None:
        """Forget all that has not left, and take nothing more."""
        self._takes = False
        self._silent = True
        self._heralds.clear()
        self._logins.clear()
        self._queue.clear()
        self.queued_bytes = 0
        self._farewell = None
        self._unusual = False

    def _outgoing_in_parts(self, now: float) -> list[bytes]:
        records, self._heralds = self._heralds, []
        self._unusual = False
        for login in self._logins:
            records.append(self._seal(login, now, padded=True))
        self._logins.clear()
        for batch in self._parts():
            records.append(self._seal(batch, now))
        self._queue.clear()
        self.queued_bytes = 0
        farewell, self._farewell = self._farewell, None
        if farewell is not None and self._sending is not None:
            # A bye is the last message of its record, so is a rekey: where one is due
            # it has a record to itself.
            if self._must_rekey(len(farewell), now):
                records.append(self._seal(b"", now))
            records.append(self._sending.seal(farewell))
            self._discard()
            self._bye_left(now)
        return records

    def _parts(self) -> Iterator[bytes]:
        """Give the queue as batches that each fit a record."""
        part: list[bytes] = []
        size = 0
        for message in self._queue:
            full = size + len(message) > self.largest_message
            if part and (full or len(part) >= self._most):
                yield b"".join(part)
                part.clear()
                size = 0
            part.append(message)
            size += len(message)
        if part:
            yield b"".join(part)

    def _must_rekey(self, size: int, now: float) -> bool:
        """Whether a record of so many bytes of messages has to end its epoch.

        It may be said two bytes early, by the length of the rekey itself.
        """
        key = self._sending
        if not isinstance(key, SendingKey) or key.epoch == MAX_EPOCH:
            return False
        return (
            now >= self._epoch_ends
            or key.records + 1 >= self._limits.rekey_records
            or key.bytes + size + _SEALING >= self._limits.rekey_bytes
        )

    def _seal(self, batch: bytes, now: float, *, padded: bool = False) -> bytes:
        key = self._sending
        if key is None:
            raise LocalProtocolError("there are no keys yet")
        rekey = self._must_rekey(len(batch) + _PAD_UNIT * padded, now)
        if padded:
            batch = _pad(len(batch) + len(_REKEY) * rekey) + batch
        if not rekey or isinstance(key, ClearKey):
            return key.seal(batch)
        box = key.seal(batch + _REKEY)
        key.rekey()
        self._use_key(key, now)
        if key.epoch == MAX_EPOCH:
            # No epoch follows this one, so the connection ends while it lasts.
            self.bye(CloseCode.SHUTTING_DOWN)
        return box


def _pad(size: int) -> bytes:
    """Make the `pad` that brings a batch of `size` bytes to a multiple of 256."""
    missing = -size % _PAD_UNIT
    if missing < _PAD_BYTES:
        missing += _PAD_UNIT
    return encode(Pad(bytes(missing - _PAD_BYTES)))
