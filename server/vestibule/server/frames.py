"""WebSocket frames of a server: unmasked, whole, binary (RFC 6455, section 5.2)."""

from collections.abc import Sequence
from typing import Final


__all__ = ["binary_frames"]

_BINARY: Final = 0x82
"""FIN and the opcode of a binary message."""

_IN_TWO: Final = bytes((_BINARY, 126))
_IN_EIGHT: Final = bytes((_BINARY, 127))
"""What stands before a length of two and of eight bytes."""


def binary_frames(messages: Sequence[bytes]) -> bytes:
    """Frame each message and join the frames, for one write to the socket."""
    if len(messages) == 1:
        message = messages[0]
        return _header(len(message)) + message
    parts: list[bytes] = []
    for message in messages:
        parts += (_header(len(message)), message)
    return b"".join(parts)


def _header(size: int) -> bytes:
    if size < 126:  # noqa: PLR2004 - RFC 6455: up to 125 stands in the header
        return bytes((_BINARY, size))
    if size < 65_536:  # noqa: PLR2004 - RFC 6455: in two bytes
        return _IN_TWO + size.to_bytes(2, "big")
    return _IN_EIGHT + size.to_bytes(8, "big")
