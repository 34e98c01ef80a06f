"""Who provides what: offers to answer calls, taken, suspended, withdrawn."""

import secrets
from collections.abc import Iterator, Set as AbstractSet
from typing import Final

from vestibule.protocol import messages
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.names import Name, parse_name
from vestibule.server import replies
from vestibule.server.errors import RequestError, limit_exceeded
from vestibule.server.features.calls import Provision
from vestibule.server.gate import PROVIDE, Gate, Ruling
from vestibule.server.holdings import Holding
from vestibule.server.limits import SessionLimits
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


__all__ = ["Providing"]

KIND: Final = "rpc"
"""What suspensions of provisions are called on the wire."""


class Providing:
    """The provisions of all sessions, by name and by session."""

    def __init__(self, gate: Gate, limits: SessionLimits) -> None:
        self._gate: Final = gate
        self._limits: Final = limits
        self._by_name: dict[Name, list[Provision]] = {}
        self._by_session: dict[Session, dict[Name, Provision]] = {}

    async def provide(self, session: Session, request: messages.Provide) -> None:
        """Take an offer to answer calls of a name.

        Raises:
            InvalidName: no concrete name.
            RequestError: the gate refuses, it is provided already, too many are.
        """
        name = parse_name(request.name)
        if self._gate.reserved(name):
            raise replies.denial(
                self._gate.refuse(session, PROVIDE, name, "a component of the broker")
            )
        refused = await self._refused(session, name, tell=True)
        if session.ended:
            return
        if refused is not None and not request.again:
            raise replies.denial(refused)
        held = self._by_session.get(session, {})
        if name in held:
            raise RequestError(ErrorCode.MULTIPLE_PROVIDERS)
        if len(held) >= self._limits.providers:
            raise limit_exceeded("limits.providers")
        provision = Provision(session, name)
        provision.suspended = refused is not None
        self._by_session.setdefault(session, {})[name] = provision
        self._by_name.setdefault(name, []).append(provision)
        outcome = ErrorCode.PERMISSION_REVOKED if provision.suspended else None
        replies.answer(session, request.id, outcome)

    def unprovide(self, session: Session, request: messages.Unprovide) -> None:
        """Withdraw an offer; calls that were given under it may still be answered.

        Raises:
            InvalidName: no concrete name.
            RequestError: the session does not provide the name.
        """
        name = parse_name(request.name)
        provision = self._by_session.get(session, {}).pop(name, None)
        if provision is None:
            raise RequestError(ErrorCode.NOT_PROVIDED)
        if not self._by_session[session]:
            del self._by_session[session]
        self._withdraw(provision)
        replies.done(session, request.id)

    def choose(self, name: Name, but: AbstractSet[Session]) -> Provision | None:
        """Give a provider of `name` that is none of `but`, at random among several."""
        candidates = [
            one
            for one in self._by_name.get(name, ())
            if not one.suspended and one.session not in but
        ]
        if len(candidates) > 1:
            return secrets.choice(candidates)
        return candidates[0] if candidates else None

    def of(self, session: Session, name: Name) -> Provision | None:
        """Give a session's provision of `name`, unless it is suspended."""
        provision = self._by_session.get(session, {}).get(name)
        return None if provision is None or provision.suspended else provision

    async def recheck(self, session: Session) -> None:
        """Decide the session's provisions again, suspending and resuming them."""
        suspended: list[str] = []
        resumed: list[str] = []
        for provision in list(self._by_session.get(session, {}).values()):
            refused = await self._refused(session, provision.name, tell=False)
            if session.ended or provision.suspended is (refused is not None):
                continue
            if self._by_session.get(session, {}).get(provision.name) is provision:
                provision.suspended = refused is not None
                told = suspended if provision.suspended else resumed
                told.append(provision.name.text)
        if suspended:
            replies.suspended(session, KIND, suspended)
        if resumed:
            replies.resumed(session, KIND, resumed)

    async def _refused(
        self, session: Session, name: Name, *, tell: bool
    ) -> Denied | None:
        ruling = self._gate.decide(session, PROVIDE, name, tell=tell)
        verdict = (ruling if isinstance(ruling, Ruling) else await ruling).verdict
        return verdict if isinstance(verdict, Denied) else None

    @property
    def names(self) -> tuple[Name, ...]:
        """Every name that somebody provides."""
        return tuple(self._by_name)

    def holdings(self, session: Session) -> Iterator[Holding]:
        """Give the session's provisions."""
        for one in self._by_session.get(session, {}).values():
            yield Holding(KIND, one.name, PROVIDE.need, one.suspended)

    def session_ended(self, session: Session) -> None:
        """Withdraw everything that `session` provided."""
        for provision in self._by_session.pop(session, {}).values():
            provision.suspended = True
            self._withdraw(provision)

    def _withdraw(self, provision: Provision) -> None:
        providers = self._by_name[provision.name]
        providers.remove(provision)
        if not providers:
            del self._by_name[provision.name]
