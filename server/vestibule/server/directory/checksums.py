"""The checksum of a stored row: what a disk or an editor changed does not pass."""

import hashlib
from typing import Any, Final

import msgspec


__all__ = ["checksum"]

_BYTES: Final = 8

_encode: Final = msgspec.msgpack.encode


def checksum(table: str, row: tuple[Any, ...]) -> bytes:
    """Give the checksum of a row, its table's name included."""
    return hashlib.blake2b(_encode([table, *row]), digest_size=_BYTES).digest()
