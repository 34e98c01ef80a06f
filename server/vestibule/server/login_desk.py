"""The logins of one connection: each is decided in a task of its own."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import structlog

from vestibule.protocol.events import LoginProofReceived, LoginReceived
from vestibule.server.admissions import Admission, Turned
from vestibule.server.errors import place_of
from vestibule.server.handler import ConnectionData
from vestibule.server.quarantine import Quarantine
from vestibule.server.service import Service
from vestibule.server.session import Link, Session


__all__ = ["Decision", "LoginDesk"]

Decision: TypeAlias = tuple[Session, Admission] | Turned
"""The session that a login makes and why, or what to refuse it with."""

log = structlog.get_logger("vestibule.connection")


class LoginDesk:
    """Has logins decided, one at a time, and hands on what comes of them.

    `challenge` sends the fields of a challenge to the client; `decided` is called with
    each decision, unless `leave` was called before.
    """

    __slots__ = ("_decided", "_link", "_quarantine", "_service", "_task")

    def __init__(
        self,
        service: Service,
        connection: ConnectionData,
        link: Link,
        *,
        exporter: bytes | None,
        challenge: Callable[[dict[str, Any]], None],
        decided: Callable[[Decision], None],
    ) -> None:
        self._service: Final = service
        self._link: Final = link
        self._decided: Final = decided
        self._quarantine: Final = Quarantine(
            service.door, connection, exporter=exporter, send=challenge
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def deciding(self) -> bool:
        """Whether a login is being decided."""
        return self._task is not None

    def take(self, said: LoginReceived | LoginProofReceived) -> None:
        """Begin to decide a login, or go on with the proof that it waits for."""
        if isinstance(said, LoginProofReceived):
            self._quarantine.proved(said.fields)
            return
        self._task = self._service.tasks.start(
            self._admit(said), name="login of a connection"
        )

    async def _admit(self, login: LoginReceived) -> None:
        try:
            decision = await self._quarantine.admit(
                login.scheme, login.fields, self._link
            )
            self._task = None
            self._decided(decision)
        except Exception as problem:  # noqa: BLE001 - nobody else is waiting for it
            self._task = None
            log.warning(
                "login.failed",
                exception=type(problem).__name__,
                place=place_of(problem),
            )
            self._link.fail()

    def leave(self) -> None:
        """Decide no more: the login under way is abandoned."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
