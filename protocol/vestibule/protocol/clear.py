"""What stands in place of keys without encryption (docs/protocol.md, "Without encryption")."""

from typing import Final


__all__ = ["ClearKey"]


class ClearKey:
    """Seals and opens nothing, counts nothing, and never has to change.

    No negotiation leads here: both ends were told so before the connection.
    """

    __slots__ = ()

    epoch: Final = 0
    records: Final = 0

    @staticmethod
    def seal(batch: bytes) -> bytes:
        """Give the batch itself."""
        return batch

    @staticmethod
    def open(box: bytes) -> bytes:
        """Give the message itself: it is a bare batch."""
        return box

    # Last, because in the class body it would hide the type of this name.
    bytes: Final = 0
