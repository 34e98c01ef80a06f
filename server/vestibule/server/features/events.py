"""Events: publish and subscribe, by name and by pattern, nothing stored."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import encode
from vestibule.protocol.errors import ErrorCode, InvalidName
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import Pattern, PatternTrie, parse_pattern
from vestibule.server import replies
from vestibule.server.delivery import Delivery
from vestibule.server.errors import RequestError, limit_exceeded
from vestibule.server.gate import PUBLISH, SUBSCRIBE, Gate, Ruling, Standing
from vestibule.server.holdings import Holding
from vestibule.server.limits import SessionLimits
from vestibule.server.session import Session
from vestibule.server.verdict import Allowed, Denied


__all__ = ["Events"]

KIND: Final = "event"
"""What suspensions of subscriptions are called on the wire."""

_ROUTED: Final = 65_536
"""Names and receivers that are remembered before all are forgotten, and found anew
when they come up: 20 MB, however many names clients make up and however many hear."""


class Subscription(Standing):
    """One pattern that a session subscribed to; `echo` asks for its own events too."""

    __slots__ = ("asked", "echo")

    def __init__(self, session: Session, asked: Pattern, *, echo: bool) -> None:
        super().__init__(session, SUBSCRIBE, None if asked.literal else asked)
        self.asked: Final = asked
        self.echo: Final = echo


class _Receiver:
    """A session with its subscriptions that match one name."""

    __slots__ = ("echoing", "session", "standings")

    def __init__(self, session: Session) -> None:
        self.session: Final = session
        self.standings: tuple[Subscription, ...] = ()
        self.echoing: tuple[Subscription, ...] = ()


class Events:
    """Carries events from who may publish them to who may receive them.

    `sessions` are the live sessions by id, for events narrowed to some of them.
    """

    def __init__(
        self,
        gate: Gate,
        delivery: Delivery,
        *,
        limits: SessionLimits,
        sessions: Mapping[str, Session],
    ) -> None:
        self._gate: Final = gate
        self._delivery: Final = delivery
        self._limits: Final = limits
        self._sessions: Final = sessions
        self._trie: PatternTrie[Subscription] = PatternTrie()
        self._held: dict[Session, dict[str, Subscription]] = {}
        self._routes: dict[Name, tuple[_Receiver, ...]] = {}
        """Receivers by name, of names that may be published: none is reserved."""
        self._routed = 0
        self.handlers: Final[
            dict[type[messages.Message], Callable[..., Awaitable[None] | None]]
        ] = {
            messages.Publish: self.publish,
            messages.Subscribe: self.subscribe,
            messages.Unsubscribe: self.unsubscribe,
        }

    # Publishing.

    def publish(
        self, session: Session, request: messages.Publish
    ) -> Awaitable[None] | None:
        """Queue an event for its receivers, if the gate lets the session publish it.

        Raises:
            InvalidName: the name is no concrete name.
            RequestError: the gate refuses.
        """
        name = parse_name(request.name)
        if name not in self._routes and self._gate.reserved(name):
            raise replies.denial(
                self._gate.refuse(session, PUBLISH, name, "a component of the broker")
            )
        ruling = self._gate.decide(session, PUBLISH, name, request.data)
        if type(ruling) is Ruling:
            self._published(session, request, name, ruling)
            return None
        return self._publish_later(session, request, name, ruling)

    async def _publish_later(
        self,
        session: Session,
        request: messages.Publish,
        name: Name,
        ruling: Ruling | Awaitable[Ruling],
    ) -> None:
        decided = ruling if isinstance(ruling, Ruling) else await ruling
        if not session.ended:
            self._published(session, request, name, decided)

    def _published(
        self,
        session: Session,
        request: messages.Publish,
        name: Name,
        ruling: Ruling,
    ) -> None:
        verdict = ruling.verdict
        if type(verdict) is Denied:
            raise replies.denial(verdict)
        body = request.data if ruling.body is None else ruling.body
        receivers = self._routes.get(name)
        if receivers is None:
            receivers = self._route(name)
        if request.to is not None:
            chosen = self._chosen(request.to)
            receivers = tuple(one for one in receivers if one.session in chosen)
        if receivers:
            message = encode(messages.Event(name.text, body))
            self._delivery.check_size(message)
            deliver = self._delivery.deliver
            for receiver in receivers:
                if receiver.session is session:
                    self._echo(receiver, name, body)
                else:
                    deliver(receiver.session, receiver.standings, name, body, message)
        if request.ack:
            replies.done(session, request.id)

    def _echo(self, receiver: _Receiver, name: Name, body: Raw) -> None:
        """Deliver to the publisher itself, to what asked for its own events."""
        if receiver.echoing:
            message = encode(messages.Event(name.text, body, own=True))
            self._delivery.deliver(
                receiver.session, receiver.echoing, name, body, message
            )

    def _chosen(self, ids: list[str]) -> set[Session]:
        if len(ids) > self._limits.bulk_items:
            raise limit_exceeded("limits.bulk_items")
        return {self._sessions[one] for one in ids if one in self._sessions}

    def announce(self, name: Name, body: Raw, sessions: Collection[Session]) -> None:
        """Queue an event of the broker's own for those of `sessions` that subscribed.

        Raises:
            RequestError: LIMIT_EXCEEDED, for one that fits no record.
        """
        receivers = self._receivers(name)
        if any(one.session in sessions for one in receivers):
            message = encode(messages.Event(name.text, body))
            self._delivery.check_size(message)
            deliver = self._delivery.deliver
            for one in receivers:
                if one.session in sessions:
                    deliver(one.session, one.standings, name, body, message)

    def _route(self, name: Name) -> tuple[_Receiver, ...]:
        """Find who subscribed to `name`, and remember it."""
        route = self._receivers(name)
        self._routed += 1 + len(route)
        if self._routed > _ROUTED:
            self._routes.clear()
            self._routed = 1 + len(route)
        self._routes[name] = route
        return route

    def _receivers(self, name: Name) -> tuple[_Receiver, ...]:
        """Find who subscribed to `name`, once for each session."""
        receivers: dict[Session, _Receiver] = {}
        for subscription in self._trie.find(name):
            receiver = receivers.get(subscription.session)
            if receiver is None:
                receiver = _Receiver(subscription.session)
                receivers[subscription.session] = receiver
            receiver.standings += (subscription,)
            if subscription.echo:
                receiver.echoing += (subscription,)
        return tuple(receivers.values())

    # Subscribing.

    async def subscribe(self, session: Session, request: messages.Subscribe) -> None:
        """Decide each pattern by itself and make what is accepted live.

        Raises:
            RequestError: more patterns than a request may hold.
        """
        if len(request.patterns) > self._limits.bulk_items:
            raise limit_exceeded("limits.bulk_items")
        outcomes = [
            await self._outcome(self._subscribe(session, text, request))
            for text in request.patterns
        ]
        if not session.ended:
            replies.answer(session, request.id, outcomes)

    async def _outcome(self, attempt: Awaitable[None]) -> list[Any] | None:
        try:
            await attempt
        except InvalidName as problem:
            return [ErrorCode.INVALID_PATH, str(problem), {}]
        except RequestError as error:
            return [error.code, error.message, error.details]
        return None

    async def _subscribe(
        self, session: Session, text: str, request: messages.Subscribe
    ) -> None:
        pattern = parse_pattern(text)
        held = self._held.get(session, {})
        if pattern.text in held:
            raise RequestError(ErrorCode.MULTIPLE_SUBSCRIPTIONS)
        if len(held) >= self._limits.subscriptions:
            raise limit_exceeded("limits.subscriptions")
        verdict = await self._decide(session, pattern)
        if session.ended:
            return
        subscription = Subscription(session, pattern, echo=request.echo)
        if isinstance(verdict, Denied):
            if not request.again:
                raise replies.denial(verdict)
            # A subscription that a reconnecting client repeats is treated as if the
            # right had been lost while it was connected (docs/protocol.md,
            # "Suspension").
            subscription.suspended = True
        self._held.setdefault(session, {})[pattern.text] = subscription
        self._trie.add(pattern, subscription)
        self._reroute(pattern)
        if subscription.suspended:
            raise RequestError(ErrorCode.PERMISSION_REVOKED)

    async def _decide(self, session: Session, pattern: Pattern) -> Allowed | Denied:
        ruling = self._gate.decide(session, SUBSCRIBE, _asked(pattern))
        return (ruling if isinstance(ruling, Ruling) else await ruling).verdict

    async def unsubscribe(
        self, session: Session, request: messages.Unsubscribe
    ) -> None:
        """End subscriptions; each by itself.

        Raises:
            RequestError: more patterns than a request may hold.
        """
        if len(request.patterns) > self._limits.bulk_items:
            raise limit_exceeded("limits.bulk_items")
        outcomes = [
            await self._outcome(self._unsubscribe(session, text))
            for text in request.patterns
        ]
        replies.answer(session, request.id, outcomes)

    async def _unsubscribe(self, session: Session, text: str) -> None:
        pattern = parse_pattern(text)
        held = self._held.get(session, {})
        subscription = held.pop(pattern.text, None)
        if subscription is None:
            raise RequestError(ErrorCode.NOT_SUBSCRIBED)
        if not held:
            del self._held[session]
        self._drop(subscription)

    def _drop(self, subscription: Subscription) -> None:
        subscription.suspended = True
        self._trie.discard(subscription.asked, subscription)
        self._reroute(subscription.asked)

    def _reroute(self, pattern: Pattern) -> None:
        """Forget the receivers of the names that `pattern` may match."""
        if pattern.literal:
            self._routes.pop(parse_name(pattern.text), None)
        else:
            self._routes.clear()

    # The life of a session.

    async def recheck(self, session: Session) -> None:
        """Decide the session's subscriptions again, suspending and resuming them.

        When it returns, nothing is delivered to what would be refused now.
        """
        suspended: list[str] = []
        resumed: list[str] = []
        for subscription in list(self._held.get(session, {}).values()):
            subscription.forget()
            verdict = await self._decide_again(subscription)
            refused = isinstance(verdict, Denied)
            if subscription.suspended is refused or session.ended:
                continue
            held = self._held.get(session, {}).get(subscription.asked.text)
            if held is not subscription:
                continue
            subscription.suspended = refused
            (suspended if refused else resumed).append(subscription.asked.text)
        if suspended:
            replies.suspended(session, KIND, suspended)
        if resumed:
            replies.resumed(session, KIND, resumed)

    async def _decide_again(self, subscription: Subscription) -> Allowed | Denied:
        ruling = self._gate.decide(
            subscription.session, SUBSCRIBE, _asked(subscription.asked), tell=False
        )
        return (ruling if isinstance(ruling, Ruling) else await ruling).verdict

    def session_ended(self, session: Session) -> None:
        """Forget everything kept for `session`."""
        for subscription in self._held.pop(session, {}).values():
            self._drop(subscription)

    def holdings(self, session: Session) -> Iterator[Holding]:
        """Give the session's subscriptions."""
        for one in self._held.get(session, {}).values():
            yield Holding(KIND, _asked(one.asked), SUBSCRIBE.need, one.suspended)

    def count(self) -> int:
        """Count the subscriptions of all sessions."""
        return len(self._trie)


def _asked(pattern: Pattern) -> Name | Pattern:
    """Ask about a literal pattern as the name that it is."""
    return parse_name(pattern.text) if pattern.literal else pattern
