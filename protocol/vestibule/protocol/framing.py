"""Where the messages of a batch begin and end, and what each one's head says.

A framing error makes the whole batch void, so all of it is checked before any message
is handled (docs/protocol.md, "Batches").
"""

import threading
from typing import Final, NamedTuple

import msgspec
from msgpack import OutOfData, Unpacker
from msgpack.exceptions import StackError, UnpackException

from vestibule.protocol.errors import FramingError
from vestibule.protocol.reserved import Tag
from vestibule.protocol.skipping import skip_value


__all__ = ["Entry", "count_messages", "ends_of", "read_entry", "split_batch"]

_MAX_TAG: Final = 65_535

_OVERFLOWING: Final = b"\xc9\xff\xff\xff\xff"
"""An extension of 2^32 - 1 bytes: msgpack's `skip` adds one and steps over nothing."""


_check_whole: Final = msgspec.msgpack.Decoder(msgspec.Raw).decode


class Entry(NamedTuple):
    """One message of a batch, not yet decoded.

    `number` is its second element where that is an integer: the id of a request, or the
    call that an answer names.
    """

    tag: int
    number: int | None
    data: bytes


class _Skipper(threading.local):
    """A msgpack unpacker of each thread: making one costs more than using it.

    It is empty between two batches: what does not come out even is thrown away.
    """

    def __init__(self) -> None:
        self.unpacker = Unpacker()


_skipper: Final = _Skipper()


def count_messages(batch: bytes, most: int) -> int:
    """Count what looks like the messages of a batch, as far as one more than `most`.

    Right for every batch that a decoder then takes; 0 where it cannot be told.
    """
    unpacker = _skipper.unpacker
    unpacker.feed(batch)
    skip, tell = unpacker.skip, unpacker.tell
    end = tell() + len(batch)
    count = 0
    try:
        while tell() < end:
            skip()
            count += 1
            if count > most:
                break
        else:
            return count
    except (UnpackException, ValueError):
        count = 0
    _skipper.unpacker = Unpacker()
    return count


def ends_of(batch: bytes, most: int) -> list[int]:
    """Give the place behind each message of a batch.

    Raises:
        FramingError: the batch is empty, cut off or no msgpack, or has more than `most`
            messages.
    """
    unpacker = Unpacker(max_buffer_size=max(len(batch), 1))
    unpacker.feed(batch)
    ends: list[int] = []
    try:
        while len(ends) <= most:
            unpacker.skip()
            ends.append(unpacker.tell())
    except OutOfData:
        pass
    except StackError:
        # Deeper than msgpack goes. That breaks the rules for values, not for frames.
        ends = _ends_slowly(batch, most)
    except (UnpackException, ValueError):
        raise FramingError("bytes that are no msgpack") from None
    _check_ends(ends, batch, most)
    return ends


def _ends_slowly(batch: bytes, most: int) -> list[int]:
    ends: list[int] = []
    at = 0
    try:
        while at < len(batch) and len(ends) <= most:
            at = skip_value(batch, at)
            ends.append(at)
    except ValueError as error:
        raise FramingError(str(error)) from None
    return ends


def _check_ends(ends: list[int], batch: bytes, most: int) -> None:
    if not batch:
        raise FramingError("an empty batch")
    if len(ends) > most:
        raise FramingError("too many messages")
    if not ends or ends[-1] != len(batch):
        raise FramingError("a message that is cut off")
    if _OVERFLOWING in batch:
        _check_overflows(ends, batch)


def _check_overflows(ends: list[int], batch: bytes) -> None:
    """Check that what overflows msgpack's counting only lies inside other data."""
    start = 0
    for end in ends:
        message = batch[start:end]
        start = end
        if _OVERFLOWING not in message:
            continue
        try:
            _check_whole(message)
        except RecursionError:
            if _ends_slowly(message, 1) != [len(message)]:
                raise FramingError("a message that is cut off") from None
        except msgspec.DecodeError:
            raise FramingError("a message that is cut off") from None


def split_batch(batch: bytes, most: int) -> list[Entry]:
    """Split a batch into its messages and check its whole framing.

    Raises:
        FramingError: as `ends_of`; a message that is no array, is empty or has no tag;
            `rekey` or `bye` before the last place.
    """
    entries: list[Entry] = []
    start = 0
    for end in ends_of(batch, most):
        entries.append(read_entry(batch[start:end]))
        start = end
    for entry in entries[:-1]:
        if entry.tag in (Tag.REKEY, Tag.BYE):
            raise FramingError("a message that ends its record, in the middle of one")
    return entries


def read_entry(message: bytes) -> Entry:
    """Read the head of one message.

    Raises:
        FramingError: it is no array, an empty one, or its first element is no tag.
    """
    lead = message[0]
    if 0x90 <= lead <= 0x9F:  # noqa: PLR2004 - msgpack's own numbers, here and below
        size, at = lead - 0x90, 1
    elif lead in (0xDC, 0xDD):
        at = 3 if lead == 0xDC else 5  # noqa: PLR2004 - bytes of the format
        size = int.from_bytes(message[1:at], "big")
    else:
        raise FramingError("a message that is no array")
    if not size:
        raise FramingError("a message without a tag")
    tag, at = _integer(message, at)
    if tag is None or not 0 <= tag <= _MAX_TAG:
        raise FramingError("a message whose first element is no tag")
    number = _integer(message, at)[0] if size > 1 else None
    return Entry(tag, number, message)


def _integer(data: bytes, at: int) -> tuple[int | None, int]:
    """Read an integer in any encoding; None for what is none."""
    lead = data[at]
    at += 1
    if lead <= 0x7F:  # noqa: PLR2004 - bytes of the format
        return lead, at
    if lead >= 0xE0:  # noqa: PLR2004 - bytes of the format
        return lead - 0x100, at
    signed = 0xD0 <= lead <= 0xD3  # noqa: PLR2004 - bytes of the format
    if not signed and not 0xCC <= lead <= 0xCF:  # noqa: PLR2004 - bytes of the format
        return None, at
    end = at + (1 << (lead & 3))
    return int.from_bytes(data[at:end], "big", signed=signed), end
