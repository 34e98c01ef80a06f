"""The gate: one question for what comes in, the same for what goes out.

`decide` answers for every message of a session, `may_receive` for every delivery to
one. Nothing in the broker is exempt.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from msgspec import Raw

from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.names import Name
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.policy import Subject
from vestibule.server.handler import Message
from vestibule.server.hooks import Hooks
from vestibule.server.rights import (
    CALL,
    PROVIDE,
    PUBLISH,
    SEND,
    SUBSCRIBE,
    Right,
    component_right,
)
from vestibule.server.session import Session
from vestibule.server.verdict import Allowed, Denied, Verdict


__all__ = [
    "CALL",
    "PROVIDE",
    "PUBLISH",
    "SEND",
    "SUBSCRIBE",
    "Gate",
    "Right",
    "Ruling",
    "Standing",
    "component_right",
]


class Ruling:
    """A verdict on a message, and the body to go on with.

    Where a handler looked at the body, it is the encoding of what the handler saw;
    None stands for the body as it came.
    """

    __slots__ = ("body", "verdict")

    def __init__(self, verdict: Verdict, body: Raw | None) -> None:
        self.verdict: Final = verdict
        self.body: Final = body


_GRANTED: Final = Ruling(Allowed("the policy grants it"), None)
"""Almost every message gets this answer; which grant decided is for `explain`."""

_TOKEN_LIMITED: Final = Denied(
    "the profile of the session leaves it out", code=ErrorCode.TOKEN_LIMITED
)
_USED_UP: Final = Denied(
    "the profile of the session allows no more", code=ErrorCode.USAGE_LIMIT
)


def _narrowed(narrowing: Subject, right: Right, name: Name | Pattern) -> Verdict:
    """Ask what a profile leaves of a user's rights."""
    if isinstance(name, Name):
        return narrowing.decide(right.need, name)
    return narrowing.decide_pattern(right.need, name)


class Standing:
    """Something a session asked for that leads to deliveries: a subscription, a call.

    It remembers, for a pattern, which concrete names the handler has allowed.
    """

    __slots__ = (
        "generation",
        "pattern",
        "remembered",
        "right",
        "session",
        "suspended",
    )

    def __init__(self, session: Session, right: Right, pattern: Pattern | None) -> None:
        self.session: Final = session
        self.right: Final = right
        self.pattern: Final = pattern
        """The pattern asked for; None for a literal name."""
        self.remembered: OrderedDict[str, bool] | None = None
        self.generation = 0
        self.suspended = False
        """Whether the right to it is lost for now: nothing is delivered to it."""

    def forget(self) -> None:
        """Ask the handler anew about every name, and use no answer given before."""
        self.generation += 1
        self.remembered = None


OnDenied: TypeAlias = Callable[[Session, Right, str, Denied], None]


