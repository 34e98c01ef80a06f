"""Control authenticators: sessions that register to decide logins, and are asked.

A question goes to one registration and is answered under an id of that session's
connection, so no session can answer what another was asked. Questions leave by the
gate like everything else; answers pass by what else the connection has sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import encode
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.limits import MAX_ID
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server import replies
from vestibule.server.audit import AuditLog
from vestibule.server.authenticators import Absent, Unanswered
from vestibule.server.delivery import Delivery
from vestibule.server.errors import RequestError
from vestibule.server.gate import Gate, Ruling, Standing, component_right
from vestibule.server.holdings import Holding
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


__all__ = ["NEEDS", "Authenticating"]

NEEDS: Final = (GlobalPermission.REGISTER_HANDLER, GlobalPermission.AUTHENTICATE)
"""Both together let in anybody as anybody: as strong as administration."""

_KIND: Final = "authenticator"
_RETRIES: Final = 1
"""How often a question whose registration ended goes to another one."""


class _Registration:
    """One session under one name, and the questions that it was asked."""

    __slots__ = ("asked", "name", "session", "standing")

    def __init__(self, name: str, standing: Standing) -> None:
        self.name: Final = name
        self.session: Final = standing.session
        self.standing: Final = standing
        self.asked: Final[dict[int, asyncio.Future[Raw | None]]] = {}


class Authenticating:
    """The registrations of all sessions. `names` are those that the chain has.

    `path` is that of the method by which sessions register: whoever may call it may be
    registered, and nobody else.
    """

    def __init__(
        self,
        gate: Gate,
        delivery: Delivery,
        *,
        names: Iterable[str],
        path: str,
        audit: AuditLog,
    ) -> None:
        self._audit: Final = audit
        self._gate: Final = gate
        self._delivery: Final = delivery
        self._path: Final[Name] = parse_name(path)
        self._right: Final = component_right(NEEDS)
        self._by_name: Final[dict[str, deque[_Registration]]] = {
            name: deque() for name in names
        }
        self._by_session: Final[dict[Session, dict[str, _Registration]]] = {}
        self._last_ask: Final[dict[Session, int]] = {}
        self.handlers: Final[
            dict[type[messages.Message], Callable[..., Awaitable[None] | None]]
        ] = {
            messages.UnregisterAuthenticator: self.unregister,
            messages.AuthenticatorAnswered: self.answered,
        }

    # Registering.

    def register(self, session: Session, name: object) -> None:
        """Ask `session` from now on too. Whether it may is for the gate, before.

        Raises:
            RequestError: INVALID_ARGUMENT, UNKNOWN_AUTHENTICATOR, HANDLER_CONFLICT.
        """
        if not isinstance(name, str):
            raise RequestError(ErrorCode.INVALID_ARGUMENT, "name is not text")
        registered = self._by_name.get(name)
        if registered is None:
            raise RequestError(ErrorCode.UNKNOWN_AUTHENTICATOR)
        mine = self._by_session.setdefault(session, {})
        if name in mine:
            raise RequestError(ErrorCode.HANDLER_CONFLICT)
        standing = Standing(session, self._right, None)
        registration = mine[name] = _Registration(name, standing)
        registered.append(registration)
        self._note(registration, "registered")

    def _note(self, registration: _Registration, what: str) -> None:
        session = registration.session
        self._audit.note(
            "authenticator_changed",
            username=session.username,
            session_id=session.id,
            path=registration.name,
            reason=what,
        )

    def unregister(
        self, session: Session, request: messages.UnregisterAuthenticator
    ) -> None:
        """End a registration; one that is no more is none to complain about."""
        registration = self._by_session.get(session, {}).get(request.name)
        if registration is not None:
            self._end(registration, "closed")
        replies.done(session, request.id)

    def _end(self, registration: _Registration, why: str) -> None:
        session, name = registration.session, registration.name
        self._by_name[name].remove(registration)
        mine = self._by_session[session]
        del mine[name]
        if not mine:
            del self._by_session[session]
        for future in registration.asked.values():
            if not future.done():
                future.set_result(None)
        registration.asked.clear()
        self._note(registration, why)

    def _revoke(self, registration: _Registration) -> None:
        self._end(registration, "lost the right")
        replies.authenticator_closed(
            registration.session, registration.name, ErrorCode.PERMISSION_REVOKED
        )

    def session_ended(self, session: Session) -> None:
        """Forget a session; what it was asked goes to another."""
        for registration in list(self._by_session.get(session, {}).values()):
            self._end(registration, "the session ended")
        self._last_ask.pop(session, None)

    async def recheck(self, session: Session) -> None:
        """End the registrations of a session that may not have them any more.

        They do not come back by themselves: who admits strangers is said anew.
        """
        mine = self._by_session.get(session)
        if not mine:
            return
        ruling = self._gate.decide(session, self._right, self._path, tell=False)
        decided = ruling if isinstance(ruling, Ruling) else await ruling
        if not isinstance(decided.verdict, Denied):
            return
        for registration in list(self._by_session.get(session, {}).values()):
            self._revoke(registration)

    def holdings(self, session: Session) -> Iterable[Holding]:
        """Give what the session's registrations stand on."""
        return tuple(
            Holding(_KIND, self._path, self._right.need, suspended=False)
            for _ in self._by_session.get(session, {})
        )

    # Asking.

    async def ask(
        self, name: str, question: Raw, *, seconds: float, but: Session | None
    ) -> Raw:
        """Ask one session registered under `name`, in turn, and give its answer.

        Where the registration ends meanwhile another one is asked, once, with the rest
        of the time. Cancelled, it withdraws the question.

        Raises:
            Absent: there is nobody but, perhaps, `but`.
            Unanswered: failed, late, or left and nobody else is there.
        """
        asked = 0
        try:
            async with asyncio.timeout(seconds):
                while asked <= _RETRIES:
                    registration = self._next(name, but)
                    if registration is None:
                        break
                    if (ask := self._put(registration, question)) is None:
                        continue
                    asked += 1
                    answer = await self._answer(registration, ask)
                    if answer is not None:
                        return answer
        except TimeoutError:
            raise Unanswered("no answer in time") from None
        if asked:
            raise Unanswered("whoever was asked has left")
        raise Absent

    def _next(self, name: str, but: Session | None) -> _Registration | None:
        """Give the registration whose turn it is, and let it be the last one next."""
        registered = self._by_name[name]
        for registration in registered:
            if registration.session is not but:
                registered.remove(registration)
                registered.append(registration)
                return registration
        return None

    def _put(self, registration: _Registration, question: Raw) -> int | None:
        """Send a question and give its id; None if the session may not have it.

        Raises:
            Unanswered: it fits no message.
        """
        session = registration.session
        ask = self._last_ask.get(session, 0) % MAX_ID + 1
        message = encode(messages.AuthenticationAsked(ask, registration.name, question))
        try:
            self._delivery.check_size(message)
        except RequestError:
            raise Unanswered("the question is too long") from None
        self._last_ask[session] = ask
        if not self._delivery.hand(registration.standing, self._path, message):
            # It lost the right between asking for the registration and having it.
            self._revoke(registration)
            return None
        registration.asked[ask] = asyncio.get_running_loop().create_future()
        return ask

    async def _answer(self, registration: _Registration, ask: int) -> Raw | None:
        """Wait for an answer; None if the registration ends first."""
        future = registration.asked[ask]
        try:
            return await future
        finally:
            registration.asked.pop(ask, None)
            if future.cancelled() and not registration.session.ended:
                replies.authentication_withdrawn(registration.session, ask)

    def answered(
        self, session: Session, message: messages.AuthenticatorAnswered
    ) -> None:
        """Take an answer; one that comes late, twice or unasked changes nothing."""
        for registration in self._by_session.get(session, {}).values():
            future = registration.asked.pop(message.ask, None)
            if future is not None and not future.done():
                future.set_result(message.data)
