"""A graceful stop: every session is told, when to come back is spread."""

import asyncio
import secrets
from collections.abc import Callable, Iterable

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.session import Session


__all__ = ["say_goodbye"]

_LOOK_EVERY: float = 0.05
"""Seconds between looks at whether the calls under way have been answered."""


async def say_goodbye(
    sessions: Iterable[Session],
    *,
    busy: Callable[[Session], bool],
    drain: float,
    spread: float,
) -> None:
    """End every session as `shutting_down`, those with calls under way last.

    Each is told to come back after a time drawn evenly from 0 to `spread` seconds, so
    that they do not all come at once. A session that waits for calls, or that others
    wait for, is given until `drain` seconds are over.
    """
    left = list(sessions)
    loop = asyncio.get_running_loop()
    until = loop.time() + drain
    while left:
        late = loop.time() >= until
        waiting = []
        for session in left:
            if not late and busy(session):
                waiting.append(session)
            elif not session.ended:
                session.link.end(
                    CloseCode.SHUTTING_DOWN,
                    EndReason.SHUTTING_DOWN,
                    retry_after_ms=secrets.randbelow(int(spread * 1000) + 1),
                )
        left = waiting
        if left:
            await asyncio.sleep(min(_LOOK_EVERY, max(0.0, until - loop.time())))
