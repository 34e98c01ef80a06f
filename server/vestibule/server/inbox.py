"""The inbox: a session's messages one after the other, answers past the rest."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from vestibule.protocol import messages
from vestibule.protocol.events import Malformed
from vestibule.server.router import Router
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks
from vestibule.server.turns import Turns


__all__ = ["Inbox", "InboxLimits"]

_ANSWERS: Final = frozenset(
    {
        messages.Accept,
        messages.Reject,
        messages.Respond,
        messages.Fail,
        messages.AuthenticatorAnswered,
    }
)
"""What answers a question that the session was asked: it waits for nothing
(docs/protocol.md, "Order")."""


class InboxLimits:
    """How fast a session is handled, and how much may wait."""

    __slots__ = ("per_second", "turn_messages", "waiting_bytes", "waiting_messages")

    def __init__(
        self,
        *,
        turn_messages: int,
        waiting_messages: int,
        waiting_bytes: int,
        per_second: float | None,
    ) -> None:
        self.turn_messages: Final = turn_messages
        self.waiting_messages: Final = waiting_messages
        self.waiting_bytes: Final = waiting_bytes
        self.per_second: Final = per_second


class Inbox:
    """Hands a session's messages to the router in the order they came.

    A message whose handling takes its time holds up those behind it, of this session
    alone. What waits is bounded: past the limits `pause` is called, and `resume` when
    half of it is gone. In one turn of the loop at most `turn_messages` are handled.
    """

    __slots__ = (
        "_backlog",
        "_busy",
        "_finished",
        "_limits",
        "_loop",
        "_most",
        "_pause",
        "_paused",
        "_rate",
        "_resume",
        "_router",
        "_session",
        "_size",
        "_spent",
        "_task",
        "_tasks",
        "_timer",
        "_turn",
        "_turns",
    )

    def __init__(
        self,
        session: Session,
        router: Router,
        *,
        limits: InboxLimits,
        tasks: Tasks,
        turns: Turns,
        loop: asyncio.AbstractEventLoop,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._session: Final = session
        self._router: Final = router
        self._limits: Final = limits
        self._tasks: Final = tasks
        self._loop: Final = loop
        self._pause: Final = pause
        self._resume: Final = resume
        self._backlog: deque[tuple[messages.AnyRequest | Malformed, int]] = deque()
        self._size = 0
        self._busy = False
        self._paused = False
        self._turns: Final = turns
        self._turn = -1
        self._spent = 0
        self._most: Final = limits.turn_messages
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._finished: Callable[[], None] | None = None
        self._rate = (
            None if limits.per_second is None else _Rate(limits.per_second, loop.time())
        )

    def take(
        self, arrived: Sequence[messages.AnyRequest | Malformed], size: int
    ) -> None:
        """Take the messages of one record, `size` bytes long."""
        if self._session.ended:
            return
        if self._backlog or self._busy or self._rate is not None:
            self._append(arrived, size)
            self._drain()
            return
        turns = self._turns
        if self._turn != turns.number:
            self._turn, self._spent = turns.number, 0
        self._spent += len(arrived)
        if self._spent > self._most:
            self._append(arrived, size)
            turns.at_end(self._drain)
            return
        handle = self._router.handle
        session = self._session
        for index, message in enumerate(arrived):
            waiting = handle(session, message)
            if session.ended:
                if waiting is not None:
                    self._tasks.abandon(waiting)
                return
            if waiting is not None:
                self._await(waiting)
                if index + 1 < len(arrived):
                    self._append(arrived[index + 1 :], size)
                return

    def finish(self, finished: Callable[[], None]) -> None:
        """Call `finished` once everything that came before is handled."""
        self._finished = finished
        self._drain()

    def close(self) -> None:
        """Drop what waits and stop what is being handled."""
        self._backlog.clear()
        self._finished = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            # In a later turn, so that a task which has not begun begins and lets go of
            # the coroutines that were handed to it.
            self._loop.call_soon(self._task.cancel)

    def _append(
        self, arrived: Sequence[messages.AnyRequest | Malformed], size: int
    ) -> None:
        share = size // len(arrived) + 1
        for message in arrived:
            if type(message) in _ANSWERS:
                self._router.handle(self._session, message)
            else:
                self._backlog.append((message, share))
                self._size += share
        if not self._paused and (
            len(self._backlog) > self._limits.waiting_messages
            or self._size > self._limits.waiting_bytes
        ):
            self._paused = True
            self._pause()

    def _drain(self) -> None:
        """Handle what waits, as far as this turn goes."""
        if self._busy or self._timer is not None or self._session.ended:
            return
        backlog = self._backlog
        for _ in range(self._limits.turn_messages):
            if not backlog:
                break
            if self._rate is not None:
                delay = self._rate.delay(self._loop.time())
                if delay > 0:
                    self._timer = self._loop.call_later(delay, self._go_on)
                    break
            message, share = backlog.popleft()
            self._size -= share
            waiting = self._router.handle(self._session, message)
            if waiting is not None:
                self._await(waiting)
                break
        else:
            self._timer = self._loop.call_soon(self._go_on)
        self._caught_up()

    def _go_on(self) -> None:
        self._timer = None
        self._drain()

    def _caught_up(self) -> None:
        limits = self._limits
        if (
            self._paused
            and len(self._backlog) <= limits.waiting_messages // 2
            and self._size <= limits.waiting_bytes // 2
        ):
            self._paused = False
            self._resume()
        if self._finished is not None and not (self._backlog or self._busy):
            finished, self._finished = self._finished, None
            finished()

    def _await(self, waiting: Awaitable[None]) -> None:
        self._busy = True
        self._task = self._tasks.start(
            self._wait(waiting), name=f"message of {self._session.id}"
        )

    async def _wait(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        finally:
            self._busy = False
            self._task = None
        self._drain()


class _Rate:
    """A session's allowance of messages a second, a tenth of it saved at most."""

    __slots__ = ("_allowed", "_at", "_most", "_per_second")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second: Final = per_second
        self._most: Final = max(1.0, per_second / 10)
        self._allowed = self._most
        self._at = now

    def delay(self, now: float) -> float:
        """Take one message from the allowance, or tell how long to wait for it."""
        self._allowed = min(
            self._most, self._allowed + (now - self._at) * self._per_second
        )
        self._at = now
        if self._allowed < 1:
            return (1 - self._allowed) / self._per_second
        self._allowed -= 1
        return 0.0
