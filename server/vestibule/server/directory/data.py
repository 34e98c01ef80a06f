"""Data that is kept for administrators and applications: checked once, kept encoded.

The encoded form is immutable and the same for equal values of equal types, so it can
be compared to see whether a call changes anything.
"""

import math
from collections.abc import Collection
from typing import Any, Final, cast

import msgspec


__all__ = ["NOTHING", "InvalidData", "pack", "unpack"]

_MAX_BYTES: Final = 64 * 1024
"""What fits a message many times; larger things belong in records."""

_MAX_DEPTH: Final = 32
"""Containers inside each other; half of what a message may hold."""

_MAX_INT: Final = 2**64 - 1
_MIN_INT: Final = -(2**63)

NOTHING: Final = b"\xc0"
"""None, which stands for data that is absent."""

_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Final = msgspec.msgpack.Decoder().decode


class InvalidData(ValueError):  # noqa: N818 - it names the value, not the failure
    """The value is no data, too large or too deep; the text says which."""


def pack(value: Any) -> bytes:
    """Check and encode None, bool, int, finite float, str, list and dict.

    Raises:
        InvalidData: another type, a key that is no str, a number or text that
            MessagePack cannot carry, more than 64 KiB or 32 levels.
    """
    _check(value)
    try:
        packed = _encode(value)
    except (UnicodeEncodeError, OverflowError) as problem:
        raise InvalidData(str(type(problem).__name__)) from None
    if len(packed) > _MAX_BYTES:
        raise InvalidData(f"is larger than {_MAX_BYTES} bytes")
    return packed


def unpack(packed: bytes) -> Any:
    """Give a fresh copy of what `pack` encoded."""
    return _decode(packed)


def _check(value: Any) -> None:
    """Walk the value without recursion; it ends for values that hold themselves."""
    waiting = [(value, 0)]
    seen = 1
    while waiting:
        one, depth = waiting.pop()
        items = _items(one)
        if items and depth == _MAX_DEPTH:
            raise InvalidData(f"is more than {_MAX_DEPTH} deep")
        seen += len(items)
        if seen > _MAX_BYTES:  # each takes at least a byte
            raise InvalidData(f"is larger than {_MAX_BYTES} bytes")
        waiting.extend((item, depth + 1) for item in items)


def _items(value: Any) -> Collection[Any]:
    """Check one value by itself and give what it holds."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return ()
    if kind is int and not _MIN_INT <= value <= _MAX_INT:
        raise InvalidData("holds an integer of more than 64 bits")
    if kind is float and not math.isfinite(value):
        raise InvalidData("holds a number that is not finite")
    if kind in (int, float):
        return ()
    if kind is list:
        return cast("list[Any]", value)
    if kind is dict:
        if not all(type(key) is str for key in value):
            raise InvalidData("holds a key that is no text")
        return cast("dict[str, Any]", value).values()
    raise InvalidData(f"holds a value of type {kind.__name__}")
