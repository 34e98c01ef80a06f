"""One subscription: what it is told, its buffer, and the iterator that reads it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from vestibule.client.callbacks import Callbacks
from vestibule.client.channel import value_of
from vestibule.client.errors import (
    MessageDenied,
    RequestFailed,
    SessionClosed,
    VestibuleError,
    request_failed,
)
from vestibule.client.pending import About
from vestibule.client.suspension import OnAccess, Suspendable
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import ErrorCode


if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Event", "Subscription"]

SUBSCRIBE: Final = About(Topic.EVENT, Action.SUBSCRIBE)


@dataclass(frozen=True, slots=True)
class Event:
    """What somebody published: under which name, and the data, a private copy."""

    name: str
    data: Any


class Keeper(Protocol):
    """Who makes a subscription live, and takes it away again."""

    async def enter(self, subscription: "Subscription") -> None:
        """Make it live; its `patterns` and `refused` are set afterwards."""

    async def leave(self, subscription: "Subscription") -> None:
        """Take it away and everything that is kept for it."""

    def drop(self, subscription: "Subscription") -> None:
        """Take it away without waiting: it has ended by itself."""


class Subscription(Suspendable):
    """Events as they come: `async with … as subscription: async for event in …`.

    `session.events.subscribe` makes it. Entering returns when it is live. The iterator
    ends quietly when the block or the session is closed here, and raises what ended it
    otherwise: SessionClosed; SUBSCRIPTION_OVERFLOW, once the buffer was full;
    MessageDenied (PERMISSION_REVOKED), with `raise_on_revoked`. What was received
    before comes first. A body that cannot be decoded raises INVALID_MESSAGE_DATA in its
    place, and the iterator goes on.
    """

    def __init__(
        self,
        keeper: Keeper,
        callbacks: Callbacks,
        given: tuple[str, ...],
        *,
        echo: bool,
        buffer: int,
        raise_on_revoked: bool,
        on_state: OnAccess | None,
    ) -> None:
        super().__init__(callbacks, on_state)
        self._keeper: Final = keeper
        self._limit: Final = buffer
        self._raise_on_revoked: Final = raise_on_revoked
        self._buffer: deque[tuple[str, bytes]] = deque()
        self._arrived: Final = asyncio.Event()
        self._entered = False
        self._over = False
        self._error: VestibuleError | None = None
        self.given: Final = given
        self.echo: Final = echo
        self.patterns: tuple[str, ...] = ()
        """Those that were accepted, in the order given."""
        self.refused: Mapping[str, RequestFailed] = {}
        """Why the others were not."""
        self.gaps = 0
        """How often events may have been missed: reconnections and suspensions."""

    def __repr__(self) -> str:
        return f"<Subscription {', '.join(self.given)}>"

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a subscription is entered once")
        self._entered = True
        await self._keeper.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._buffer.clear()
        self._finish(None)
        await self._keeper.leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._buffer:
            if self._over:
                if self._error is None:
                    raise StopAsyncIteration
                raise self._error.with_traceback(None)
            self._arrived.clear()
            await self._arrived.wait()
        name, body = self._buffer.popleft()
        return Event(name, value_of(body, SUBSCRIBE, name))

    @property
    def exhausted(self) -> bool:
        """Whether it has ended and everything has been read."""
        return self._over and not self._buffer

    # What its keeper tells. Nothing of it waits or raises.

    def deliver(self, name: str, body: bytes) -> None:
        """Take an event; one more than the buffer holds ends the subscription."""
        if self._over:
            return
        if len(self._buffer) >= self._limit:
            self._end(
                request_failed(
                    ErrorCode.SUBSCRIPTION_OVERFLOW,
                    f"more than {self._limit} events were waiting",
                    {},
                    topic=Topic.EVENT,
                    action=Action.SUBSCRIBE,
                    name=name,
                )
            )
            return
        self._buffer.append((name, body))
        if not self._arrived.is_set():
            self._arrived.set()

    def revoke(self, patterns: tuple[str, ...], code: str) -> None:
        """Take note that patterns are suspended."""
        if self.suspend(patterns, code) and self._raise_on_revoked:
            self._end(
                MessageDenied(
                    ErrorCode.PERMISSION_REVOKED,
                    "the right to it was taken away",
                    topic=Topic.EVENT,
                    action=Action.SUBSCRIBE,
                    name=patterns[0],
                )
            )

    def restore(self, patterns: tuple[str, ...]) -> None:
        """Take note that patterns resume; what was missed is not replayed."""
        if self.resume(patterns):
            self.gaps += 1

    def fail(self, error: RequestFailed) -> None:
        """Take note that the broker does not keep it any longer."""
        self._end(error)

    def session_ended(self, reason: str, *, quietly: bool) -> None:
        """Take note that the session is over."""
        self._finish(None if quietly else SessionClosed(reason))

    def _end(self, error: RequestFailed) -> None:
        self._finish(error)
        self._keeper.drop(self)

    def _finish(self, error: VestibuleError | None) -> None:
        if not self._over:
            self._over = True
            self._error = error
        self._arrived.set()
