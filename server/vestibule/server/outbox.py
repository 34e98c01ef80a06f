"""The outbox: what leaves a connection in one turn of the loop, as one record."""

from collections.abc import Callable
from typing import Final

from vestibule.protocol.responder import Responder
from vestibule.server.turns import Turns


__all__ = ["Outbox"]


class Outbox:
    """Collects a connection's messages and seals them together.

    `write` takes the boxes of one flush; `unsent` tells the bytes that the socket has not taken yet.
    `overflow` is called when more than `limit` bytes wait.
    """

    __slots__ = (
        "_armed",
        "_at_end",
        "_closed",
        "_core",
        "_flush",
        "_limit",
        "_now",
        "_overflow",
        "_unsent",
        "_write",
    )

    def __init__(
        self,
        core: Responder,
        *,
        write: Callable[[list[bytes]], None],
        unsent: Callable[[], int],
        overflow: Callable[[], None],
        limit: int,
        turns: Turns,
        now: Callable[[], float],
    ) -> None:
        self._core: Final = core
        self._write = write
        self._unsent = unsent
        self._overflow = overflow
        self._limit = limit
        self._at_end = turns.at_end
        self._flush: Final = self.flush
        self._now = now
        self._armed = False
        self._closed = False

    def put(self, message: bytes) -> None:
        """Queue one encoded message; it leaves at the end of this turn of the loop."""
        core = self._core
        core.queue(message)
        if not self._armed:
            self._armed = True
            self._at_end(self._flush)
        elif core.queued_bytes > self._limit:
            self._overflowed()

    def flush(self) -> None:
        """Seal and write whatever is queued, now."""
        self._armed = False
        if self._closed:
            return
        boxes = self._core.outgoing(self._now())
        if boxes:
            self._write(boxes)
            if self._unsent() > self._limit:
                self._overflowed()

    def raise_limit(self, limit: int) -> None:
        """Let an admitted session have more unsent bytes than a stranger."""
        self._limit = limit

    def close(self) -> None:
        """Drop what is queued and take nothing more."""
        self._closed = True

    def _overflowed(self) -> None:
        if not self._closed:
            self._overflow()
