"""Asking a permission handler, failing closed: late, raising or nonsensical denies."""

import asyncio
import inspect
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog

from vestibule.server.counters import Counters
from vestibule.server.errors import place_of
from vestibule.server.handler import (
    CannotDecide,
    ConnectionData,
    Identity,
    InvalidCredentials,
    Message,
    PermissionHandler,
)
from vestibule.server.verdict import Allowed, Denied, Verdict


__all__ = ["Hooks", "Refused"]

CHECK_FAILED: Final = "permission check failed"
LOGIN_FAILED: Final = "login failed"

_FAILURES: Final = (Exception, asyncio.CancelledError)
"""What a handler may raise: something that it awaits may have been cancelled."""

_TOLD_CHARACTERS: Final = 1_024
"""Longest text from a handler to a client: a sentence or two."""

log = structlog.get_logger("vestibule.handler")


@dataclass(frozen=True, slots=True)
class Refused:
    """A handler's refusal of a login; both fields go to the client."""

    reason: str
    client_data: Any = None


LoginAnswer: TypeAlias = Identity | Refused | None
"""None: the handler abstains."""


class Hooks:
    """The handler's methods, with their time limits and their failures closed.

    Without a handler, or for methods that it does not override, the policy alone
    decides and nothing is asked.
    """

    def __init__(
        self,
        handler: object | None,
        *,
        timeout: float,
        login_timeout: float,
        counters: Counters,
    ) -> None:
        self._handler: Final[Any] = handler
        self._timeout = timeout
        self._login_timeout = login_timeout
        self._counters = counters
        self.present: Final = handler is not None
        self.decides: Final = self._overrides("can_perform_action")
        """Whether the handler takes the decisions on messages."""
        self.filters: Final = self._overrides("can_receive")
        """Whether the handler is asked about each delivery."""
        self._authenticates: Final = self._overrides("is_valid_user")
        self._hears_ends: Final = self._overrides("on_client_disconnect")

    def _overrides(self, name: str) -> bool:
        if self._handler is None:
            return False
        # What is called decides: an object may also have methods of its own.
        method = getattr(self._handler, name, None)
        own = getattr(method, "__func__", method)
        return own is not None and own is not getattr(PermissionHandler, name)

    async def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> LoginAnswer:
        """Ask about a login; whatever goes wrong is a refusal, `login failed`."""
        if not self._authenticates:
            return None
        try:
            async with asyncio.timeout(self._login_timeout):
                answer = self._handler.is_valid_user(connection, auth_data)
                if inspect.isawaitable(answer):
                    answer = await answer
        except InvalidCredentials as refusal:
            return Refused(_told(refusal.reason), refusal.client_data)
        except _FAILURES as problem:
            _pass_on(problem)
            self._failed("is_valid_user", problem)
            return Refused(LOGIN_FAILED)
        match answer:
            case None | Identity():
                return answer
            case str():
                return Identity(answer)
            case _:
                _discard(answer)
                self._nonsense("is_valid_user", answer)
                return Refused(LOGIN_FAILED)

    def can_perform_action(
        self, username: str, message: Message
    ) -> Verdict | Awaitable[Verdict]:
        """Ask about a message."""
        return self._ask("can_perform_action", username, message)

    def can_receive(
        self, username: str, message: Message
    ) -> Verdict | Awaitable[Verdict]:
        """Ask about a delivery."""
        return self._ask("can_receive", username, message)

    async def on_client_disconnect(self, username: str) -> None:
        """Tell that a session has ended; what the handler raises is logged."""
        if not self._hears_ends:
            return
        try:
            async with asyncio.timeout(self._timeout):
                answer = self._handler.on_client_disconnect(username)
                if inspect.isawaitable(answer):
                    await answer
        except _FAILURES as problem:
            _pass_on(problem)
            self._failed("on_client_disconnect", problem)

    def _ask(
        self, method: str, username: str, message: Message
    ) -> Verdict | Awaitable[Verdict]:
        try:
            answer = getattr(self._handler, method)(username, message)
        except _FAILURES as problem:
            return self._denied(method, problem)
        if inspect.isawaitable(answer):
            return self._wait(method, answer)
        return self._verdict(method, answer)

    async def _wait(self, method: str, answer: Awaitable[object]) -> Verdict:
        try:
            async with asyncio.timeout(self._timeout):
                given = await answer
        except _FAILURES as problem:
            _pass_on(problem)
            return self._denied(method, problem)
        return self._verdict(method, given)

    def _verdict(self, method: str, answer: object) -> Verdict:
        if answer is True:
            return Allowed("the handler allows it")
        if isinstance(answer, Allowed):
            return answer
        if isinstance(answer, Denied):
            return Denied(answer.reason or "the handler denies it", answer.grant)
        if answer is not False:
            _discard(answer)
            self._nonsense(method, answer)
        return Denied("the handler denies it")

    def _denied(self, method: str, problem: BaseException) -> Denied:
        if isinstance(problem, CannotDecide):
            return Denied("the handler cannot decide", failed=_told(problem))
        self._failed(method, problem)
        return Denied("the handler failed", failed=CHECK_FAILED)

    def _failed(self, method: str, problem: BaseException) -> None:
        """Count and log a failure by type and place; its text may hold secrets."""
        self._counters.add("handler_failures")
        log.warning(
            "handler.failed",
            method=method,
            exception=type(problem).__name__,
            place=place_of(problem),
        )

    def _nonsense(self, method: str, answer: object) -> None:
        self._counters.add("handler_failures")
        log.warning("handler.nonsense", method=method, answered=type(answer).__name__)


def _told(reason: object) -> str:
    """Give what a handler tells a client, as text that can be sent."""
    return str(reason)[:_TOLD_CHARACTERS].encode(errors="replace").decode()


def _pass_on(problem: BaseException) -> None:
    """Let a cancellation of the task that asks through.

    Any other, of something that the handler awaited, is a failure like the rest.
    """
    task = asyncio.current_task()
    if isinstance(problem, asyncio.CancelledError) and task and task.cancelling():
        raise problem


def _discard(answer: object) -> None:
    """Close a coroutine that nobody will await, so that it warns nobody."""
    if inspect.iscoroutine(answer):
        answer.close()
