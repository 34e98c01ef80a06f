"""The chain that decides logins: each member allows, denies or abstains."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import structlog

from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.directory import DirectoryAuthenticator
from vestibule.server.hooks import LOGIN_FAILED


__all__ = ["Authenticator", "Chain"]

log = structlog.get_logger("vestibule.login")


class Authenticator(Protocol):
    """A member of the chain."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""

    async def authenticate(self, attempt: Attempt) -> Answer:
        """Decide a login; None abstains."""


class Chain:
    """The authenticators in order; all abstaining refuses."""

    def __init__(
        self,
        members: Iterable[Authenticator],
        *,
        starting: Iterable[Callable[[], None]] = (),
        closing: Iterable[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._members: Final = tuple(members)
        self._starting: Final = tuple(starting)
        self._closing: Final = tuple(closing)

    def start(self) -> None:
        """Begin what members do before anybody asks them, such as reading keys."""
        for start in self._starting:
            start()

    async def close(self) -> None:
        """Close what members have open to others. Idempotent."""
        for close in self._closing:
            await close()

    async def authenticate(self, attempt: Attempt) -> Admission | Refusal:
        """Ask one after another; the first answer that is no abstention decides.

        A member that fails refuses, and nobody else is asked. Where a proof was checked
        that only the directory can check, nobody else lets in.
        """
        for member in self._members:
            try:
                answer = await member.authenticate(attempt)
            except Exception as problem:  # noqa: BLE001 - whatever it is, it admits nobody
                log.error(  # noqa: TRY400 - the text may hold login data
                    "authenticator.failed",
                    authenticator=member.name,
                    exception=type(problem).__name__,
                )
                return Refusal(reason=LOGIN_FAILED, authenticator=member.name)
            if isinstance(answer, Admission) and not self._may_admit(member, attempt):
                continue
            if answer is not None:
                return answer
        return Refusal()

    @staticmethod
    def _may_admit(member: Authenticator, attempt: Attempt) -> bool:
        return attempt.proven is None or member.name == DirectoryAuthenticator.name
