"""The one way out for data: every delivery passes the gate when it is queued.

Features hand their deliveries to `Delivery`; nothing else puts data into a session's
outbox (tests/server/test_delivery.py reads the sources to be sure).
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from msgspec import Raw

from vestibule.protocol.names import Name
from vestibule.server.errors import limit_exceeded
from vestibule.server.gate import Gate, Standing
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks
from vestibule.server.verdict import Allowed, Denied, Verdict


__all__ = ["Delivery"]

WhenDenied: TypeAlias = Callable[[Denied], None]

_ITEM_BYTES: Final = 256
"""What a waiting delivery costs besides its message."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One delivery that waits for a verdict, or behind one."""

    standings: tuple[Standing, ...]
    name: Name
    body: Raw
    message: bytes
    when_denied: WhenDenied | None

    @property
    def size(self) -> int:
        """What it costs to keep, in bytes."""
        return len(self.message) + _ITEM_BYTES


class _Waiting:
    """A session's deliveries behind one whose verdict is awaited, in order."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: deque[_Item] = deque()
        self.size = 0


class Delivery:
    """Decides deliveries and queues what may leave, in the order they were made.

    While a verdict is awaited, later deliveries to that session wait behind it; other
    sessions do not. What waits counts as the session's outbox: past `outbox_bytes`
    it is a slow reader.
    """

    def __init__(
        self, gate: Gate, tasks: Tasks, *, outbox_bytes: int, largest: int
    ) -> None:
        self._may_receive = gate.may_receive
        self._may_be_given = gate.may_be_given
        self._largest: Final = largest
        self._tasks: Final = tasks
        self._outbox_bytes: Final = outbox_bytes

    def deliver(
        self,
        session: Session,
        standings: tuple[Standing, ...],
        name: Name,
        body: Raw,
        message: bytes,
        when_denied: WhenDenied | None = None,
    ) -> None:
        """Send `message` to `session` if one of `standings` may receive it.

        `body` is the data inside the message. A denied delivery is skipped without a
        word, or `when_denied` is called where something must be said.
        """
        if session.waiting is not None:
            item = _Item(standings, name, body, message, when_denied)
            self._queue(session, session.waiting, item)
            return
        denied = _NOTHING_STANDS
        for index, standing in enumerate(standings):
            if standing.suspended:
                continue
            generation = session.generation
            verdict = self._may_receive(standing, name, body)
            if type(verdict) is Allowed:
                session.link.put(message)
                return
            if type(verdict) is Denied:
                denied = verdict
                continue
            item = _Item(standings[index:], name, body, message, when_denied)
            self._wait(session, item, verdict, generation)
            return
        if when_denied is not None:
            when_denied(denied)

    def hand(self, standing: Standing, name: Name, message: bytes) -> bool:
        """Give a provider something to work on; false if it may not have it now.

        It passes deliveries that wait: those are data for the session, this is a
        question to it, and answers wait for nothing.
        """
        given = self._may_be_given(standing, name)
        if given:
            standing.session.link.put(message)
        return given

    def check_size(self, message: bytes) -> None:
        """Refuse a message that fits no record.

        Raises:
            RequestError: LIMIT_EXCEEDED, for whoever asked for it to be sent.
        """
        if len(message) > self._largest:
            raise limit_exceeded("limits.message_bytes")

    def _wait(
        self,
        session: Session,
        item: _Item,
        answer: "Verdict | Awaitable[Verdict]",
        generation: int,
    ) -> None:
        session.waiting = _Waiting()
        self._tasks.start(
            self._catch_up(session, session.waiting, item, answer, generation),
            name=f"deliveries of {session.id}",
        )

    def _queue(self, session: Session, waiting: _Waiting, item: _Item) -> None:
        waiting.items.append(item)
        waiting.size += item.size
        if waiting.size > self._outbox_bytes and not session.ended:
            session.link.slow()

    async def _catch_up(
        self,
        session: Session,
        waiting: _Waiting,
        item: _Item,
        answer: "Verdict | Awaitable[Verdict] | None",
        generation: int,
    ) -> None:
        """Deliver `item`, then what has gathered behind it, in order."""
        try:
            await self._settle(session, item, answer, generation)
            while waiting.items and not session.ended:
                item = waiting.items.popleft()
                waiting.size -= item.size
                await self._settle(session, item, None, session.generation)
        finally:
            session.waiting = None

    async def _settle(
        self,
        session: Session,
        item: _Item,
        answer: "Verdict | Awaitable[Verdict] | None",
        generation: int,
    ) -> None:
        """Deliver or deny one item; `answer` was asked for in `generation`."""
        denied = _NOTHING_STANDS
        for standing in item.standings:
            if standing.suspended:
                if not (answer is None or isinstance(answer, Allowed | Denied)):
                    self._tasks.abandon(answer)
                answer = None
                continue
            if answer is None:
                generation = session.generation
                answer = self._may_receive(standing, item.name, item.body)
            verdict = answer if isinstance(answer, Allowed | Denied) else await answer
            answer = None
            # What was answered under a policy, or a mind of the handler, that is gone
            # is asked again (docs/security.md, "Revocation").
            while session.generation != generation and not session.ended:
                generation = session.generation
                again = self._may_receive(standing, item.name, item.body)
                verdict = again if isinstance(again, Allowed | Denied) else await again
            if isinstance(verdict, Denied):
                denied = verdict
            elif not (standing.suspended or session.ended):
                session.link.put(item.message)
                return
        if item.when_denied is not None and not session.ended:
            item.when_denied(denied)


_NOTHING_STANDS: Final = Denied("nothing that the session asked for stands")
