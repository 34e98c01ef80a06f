"""The router: hands each message of a session to its feature, answers what fails."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import structlog

from vestibule.protocol import messages
from vestibule.protocol.errors import ErrorCode, InvalidBody, InvalidName
from vestibule.protocol.events import Malformed
from vestibule.server import replies
from vestibule.server.errors import RequestError, place_of
from vestibule.server.session import Session


__all__ = ["Feature", "Router"]

_UNDECIDED: Final = frozenset(
    {
        messages.Accept,
        messages.Reject,
        messages.Respond,
        messages.Fail,
        messages.AuthenticatorAnswered,
    }
)
"""What answers a question: signs of life that no gate decides."""

log = structlog.get_logger("vestibule.router")


class Feature(Protocol):
    """What lies behind the gate: it handles messages and follows sessions."""

    @property
    def handlers(
        self,
    ) -> dict[type[messages.Message], Callable[..., Awaitable[None] | None]]:
        """The messages it handles; a handler gets the session and the message."""

    async def recheck(self, session: Session) -> None:
        """Decide everything of `session` again, by the policy and handler of now."""

    def session_ended(self, session: Session) -> None:
        """Forget everything kept for `session`."""


class Router:
    """One table from message types to features."""

    def __init__(self, features: Iterable[Feature]) -> None:
        self._handlers: dict[type[object], Callable[..., Awaitable[None] | None]] = {
            Malformed: _malformed
        }
        for feature in features:
            for kind, handler in feature.handlers.items():
                if kind in self._handlers:
                    raise ValueError(f"two features handle {kind.__name__}")
                self._handlers[kind] = handler

    @property
    def handled(self) -> frozenset[type[object]]:
        """The types of messages that have a handler."""
        return frozenset(self._handlers)

    def handle(
        self, session: Session, message: messages.AnyRequest | Malformed
    ) -> Awaitable[None] | None:
        """Let a feature handle `message`; awaitable if that takes its time.

        A feature that fails is logged and the session dropped: its state is unknown.
        """
        meter = session.meter
        if meter is not None:
            if type(message) in _UNDECIDED:
                # It passes by what may be under way: that stays counted as it is.
                meter.touch(session.heard_at)
            else:
                meter.fresh = True
        try:
            waiting = self._handlers[type(message)](session, message)
        except Exception as problem:  # noqa: BLE001 - sorted in `_failed`
            self._failed(session, message, problem)
            return None
        return None if waiting is None else self._wait(session, message, waiting)

    async def _wait(
        self,
        session: Session,
        message: messages.AnyRequest | Malformed,
        waiting: Awaitable[None],
    ) -> None:
        try:
            await waiting
        except Exception as problem:  # noqa: BLE001 - sorted in `_failed`
            self._failed(session, message, problem)

    def _failed(
        self,
        session: Session,
        message: messages.AnyRequest | Malformed,
        problem: Exception,
    ) -> None:
        match problem:
            case RequestError():
                error = problem
            case InvalidName():
                error = RequestError(ErrorCode.INVALID_PATH, str(problem))
            case InvalidBody():
                error = RequestError(ErrorCode.INVALID_MESSAGE_DATA)
            case _:
                log.error(
                    "feature.failed",
                    session=session.id,
                    message=type(message).__name__,
                    exception=type(problem).__name__,
                    place=place_of(problem),
                )
                session.link.fail()
                return
        if isinstance(message, messages.Request) and not session.ended:
            replies.refuse(session, message.id, error)


def _malformed(session: Session, message: Malformed) -> None:
    if message.call:
        replies.answer_refused(session, message.call, message.code)
    else:
        replies.failed(session, message.id, message.code)
