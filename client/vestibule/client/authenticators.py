"""Control authenticators: deciding logins for the broker, from a session.

Who may register lets in anybody as anybody; docs/authentication.md, "Control
authenticators", says what a broker asks and what it takes for an answer.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from vestibule.client.channel import Channel, Feature
from vestibule.client.errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
    VestibuleError,
)
from vestibule.client.pending import About
from vestibule.client.questions import answer_of, request_of
from vestibule.client.registration import Deciding, Registration
from vestibule.protocol import messages
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody
from vestibule.protocol.messages import NIL, Message


__all__ = ["Authenticators"]

_ABOUT: Final = About(Topic.RPC, Action.UNPROVIDE)
_CLOSED: Final = "CLOSED"

log = logging.getLogger("vestibule.client")


class Authenticators(Feature):
    """The registrations of a session, and the questions that come for them.

    `register` calls the broker's method. A registration does not outlive its
    connection: who admits strangers is said anew.
    """

    def __init__(
        self, channel: Channel, register: Callable[[str], Awaitable[object]]
    ) -> None:
        self._channel: Final = channel
        self._register: Final = register
        self._registered: Final[dict[str, Registration]] = {}
        self._running: Final[dict[int, tuple[Registration, asyncio.Task[None]]]] = {}

    async def set(self, name: str, authenticator: Deciding) -> Registration:
        """Have `authenticator` asked about logins, by the chain's entry of that name.

        Raises:
            TypeError: a name that is no str, an authenticator that cannot be asked.
            RequestFailed: MESSAGE_DENIED, UNKNOWN_AUTHENTICATOR, HANDLER_CONFLICT;
                `closed` has been called with the code then.
            ConnectionLost, SessionClosed: likewise.
        """
        if not isinstance(name, str):
            raise TypeError("name is a str")
        if not callable(getattr(authenticator, "authenticate", authenticator)):
            raise TypeError("authenticator has a method authenticate, or is a function")
        registration = Registration(self.leave, name, authenticator)
        before = self._registered.get(name)
        if before is None:
            # Before the answer: a question may come in the same record.
            self._registered[name] = registration
        try:
            await self._register(name)
        except BaseException as error:
            if self._registered.get(name) is registration:
                del self._registered[name]
                if isinstance(error, RequestTimeout | asyncio.CancelledError):
                    # It may stand, and nobody will end it.
                    self._channel.forget(
                        lambda id_: messages.UnregisterAuthenticator(id_, name)
                    )
            if isinstance(error, VestibuleError):
                await self._hear(registration, error.code)
            raise
        if registration.closed_with is None:
            self._registered.setdefault(name, registration)
        return registration

    async def leave(self, registration: Registration) -> None:
        """End a registration, here and at the broker."""
        name = registration.name
        if self._registered.get(name) is not registration:
            return
        self._forget(registration)
        if self._channel.carrier is not None:
            # A failure means that it is gone one way or the other.
            with suppress(RequestFailed, ConnectionLost, SessionClosed):
                await self._channel.ask(
                    lambda id_: messages.UnregisterAuthenticator(id_, name),
                    _ABOUT,
                    name,
                    again=True,
                )
        await self._hear(registration, _CLOSED)

    async def _hear(self, registration: Registration, code: str) -> None:
        hear = registration.end(code)
        if hear is None:
            return
        try:
            result = hear(code)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - an application's own
            log.error(  # noqa: TRY400 - its text may hold anything
                "authenticator.closed_failed", extra={"exception": type(error).__name__}
            )

    def _forget(self, registration: Registration) -> None:
        """Ask it nothing more, and stop what it decides."""
        del self._registered[registration.name]
        for ask, (asked, task) in list(self._running.items()):
            if asked is registration:
                del self._running[ask]
                task.cancel()

    def _end(self, registration: Registration, code: str) -> None:
        self._forget(registration)
        self._channel.callbacks.call(registration.end(code), code)

    # What the broker says.

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """Read questions, and what becomes of them and of registrations."""
        return {
            messages.AuthenticationAsked: self._asked,
            messages.AuthenticationWithdrawn: self._withdrawn,
            messages.AuthenticatorClosed: self._closed,
        }

    def _asked(self, notice: messages.AuthenticationAsked) -> None:
        registration = self._registered.get(notice.name)
        if registration is None:
            # It was ended a moment ago, and the broker will know.
            return
        try:
            answer = registration.decide(request_of(decode_body(notice.data)))
        except Exception as error:  # noqa: BLE001 - an application's own
            self._failed(notice.ask, error)
            return
        if inspect.isawaitable(answer):
            task = self._channel.tasks.start(
                self._finish(notice.ask, answer), name="vestibule authenticator"
            )
            self._running[notice.ask] = (registration, task)
            if inspect.iscoroutine(answer):
                # A task that is cancelled before it begins leaves it unawaited.
                task.add_done_callback(lambda _: answer.close())
        else:
            self._answer(notice.ask, answer)

    async def _finish(self, ask: int, answer: Awaitable[object]) -> None:
        try:
            given = await answer
        except asyncio.CancelledError as error:
            if ask not in self._running:
                raise  # the question is over
            self._failed(ask, error)
            raise
        except Exception as error:  # noqa: BLE001 - an application's own
            self._failed(ask, error)
        else:
            if ask in self._running:
                self._answer(ask, given)
        finally:
            self._running.pop(ask, None)

    def _answer(self, ask: int, answer: object) -> None:
        body = answer_of(answer)
        if body is None:
            log.error(
                "authenticator.nonsense", extra={"answered": type(answer).__name__}
            )
        try:
            data = encode_body(body)
        except InvalidBody as error:
            self._failed(ask, error)
            return
        if not self._channel.tell(messages.AuthenticatorAnswered(ask, data)):
            self._failed(ask, ValueError())

    def _failed(self, ask: int, error: BaseException) -> None:
        log.error("authenticator.failed", extra={"exception": type(error).__name__})
        self._channel.tell(messages.AuthenticatorAnswered(ask, NIL))

    def _withdrawn(self, notice: messages.AuthenticationWithdrawn) -> None:
        _, task = self._running.pop(notice.ask, (None, None))
        if task is not None:
            task.cancel()

    def _closed(self, notice: messages.AuthenticatorClosed) -> None:
        registration = self._registered.get(notice.name)
        if registration is not None:
            self._end(registration, notice.code)

    def lost(self) -> None:
        """End all: the broker has forgotten them."""
        for registration in list(self._registered.values()):
            self._end(registration, ErrorCode.SESSION_CLOSED)
