"""Single messages and their bodies as bytes.

How messages lie in a batch is `framing`; reading whole batches is `batches`.
"""

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from vestibule.protocol.errors import FramingError, InvalidBody
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import Message
from vestibule.protocol.values import DECODE_ERRORS, check_data, decode_value


__all__ = ["BODY_DEPTH", "decode_body", "decode_reserved", "encode", "encode_body"]

_DEFAULTS: Final = WireLimits()

BODY_DEPTH: Final = _DEFAULTS.data_depth - 1
"""Containers inside each other in a body: the message's own array is one more."""

T = TypeVar("T", bound=Message)


def _plain(value: object) -> object:
    """Give what a subclass derives from: a `Name` travels as its text."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(f"{type(value).__name__} is no data")


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_plain).encode


def encode(message: Message) -> bytes:
    """Encode one message.

    Raises:
        InvalidBody: text with a lone surrogate, or an integer beyond 64 bits.
    """
    try:
        return _encode(message)
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidBody(str(error)) from None


def encode_body(
    value: object, depth: int = BODY_DEPTH, nodes: int = _DEFAULTS.data_nodes
) -> Raw:
    """Encode data as the body of a message.

    Raises:
        InvalidBody: a conforming peer could not decode it, or it is no data.
    """
    check_data(value, depth, nodes)
    try:
        return Raw(_encode(value))
    except (UnicodeEncodeError, OverflowError, TypeError) as error:
        raise InvalidBody(str(error)) from None


def decode_body(
    body: bytes | Raw, depth: int = BODY_DEPTH, nodes: int = _DEFAULTS.data_nodes
) -> Any:
    """Decode the body of a message.

    Raises:
        InvalidBody: it breaks the value rules, or is not one msgpack value.
    """
    return decode_value(body, depth, nodes)


def decode_reserved(kind: type[T], message: bytes) -> T:
    """Decode a message of a reserved tag.

    Raises:
        FramingError: it has other elements than `kind`.
    """
    try:
        return msgspec.msgpack.decode(message, type=kind)
    except DECODE_ERRORS:
        raise FramingError(f"a malformed {kind.__name__}") from None
