"""Notices of changes: from the connection to the streams that read them."""

from collections.abc import Callable, Mapping
from typing import Any

from vestibule.client.changes import Change, ChangeStream
from vestibule.client.channel import Feature
from vestibule.client.errors import SessionClosed
from vestibule.protocol import messages
from vestibule.protocol.messages import Message


__all__ = ["Changes"]


class Changes(Feature):
    """Hands notices of changes to whoever reads them."""

    def __init__(self) -> None:
        self._open: dict[ChangeStream, None] = {}
        self._reason: str | None = None

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """As `Feature.handlers`."""
        return {messages.ChangeNoticed: self._noticed}

    def stream(self) -> ChangeStream:
        """Give a stream of what is told from its entering on."""
        return ChangeStream(self)

    def enter(self, stream: ChangeStream) -> None:
        """Tell a stream of changes from now on.

        Raises:
            SessionClosed: the session is over.
        """
        if self._reason is not None:
            raise SessionClosed(self._reason)
        self._open[stream] = None

    def leave(self, stream: ChangeStream) -> None:
        """Tell a stream of nothing more."""
        self._open.pop(stream, None)

    def _noticed(self, notice: messages.ChangeNoticed) -> None:
        change = Change(notice.epoch, tuple(notice.kinds))
        for stream in self._open:
            stream.deliver(change)

    def lost(self) -> None:
        """As `Feature.lost`."""
        for stream in self._open:
            stream.gaps += 1

    def ended(self, reason: str, *, quietly: bool) -> None:
        """As `Feature.ended`."""
        self._reason = reason
        for stream in self._open:
            stream.finish(None if quietly else reason)
