"""Requests that wait: each is answered once, by its id, or ended with the connection."""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec
from msgspec import Raw

from vestibule.client.errors import RequestFailed, VestibuleError, request_failed
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.codec import decode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody
from vestibule.protocol.messages import Failed


if TYPE_CHECKING:
    import asyncio

__all__ = ["About", "Pending", "Recent", "Request", "error_of"]

_REMEMBERED: Final = 8_192
"""As many requests as a broker lets wait, twice: later failures lose their name."""


class About(msgspec.Struct, frozen=True):
    """What a request asks, for the exception that tells of its failure."""

    topic: Topic
    action: Action


T = TypeVar("T")


class Recent(Generic[T]):
    """The last few thousand keys that were kept, each for one use. Keeping is cheap."""

    __slots__ = ("_new", "_old")

    def __init__(self) -> None:
        self._new: dict[int, T] = {}
        self._old: dict[int, T] = {}

    def keep(self, key: int, value: T) -> None:
        """Keep a value; the oldest half goes when there are too many."""
        if len(self._new) >= _REMEMBERED:
            self._old, self._new = self._new, {}
        self._new[key] = value

    def take(self, key: int) -> T | None:
        """Give a value and forget it."""
        value = self._new.pop(key, None)
        return self._old.pop(key, None) if value is None else value

    def clear(self) -> None:
        """Forget everything."""
        self._new = {}
        self._old = {}


class Request:
    """One request that waits for its answer."""

    __slots__ = ("about", "deadline", "id", "name", "outcome")

    def __init__(
        self,
        id_: int,
        about: About,
        name: str,
        outcome: "asyncio.Future[Raw | VestibuleError]",
    ) -> None:
        self.id: Final = id_
        self.about: Final = about
        self.name: Final = name
        # An error is a result here: an exception that nobody fetches any more, since
        # the task was cancelled in the same turn, would be reported as forgotten.
        self.outcome: Final = outcome
        self.deadline = inf

    def settle(self, outcome: Raw | VestibuleError) -> None:
        """Answer whoever waits, if somebody still does."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def late(self) -> None:
        """Answer with REQUEST_TIMEOUT."""
        self.settle(
            request_failed(
                ErrorCode.REQUEST_TIMEOUT,
                "no answer in time",
                {},
                topic=self.about.topic,
                action=self.about.action,
                name=self.name,
            )
        )


class Pending:
    """The requests of one session that wait on its present connection.

    One timer serves all: it is set for the first deadline that is known, and looks
    again when that has come. Most requests are answered long before, and cost none.
    """

    __slots__ = ("_due", "_loop", "_timer", "_unanswered", "_waiting")

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf
        self._waiting: dict[int, Request] = {}
        self._unanswered: Recent[tuple[About, str]] = Recent()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, request: Request, patience: float) -> None:
        """Enter a request that has been sent; after `patience` seconds it is late."""
        request.deadline = deadline = self._loop.time() + patience
        self._waiting[request.id] = request
        if deadline < self._due:
            self._arm(deadline)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        # What is due at the very time of the timer is late: the clock may be coarse.
        now = max(self._loop.time(), self._due)
        self._timer = None
        self._due = inf
        late = [one for one in self._waiting.values() if one.deadline <= now]
        for request in late:
            del self._waiting[request.id]
            request.late()
        if self._waiting:
            self._arm(min(one.deadline for one in self._waiting.values()))

    def forget(self, request: Request) -> None:
        """Take out a request that nobody waits for any more."""
        if self._waiting.get(request.id) is request:
            del self._waiting[request.id]

    def unanswered(self, id_: int, about: About, name: str) -> None:
        """Note a request that is answered only if it fails."""
        self._unanswered.keep(id_, (about, name))

    def answered(self, id_: int, data: Raw) -> None:
        """Hand an answer to its request; one that nobody waits for is dropped."""
        request = self._waiting.pop(id_, None)
        if request is not None:
            request.settle(data)

    def failed(self, failure: Failed) -> RequestFailed | None:
        """Hand a failure to its request, or give back what nobody waits for.

        That is the failure of a message without answer, and of one without an id.
        """
        request = self._waiting.pop(failure.id, None)
        if request is not None:
            request.settle(error_of(failure, request.about, request.name))
            return None
        if failure.id == 0:
            return error_of(failure, None, None)
        known = self._unanswered.take(failure.id)
        return None if known is None else error_of(failure, *known)

    def end(self, error: Callable[[], VestibuleError]) -> None:
        """Fail all that wait, each with an error of its own."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = inf
        waiting, self._waiting = self._waiting, {}
        self._unanswered.clear()
        for request in waiting.values():
            request.settle(error())


def error_of(failure: Failed, about: About | None, name: str | None) -> RequestFailed:
    """Make the exception that a `Failed` stands for."""
    try:
        details = decode_body(failure.details)
    except InvalidBody:
        details = {}
    return request_failed(
        failure.code,
        failure.message,
        details if isinstance(details, dict) else {},
        topic=None if about is None else about.topic,
        action=None if about is None else about.action,
        name=name,
    )
