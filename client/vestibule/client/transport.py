"""What a connection needs of whatever carries its bytes, and what it offers to it."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


__all__ = ["Dial", "Receiver", "Target", "Transport"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and how to ask for the upgrade."""

    url: str
    subprotocol: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to the upgrade request; an application may put credentials here."""


class Receiver(Protocol):
    """The other side of a transport. All are called on the loop, none raises."""

    def received(self, message: bytes) -> None:
        """Take one whole binary message."""

    def received_text(self) -> None:
        """Take note of a text message, which no broker sends."""

    def writable(self) -> None:
        """Take note that `congested` has become false."""

    def lost(self, close_code: int | None) -> None:
        """Take note of the end; the code is that of a close frame, if one came."""


class Transport(Protocol):
    """A WebSocket, once the upgrade has been answered."""

    @property
    def congested(self) -> bool:
        """Whether more is waiting to leave than should."""

    def send(self, message: bytes) -> None:
        """Send one binary message; after the end, do nothing."""

    def allow(self, message_bytes: int) -> None:
        """Take messages of up to this size from now on."""

    def close(self, code: int) -> None:
        """Send a close frame; `lost` follows within about a second."""

    def abort(self) -> None:
        """Drop what carries the bytes; `lost` follows."""


class Dial(Protocol):
    """Opens a transport.

    The receiver may be called before the transport is returned.

    Raises:
        HandshakeFailed: UPGRADE_REFUSED, or HANDSHAKE_INVALID for a wrong answer.
        OSError: there is no such peer, or no answer in time.
    """

    def __call__(self, target: Target, receiver: Receiver) -> Awaitable[Transport]:
        """Begin to open one."""
