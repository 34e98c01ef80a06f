"""Events: publishing, and subscriptions that share what they have in common."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from vestibule.client.channel import Channel, Feature, body_of
from vestibule.client.errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
)
from vestibule.client.pending import About
from vestibule.client.shared_patterns import (
    DENIED,
    UNREADABLE,
    Refusal,
    Shared,
    SharedPatterns,
)
from vestibule.client.subscription import SUBSCRIBE, Subscription
from vestibule.client.suspension import OnAccess
from vestibule.protocol import messages
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import InvalidName
from vestibule.protocol.messages import Message
from vestibule.protocol.patterns import Pattern, parse_pattern


__all__ = ["Events"]

PUBLISH: Final = About(Topic.EVENT, Action.PUBLISH)
UNSUBSCRIBE: Final = About(Topic.EVENT, Action.UNSUBSCRIBE)

_BULK: Final = 250
"""Patterns that a reconnection puts into one request: brokers bound their number."""


class Events(Feature):
    """`session.events`: publish and subscribe by name and pattern.

    Subscriptions of a session that overlap cost one copy on the wire; each of them
    gets each event once.
    """

    kind = "event"

    def __init__(self, channel: Channel) -> None:
        self._channel: Final = channel
        self._patterns: Final = SharedPatterns()

    # What applications call.

    async def publish(
        self,
        name: str,
        data: Any = None,
        *,
        ack: bool = True,
        to: Iterable[str] | None = None,
    ) -> None:
        """Publish an event under a name, which holds no wildcard.

        Returns when the broker has allowed it and queued it for its receivers; with
        `ack=False` at once, or as soon as the socket takes it, and a failure goes to
        `on_error`. `to` narrows the receivers to these session ids.

        Raises:
            RequestFailed: MessageDenied, INVALID_PATH, INVALID_MESSAGE_DATA, …
            ConnectionLost: the connection ended before the answer came.
            SessionClosed: the session is over.
        """
        if not isinstance(name, str):
            raise TypeError("the name of an event is a str")
        receivers = None if to is None else _session_ids(to)
        body = body_of(data, PUBLISH, name)
        if ack:
            await self._channel.ask(
                lambda id_: messages.Publish(id_, name, body, True, receivers),  # noqa: FBT003 - positional is fast, and this is where it counts
                PUBLISH,
                name,
            )
        else:
            await self._channel.post(
                lambda id_: messages.Publish(id_, name, body, False, receivers),  # noqa: FBT003 - as above
                PUBLISH,
                name,
            )

    def subscribe(
        self,
        *patterns: str,
        echo: bool = False,
        buffer: int = 10_000,
        raise_on_revoked: bool = False,
        on_state: OnAccess | None = None,
    ) -> Subscription:
        """Subscribe to names or patterns, each of which is decided by itself.

        The answer is an async context manager and iterator. Entering raises the error
        of the first pattern if none is accepted.

        Args:
            patterns: names, or patterns with `*` and `**`.
            echo: whether this session's own events come too.
            buffer: events that may wait to be read; one more ends the subscription.
            raise_on_revoked: end with an error when the right is taken away, instead
                of waiting until it is given back.
            on_state: called when patterns are suspended and when they resume.

        Raises:
            TypeError: no pattern, or an argument of another type.
            ValueError: a buffer for less than one event.
        """
        if not patterns:
            raise TypeError("subscribe() takes at least one pattern")
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise TypeError("patterns are str")
        if isinstance(buffer, bool) or not isinstance(buffer, int):
            raise TypeError("buffer is an int")
        if buffer < 1:
            raise ValueError("buffer is at least 1")
        return Subscription(
            self,
            self._channel.callbacks,
            tuple(dict.fromkeys(patterns)),
            echo=echo,
            buffer=buffer,
            raise_on_revoked=raise_on_revoked,
            on_state=on_state,
        )

    def report(self, error: RequestFailed) -> None:
        """Tell `on_error` of what nobody here can raise."""
        self._channel.report(error)

    # What subscriptions call.

    async def enter(self, subscription: Subscription) -> None:
        """Make a subscription live.

        Raises:
            RequestFailed: that of the first pattern, if none is accepted.
            ConnectionLost, SessionClosed: as for every request.
        """
        try:
            refused = await self._join(subscription)
        except BaseException:
            self.drop(subscription)
            raise
        subscription.refused = {
            given: refused[given] for given in subscription.given if given in refused
        }
        subscription.patterns = tuple(
            given for given in subscription.given if given not in refused
        )
        if not subscription.patterns:
            self.drop(subscription)
            raise refused[subscription.given[0]]

    async def leave(self, subscription: Subscription) -> None:
        """Take a subscription away; afterwards the broker keeps nothing for it."""
        texts = self._patterns.release_all(subscription)
        if not texts or self._channel.carrier is None:
            return
        # A failure means that it is gone one way or the other.
        with suppress(RequestFailed, ConnectionLost, SessionClosed):
            await self._channel.ask(
                lambda id_: messages.Unsubscribe(id_, texts),
                UNSUBSCRIBE,
                texts[0],
                again=True,
            )

    def drop(self, subscription: Subscription) -> None:
        """Take a subscription away, and let the broker know when it can."""
        texts = self._patterns.release_all(subscription)
        if texts:
            self._channel.forget(lambda id_: messages.Unsubscribe(id_, texts))

    # Joining and letting go.

    async def _join(self, subscription: Subscription) -> dict[str, RequestFailed]:
        """Hold every pattern that the broker accepts; answer why not the others."""
        refused: dict[str, RequestFailed] = {}
        wanted: dict[str, tuple[Pattern, tuple[str, ...]]] = {}
        for given in subscription.given:
            try:
                pattern = parse_pattern(given)
            except InvalidName as problem:
                refused[given] = Refusal("INVALID_PATH", str(problem)).error(given)
                continue
            _, texts = wanted.get(pattern.text, (pattern, ()))
            wanted[pattern.text] = (pattern, (*texts, given))
        await self._patterns.until_settled(tuple(wanted))

        new: list[Shared] = []
        widened: list[Shared] = []
        for text, (pattern, texts) in wanted.items():
            shared = self._patterns.get(text)
            if shared is None:
                shared = self._patterns.add(pattern, echo=subscription.echo)
                new.append(shared)
            elif shared.suspended:
                # As if it were asked anew: what is suspended would be refused.
                refused |= {given: DENIED.error(given) for given in texts}
                continue
            elif subscription.echo and not shared.echo:
                widened.append(shared)
            self._patterns.hold(shared, subscription, texts)

        refusals = await self._ask_new(new, echo=subscription.echo)
        lost = await self._widen(widened, subscription)
        refusals |= dict.fromkeys(lost, DENIED)
        for shared, refusal in refusals.items():
            texts = self._patterns.release(shared, subscription)
            refused |= {given: refusal.error(given) for given in texts}
        self._apply(lost)
        return refused

    async def _ask_new(
        self, new: Sequence[Shared], *, echo: bool
    ) -> dict[Shared, Refusal]:
        if not new:
            return {}
        try:
            return await self._ask(new, echo=echo, again=False)
        finally:
            for shared in new:
                shared.settle()

    async def _widen(
        self, widened: Sequence[Shared], newcomer: Subscription
    ) -> dict[Shared, Refusal]:
        """Ask again, with echo, for patterns that others hold here without it."""
        if not widened:
            return {}
        texts = [shared.pattern.text for shared in widened]
        for shared in widened:
            shared.echo = True
            shared.settled = asyncio.Event()
        self._channel.forget(lambda id_: messages.Unsubscribe(id_, texts))
        try:
            lost = await self._ask(widened, echo=True, again=True)
        finally:
            for shared in widened:
                shared.settle()
        for shared in widened:
            for holder in shared.holders:
                # Between the two requests an event may have been missed.
                if holder is not newcomer and shared not in lost:
                    holder.gaps += 1
        return lost

    async def _ask(
        self, wanted: Sequence[Shared], *, echo: bool, again: bool
    ) -> dict[Shared, Refusal]:
        """Ask the broker for patterns; answer which it refused, and why."""
        texts = [shared.pattern.text for shared in wanted]
        for shared in wanted:
            shared.told = False
        try:
            body = await self._channel.ask(
                lambda id_: messages.Subscribe(id_, texts, echo, again),
                SUBSCRIBE,
                texts[0],
                again=again,
            )
            outcomes = msgspec.msgpack.decode(body, type=list[Refusal | None])
        except RequestTimeout:
            raise
        except RequestFailed as error:
            return dict.fromkeys(
                wanted, Refusal(error.code, error.message, error.details)
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            outcomes = []
        # What an answer does not speak of has not been accepted.
        outcomes += [UNREADABLE] * (len(wanted) - len(outcomes))
        return {
            shared: outcome
            for shared, outcome in zip(wanted, outcomes, strict=False)
            if not (outcome is None or outcome.code == "MULTIPLE_SUBSCRIPTIONS")
        }

    # What the broker says.

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """Read events."""
        return {messages.Event: self._event}

    def _event(self, event: messages.Event) -> None:
        name = event.name
        receivers = self._patterns.receivers(name)
        if not receivers:
            return
        # A copy: the message's own data keep a whole record in memory.
        body = bytes(event.data)
        own = event.own
        for subscription in receivers:
            if not own or subscription.echo:
                subscription.deliver(name, body)

    def suspended(self, names: Sequence[str], code: str) -> None:
        """Suspend patterns."""
        for holder, texts in self._patterns.mark(names, suspended=True).items():
            holder.revoke(texts, code)

    def resumed(self, names: Sequence[str]) -> None:
        """Resume patterns."""
        for holder, texts in self._patterns.mark(names, suspended=False).items():
            holder.restore(texts)

    # What happens to the session.

    async def reopen(self) -> None:
        """Subscribe again to everything; what is refused now is suspended."""
        for subscription in self._patterns.subscriptions:
            subscription.gaps += 1
        # Those that are being asked for the first time ask by themselves.
        settled = self._patterns.settled
        await asyncio.gather(
            *(
                self._repeat(kind[at : at + _BULK], echo=echo)
                for echo in (False, True)
                for kind in [[s for s in settled if s.echo is echo]]
                for at in range(0, len(kind), _BULK)
            )
        )

    async def _repeat(self, wanted: Sequence[Shared], *, echo: bool) -> None:
        refusals = await self._ask(wanted, echo=echo, again=True)
        back = [
            shared.pattern.text
            for shared in wanted
            if shared.suspended and shared not in refusals and not shared.told
        ]
        for holder, texts in self._patterns.mark(back, suspended=False).items():
            holder.resume(texts)
        self._apply(refusals)

    def _apply(self, refusals: Mapping[Shared, Refusal]) -> None:
        """Take note of what a repetition was answered."""
        for shared, refusal in refusals.items():
            if refusal.code == "PERMISSION_REVOKED":
                # Unless a notice behind the answer has said more.
                if not shared.told:
                    self.suspended([shared.pattern.text], refusal.code)
                continue
            for holder, texts in list(shared.holders.items()):
                holder.fail(refusal.error(texts[0]))

    def ended(self, reason: str, *, quietly: bool) -> None:
        """End every subscription."""
        for subscription in self._patterns.subscriptions:
            subscription.session_ended(reason, quietly=quietly)


def _session_ids(to: Iterable[str]) -> list[str]:
    receivers = [] if isinstance(to, str) else list(to)
    if isinstance(to, str) or not all(isinstance(one, str) for one in receivers):
        raise TypeError("to is a list of session ids")
    return receivers
