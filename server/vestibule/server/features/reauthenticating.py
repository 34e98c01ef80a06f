"""Logging a live session in anew: what a first login does, without a new connection."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from vestibule.protocol import messages
from vestibule.protocol.errors import ErrorCode, FramingError
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.logins import Scheme, read_login
from vestibule.protocol.names import parse_name
from vestibule.protocol.reserved import Login
from vestibule.server import replies
from vestibule.server.admissions import Admission, Turned
from vestibule.server.attempts import Attempt, read_attempt
from vestibule.server.errors import RequestError
from vestibule.server.gate import Gate, Ruling, component_right
from vestibule.server.judging import Judge
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


__all__ = ["Reauthenticating"]

_SCHEMES: Final = frozenset({Scheme.PLAIN, Scheme.KEY})
"""A challenge cannot be sent to a session, and a ticket is for coming back."""

_RIGHT: Final = component_right(None)

_METHODS: Final = ("re_authenticate", "change_principal")
"""What a client calls it; every session may, unless a rule prohibits one of them."""


class Reauthenticating:
    """Has the logins of live sessions judged like first ones, and puts them into force.

    While one is judged, deliveries go on to whom the session is; messages behind it
    wait, as behind any message that takes its time.
    """

    def __init__(
        self,
        gate: Gate,
        judge: Judge,
        switch: Callable[[Session, Admission], Awaitable[None]],
        *,
        broker_name: str,
        limits: WireLimits,
    ) -> None:
        self._gate: Final = gate
        self._judge: Final = judge
        self._switch: Final = switch
        self._limits: Final = limits
        self._names: Final = tuple(
            parse_name(f"{broker_name}/security/{method}") for method in _METHODS
        )
        self.handlers: Final[
            dict[type[messages.Message], Callable[..., Awaitable[None] | None]]
        ] = {messages.Reauthenticate: self.reauthenticate}

    async def reauthenticate(
        self, session: Session, request: messages.Reauthenticate
    ) -> None:
        """Judge a login and, where it is let in, make the session whom it says.

        Raises:
            RequestError: the gate refuses, it is no login, or it is refused as one.
        """
        await self._pass(session)
        attempt = self._attempt(session, request)
        answer = await self._judge.judge(attempt)
        if session.ended:
            return
        if isinstance(answer, Turned):
            raise _refused(answer)
        await self._switch(session, answer)
        if not session.ended:
            told = {"username": session.username, "client_data": session.client_data}
            replies.answer(session, request.id, told)

    async def _pass(self, session: Session) -> None:
        for name in self._names:
            ruling = self._gate.decide(session, _RIGHT, name)
            decided = ruling if isinstance(ruling, Ruling) else await ruling
            if isinstance(decided.verdict, Denied):
                raise replies.denial(decided.verdict)

    def _attempt(self, session: Session, request: messages.Reauthenticate) -> Attempt:
        login = Login(request.id, request.scheme, request.data)
        try:
            fields: dict[str, Any] = read_login(login, self._limits)
        except FramingError as problem:
            raise RequestError(ErrorCode.INVALID_AUTH_MSG, str(problem)) from None
        if request.scheme not in _SCHEMES:
            raise RequestError(ErrorCode.SCHEME_NOT_AVAILABLE, "scheme not available")
        attempt = read_attempt(
            session.connection,
            request.scheme,
            fields,
            exporter=session.exporter,
            reauthentication=session,
        )
        if isinstance(attempt, Turned):
            raise _refused(attempt)
        return attempt

    async def recheck(self, session: Session) -> None:
        """Nothing is kept that could be decided again."""

    def session_ended(self, session: Session) -> None:
        """Nothing is kept: what is being judged ends with the message."""


def _refused(turned: Turned) -> RequestError:
    """Give what a refusal of a login says; it is not the end of a session."""
    return RequestError(turned.code, turned.reason, turned.details)