class Gate:
    """Decides by the policy and, where there is one, the permission handler.

    A prohibition by the policy stands whatever the handler says; the handler is not
    asked then. A handler that does not override `can_perform_action` leaves all to
    the policy. For names of the broker's own (`<broker name>/…`) a handler narrows
    and never widens. What both allow is held to the session's profile, which only
    narrows. `denied` is told each refusal of a message.
    """

    def __init__(
        self,
        hooks: Hooks,
        *,
        broker_name: str,
        components: frozenset[str],
        remembered_names: int,
        denied: OnDenied,
    ) -> None:
        self._hooks: Final = hooks
        self._decides: Final = hooks.decides
        self._asks: Final = hooks.decides or hooks.filters
        self._broker_name: Final = broker_name
        self._components: Final = components
        self._remembered_names: Final = remembered_names
        self._denied: Final = denied

    def decide(
        self,
        session: Session,
        right: Right,
        name: Name | Pattern,
        body: Raw | None = None,
        *,
        tell: bool = True,
    ) -> Ruling | Awaitable[Ruling]:
        """Decide a message of `session`; awaitable only where a handler is async.

        `name` is what it is about. `tell` is false where no message is decided but
        something that stands is decided again: nothing is counted or audited then.
        """
        subject = session.subject
        if isinstance(name, Name):
            verdict = subject.decide(right.need, name)
        else:
            verdict = subject.decide_pattern(right.need, name)
        if self._decides and right.handled and not self._settled(verdict, str(name)):
            return self._ask(session, right, name, verdict, body, tell)
        if type(verdict) is Allowed:
            if session.limited:
                meter = session.meter
                if (
                    session.narrowing is not None
                    or not tell
                    or (meter is not None and not meter.allows(session.heard_at))
                ):
                    return self._within(session, right, name, _GRANTED, tell)
            if tell:
                session.last = (right, name, True, session.heard_at)
            return _GRANTED
        if tell and type(verdict) is Denied:
            self._tell(session, right, name, verdict)
        return Ruling(verdict, None)

    def _within(
        self,
        session: Session,
        right: Right,
        name: Name | Pattern,
        ruling: Ruling,
        tell: bool,  # noqa: FBT001 - handed through from `decide`
    ) -> Ruling:
        """Hold what was allowed to the profile's own limits."""
        narrowing = session.narrowing
        if narrowing is not None and type(_narrowed(narrowing, right, name)) is Denied:
            denied = _TOKEN_LIMITED
        elif not tell:
            return ruling
        else:
            meter, now = session.meter, session.heard_at
            if meter is None or meter.allows(now):
                session.last = (right, name, True, now)
                return ruling
            denied = _USED_UP
        if tell:
            self._tell(session, right, name, denied)
        return Ruling(denied, None)

    def _tell(
        self, session: Session, right: Right, name: object, denied: Denied
    ) -> None:
        session.last = (right, name, False, session.heard_at)
        self._denied(session, right, str(name), denied)

    def reserved(self, name: str) -> bool:
        """Whether `name` lies under a component of the broker's own.

        With or without the broker's name in front; nobody provides or publishes there.
        """
        first, _, rest = name.partition("/")
        if first == self._broker_name and rest:
            first = rest.partition("/")[0]
        return first in self._components

    def refuse(self, session: Session, right: Right, name: str, reason: str) -> Denied:
        """Deny what no policy and no handler can allow, and tell it like any refusal."""
        verdict = Denied(reason, forbidden=True)
        self._tell(session, right, name, verdict)
        return verdict

    def _settled(self, verdict: Verdict, name: str) -> bool:
        """Whether the policy's verdict stands without asking the handler."""
        match verdict:
            case Allowed():
                return False
            case Denied(forbidden=forbidden):
                return forbidden or self._own(name)

    def _own(self, name: str) -> bool:
        return name.partition("/")[0] == self._broker_name

    def _ask(
        self,
        session: Session,
        right: Right,
        name: Name | Pattern,
        verdict: Verdict,
        body: Raw | None,
        tell: bool,  # noqa: FBT001 - handed through from `decide`
    ) -> Ruling | Awaitable[Ruling]:
        message = Message(
            right.topic,
            right.action,
            str(name),
            verdict=verdict,
            session=session.view,
            body=body,
        )
        generation = session.generation
        answer = self._hooks.can_perform_action(session.username, message)
        if isinstance(answer, Allowed | Denied):
            return self._ruled(session, right, name, message, answer, tell)
        return self._ruled_later(
            session, right, name, message, answer, tell, generation
        )

    async def _ruled_later(
        self,
        session: Session,
        right: Right,
        name: Name | Pattern,
        message: Message,
        answer: Awaitable[Verdict],
        tell: bool,  # noqa: FBT001 - as above
        generation: int,
    ) -> Ruling:
        verdict = await answer
        if session.generation != generation and not session.ended:
            # The policy or the handler's mind changed while it thought: what they now
            # refuse is refused, and what they now allow is allowed.
            again = self.decide(session, right, name, message.body, tell=tell)
            return again if isinstance(again, Ruling) else await again
        return self._ruled(session, right, name, message, verdict, tell)

    def _ruled(
        self,
        session: Session,
        right: Right,
        name: Name | Pattern,
        message: Message,
        answer: Verdict,
        tell: bool,  # noqa: FBT001 - as above
    ) -> Ruling:
        ruling = Ruling(answer, message.body)
        if isinstance(answer, Allowed):
            return self._within(session, right, name, ruling, tell)
        if tell:
            self._tell(session, right, name, answer)
        return ruling

    def may_be_given(self, provision: Standing, name: Name) -> bool:
        """Whether a provider may still be given a call of `name`.

        The handler is not asked again: its answer to the provision stands until that
        is decided again.
        """
        if provision.suspended:
            return False
        session, need = provision.session, provision.right.need
        narrowing = session.narrowing
        if narrowing is not None and type(narrowing.decide(need, name)) is Denied:
            return False
        verdict = session.subject.decide(need, name)
        if type(verdict) is Allowed:
            return True
        return self._decides and not self._settled(verdict, name)

    def may_receive(
        self, standing: Standing, name: Name, body: Raw
    ) -> Verdict | Awaitable[Verdict]:
        """Decide one delivery at its own concrete name, at the moment of queueing.

        `body` is what would be sent. Awaitable only where a handler is async.
        """
        session, need = standing.session, standing.right.delivery
        verdict = session.subject.decide(need, name)
        narrowing = session.narrowing
        if (
            narrowing is not None
            and type(narrowing.decide(need, name)) is Denied
            and (self._asks or type(verdict) is Allowed)
        ):
            return _TOKEN_LIMITED
        if not self._asks:
            return verdict
        if type(verdict) is Denied and (
            verdict.forbidden
            or not (self._decides and standing.right.handled)
            or self._own(name)
        ):
            return verdict
        return self._ask_delivery(standing, name, body, verdict)

    def _ask_delivery(
        self, standing: Standing, name: Name, body: Raw, verdict: Verdict
    ) -> Verdict | Awaitable[Verdict]:
        if self._decides and standing.right.handled and standing.pattern is not None:
            remembered = standing.remembered
            known = None if remembered is None else remembered.get(name)
            if known is False:
                return Denied("the handler denied this name")
            if known is None:
                generation = standing.generation + standing.session.generation
                answer = self._ask_name(standing, name, verdict)
                if not isinstance(answer, Allowed | Denied):
                    return self._name_then_filter(
                        standing, name, body, verdict, answer, generation
                    )
                self._remember(standing, name, answer)
                if isinstance(answer, Denied):
                    return answer
            elif remembered is not None:
                remembered.move_to_end(name)
        return self._filter(standing, name, body, verdict)

    def _ask_name(
        self, standing: Standing, name: Name, verdict: Verdict
    ) -> Verdict | Awaitable[Verdict]:
        message = Message(
            standing.right.topic,
            standing.right.action,
            name,
            verdict=verdict,
            session=standing.session.view,
        )
        return self._hooks.can_perform_action(standing.session.username, message)

    def _remember(self, standing: Standing, name: Name, answer: Verdict) -> None:
        remembered = standing.remembered
        if remembered is None:
            remembered = standing.remembered = OrderedDict()
        remembered[name] = isinstance(answer, Allowed)
        if len(remembered) > self._remembered_names:
            remembered.popitem(last=False)

    async def _name_then_filter(
        self,
        standing: Standing,
        name: Name,
        body: Raw,
        verdict: Verdict,
        answer: Awaitable[Verdict],
        generation: int,
    ) -> Verdict:
        given = await answer
        if standing.generation + standing.session.generation != generation:
            # An answer of an earlier mind is neither used nor remembered.
            again = self.may_receive(standing, name, body)
            return again if isinstance(again, Allowed | Denied) else await again
        self._remember(standing, name, given)
        if isinstance(given, Denied):
            return given
        filtered = self._filter(standing, name, body, verdict)
        if isinstance(filtered, Allowed | Denied):
            return filtered
        return await filtered

    def _filter(
        self, standing: Standing, name: Name, body: Raw, verdict: Verdict
    ) -> Verdict | Awaitable[Verdict]:
        if not self._hooks.filters:
            return Allowed("the handler allowed what asked for it")
        message = Message(
            standing.right.topic,
            standing.right.action,
            name,
            verdict=verdict,
            session=standing.session.view,
            body=body,
        )
        return self._hooks.can_receive(standing.session.username, message)
