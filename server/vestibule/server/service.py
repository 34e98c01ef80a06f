"""What the conversations of a broker share, and the wire that each stands on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.errors import EndReason
from vestibule.protocol.limits import WireLimits
from vestibule.server.counters import Counters
from vestibule.server.inbox import InboxLimits
from vestibule.server.quarantine import Door
from vestibule.server.router import Router
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks
from vestibule.server.turns import Turns


__all__ = ["Service", "Wire"]


class Wire(Protocol):
    """The socket below: whole WebSocket messages, and ways to end."""

    def write(self, boxes: Sequence[bytes]) -> None:
        """Send each box as one binary message."""

    def unsent(self) -> int:
        """Tell the bytes that the socket has not taken yet."""

    def close(self, code: int) -> None:
        """Close with a close frame of `code` and no reason."""

    def drop(self) -> None:
        """Close the TCP connection at once."""

    def admitted(self) -> None:
        """Apply the bounds of a session in place of a stranger's."""

    def pause(self) -> None:
        """Read no further until `resume`."""

    def resume(self) -> None:
        """Read on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the conversations of a broker share."""

    loop: asyncio.AbstractEventLoop
    identities: Sequence[IdentityKey]
    encrypted: bool
    wire: WireLimits
    inbox: InboxLimits
    turns: Turns
    stranger_unsent_bytes: int
    outbox_bytes: int
    handshake_timeout: float
    login_timeout: float
    door: Door
    router: Router
    tasks: Tasks
    counters: Counters
    login_fields: Callable[[Session], dict[str, object]]
    """What `login_accepted` says besides the username."""
    admitted: Callable[[Session], None]
    ended: Callable[[Session, EndReason], None]
