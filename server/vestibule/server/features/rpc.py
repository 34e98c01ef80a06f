"""Calls: given to one provider after another, answered once, to the caller alone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import encode, encode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.names import Name, parse_name
from vestibule.server import replies
from vestibule.server.deadlines import Deadlines
from vestibule.server.delivery import Delivery
from vestibule.server.errors import RequestError, limit_exceeded
from vestibule.server.features.calls import OpenCall, Provision
from vestibule.server.features.providing import Providing
from vestibule.server.gate import CALL, SEND, Gate, Right, Ruling
from vestibule.server.limits import SessionLimits
from vestibule.server.methods import OwnMethods
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


__all__ = ["Rpc"]


class _Given:
    """The calls that one provider's connection was given, by the id it knows."""

    __slots__ = ("calls", "last")

    def __init__(self) -> None:
        self.calls: dict[int, OpenCall] = {}
        self.last = 0

    def add(self, call: OpenCall) -> int:
        self.last += 1
        self.calls[self.last] = call
        return self.last


class Rpc:
    """Carries calls between sessions.

    A provider answers under an id of its own connection, so no session can answer,
    reject or see a call that was given to another. `stray` hears of those who try.
    """

    def __init__(
        self,
        gate: Gate,
        delivery: Delivery,
        *,
        limits: SessionLimits,
        sessions: Mapping[str, Session],
        own: OwnMethods,
        loop: asyncio.AbstractEventLoop,
        stray: Callable[[Session, int], None] = lambda _session, _call: None,
    ) -> None:
        self._stray: Final = stray
        self._gate: Final = gate
        self._delivery: Final = delivery
        self._limits: Final = limits
        self._sessions: Final = sessions
        self._own: Final = own
        self._now: Final = loop.time
        self._deadlines: Final = Deadlines(loop)
        self.providing: Final = Providing(gate, limits)
        self._open: dict[Session, dict[int, OpenCall]] = {}
        self._given: dict[Session, _Given] = {}
        self.handlers: Final[
            dict[type[messages.Message], Callable[..., Awaitable[None] | None]]
        ] = {
            messages.Provide: self.providing.provide,
            messages.Unprovide: self.providing.unprovide,
            messages.Call: self.call,
            messages.Send: self.send,
            messages.Cancel: self.cancel,
            messages.Accept: self.accept,
            messages.Reject: self.reject,
            messages.Respond: self.respond,
            messages.Fail: self.fail,
        }

    # Calling.

    def call(self, session: Session, request: messages.Call) -> Awaitable[None] | None:
        """Give a call to a provider of its name, or to a method of the broker's own.

        Raises:
            InvalidName: no concrete name.
            RequestError: the gate refuses, too many calls are open, nobody provides.
        """
        name = parse_name(request.name)
        if self._own.has(name):
            return self._own.call(session, request, name)
        ruling = self._gate.decide(session, CALL, name, request.data)
        if type(ruling) is Ruling:
            self._called(session, request, name, CALL, ruling)
            return None
        return self._call_later(session, request, name, CALL, ruling)

    def send(self, session: Session, request: messages.Send) -> Awaitable[None] | None:
        """Give a call to the one session that it names, if that provides it.

        Raises:
            InvalidName: no concrete name.
            RequestError: as `call`.
        """
        name = parse_name(request.name)
        ruling = self._gate.decide(session, SEND, name, request.data)
        if type(ruling) is Ruling:
            self._called(session, request, name, SEND, ruling)
            return None
        return self._call_later(session, request, name, SEND, ruling)

    async def _call_later(
        self,
        session: Session,
        request: messages.Call | messages.Send,
        name: Name,
        right: Right,
        ruling: Ruling | Awaitable[Ruling],
    ) -> None:
        decided = ruling if isinstance(ruling, Ruling) else await ruling
        if not session.ended:
            self._called(session, request, name, right, decided)

    def _called(
        self,
        session: Session,
        request: messages.Call | messages.Send,
        name: Name,
        right: Right,
        ruling: Ruling,
    ) -> None:
        verdict = ruling.verdict
        if type(verdict) is Denied:
            raise replies.denial(verdict)
        mine = self._open.setdefault(session, {})
        if len(mine) >= self._limits.pending_calls:
            raise limit_exceeded("limits.pending_calls")
        call = OpenCall(
            session,
            right,
            request=request.id,
            name=name,
            body=request.data if ruling.body is None else ruling.body,
            timeout=min(request.timeout_ms / 1000, self._limits.max_timeout),
            when_late=self._late,
        )
        mine[request.id] = call
        if isinstance(request, messages.Send):
            self._offer_to(call, request.session_id)
        else:
            self._offer(call)

    def _offer(self, call: OpenCall) -> None:
        """Ask a provider that has not been asked for this call."""
        while not call.over:
            provision = self.providing.choose(call.name, call.tried)
            if provision is None:
                self._fail_call(call, ErrorCode.NO_RPC_PROVIDER)
            elif self._give(call, provision):
                return

    def _offer_to(self, call: OpenCall, session_id: str) -> None:
        target = self._sessions.get(session_id)
        provision = None if target is None else self.providing.of(target, call.name)
        if provision is None or not (self._give(call, provision) or call.over):
            self._fail_call(call, ErrorCode.NO_RPC_PROVIDER)

    def _give(self, call: OpenCall, provision: Provision) -> bool:
        """Hand a call to a provider; false if that may not have it, or it is over."""
        provider = provision.session
        given = self._given.get(provider)
        if given is None:
            given = self._given[provider] = _Given()
        call.tried.add(provider)
        caller = call.caller
        message = encode(
            messages.CallGiven(
                given.last + 1, call.name.text, call.body, caller, caller
            )
        )
        try:
            self._delivery.check_size(message)
        except RequestError as error:
            replies.refuse(call.session, call.request, error)
            self._release(call)
            return False
        if not self._delivery.hand(provision, call.name, message):
            return False
        call.provision = provision
        call.accepted = False
        call.given_as = given.add(call)
        call.due = self._now() + self._limits.accept_timeout
        self._deadlines.watch(call)
        return True

    def cancel(self, session: Session, request: messages.Cancel) -> None:
        """Give up a call; one that is over already is passed over."""
        call = self._open.get(session, {}).get(request.request)
        if call is not None:
            self._close(call, ErrorCode.REQUEST_TIMEOUT)

    # Answering.

    def accept(self, session: Session, answer: messages.Accept) -> None:
        """Note that a provider has begun; from now on the call's own time runs."""
        call = self._given_call(session, answer.call)
        if call is None:
            return
        if call.accepted:
            replies.answer_refused(session, answer.call, ErrorCode.MULTIPLE_ACCEPT)
            return
        call.accepted = True
        call.due = self._now() + call.timeout
        if call.timeout < self._limits.accept_timeout:
            self._deadlines.watch(call)

    def reject(self, session: Session, answer: messages.Reject) -> None:
        """Pass a call on to the next provider; after accepting it is a failure."""
        call = self._given_call(session, answer.call)
        if call is None:
            return
        if call.accepted:
            self._remote_error(call, "Reject", "rejected after it was accepted")
        else:
            self._next(call)

    def respond(self, session: Session, answer: messages.Respond) -> None:
        """Give the caller its result, if it may still receive it."""
        call = self._given_call(session, answer.call)
        if call is None:
            return
        self._release(call)
        message = encode(messages.Answered(call.request, answer.data))
        try:
            self._delivery.check_size(message)
        except RequestError as error:
            replies.refuse(call.session, call.request, error)
        else:
            self._deliver(call, answer.data, message)

    def fail(self, session: Session, answer: messages.Fail) -> None:
        """Give the caller its provider's error, if it may still receive it."""
        call = self._given_call(session, answer.call)
        if call is not None:
            self._remote_error(call, answer.name, answer.message)

    def _given_call(self, session: Session, given_as: int) -> OpenCall | None:
        """Find the call that was given to this very session; else refuse the answer."""
        given = self._given.get(session)
        call = None if given is None else given.calls.get(given_as)
        if call is None:
            code = ErrorCode.INVALID_RPC_CORRELATION_ID
            replies.answer_refused(session, given_as, code)
            self._stray(session, given_as)
        return call

    def _remote_error(self, call: OpenCall, name: str, message: str) -> None:
        details = Raw(encode_body({"name": name}))
        code = ErrorCode.REMOTE_ERROR
        self._release(call)
        self._deliver(
            call,
            details,
            encode(messages.Failed(call.request, code, message, details)),
        )

    def _deliver(self, call: OpenCall, body: Raw, message: bytes) -> None:
        def denied(verdict: Denied) -> None:
            replies.refuse(call.session, call.request, replies.denial(verdict))

        self._delivery.deliver(call.session, (call,), call.name, body, message, denied)

    # Ends.

    def _late(self, call: OpenCall) -> None:
        code = ErrorCode.RESPONSE_TIMEOUT if call.accepted else ErrorCode.ACCEPT_TIMEOUT
        self._fail_call(call, code)

    def _fail_call(self, call: OpenCall, code: ErrorCode) -> None:
        """Tell the caller why it gets no result, and the provider that it is over."""
        if not call.session.ended:
            replies.failed(call.session, call.request, code)
        self._close(call, code)

    def _close(self, call: OpenCall, code: ErrorCode) -> None:
        provision = call.provision
        self._release(call)
        if provision is not None and not provision.session.ended:
            replies.call_withdrawn(provision.session, call.given_as, code)

    def _release(self, call: OpenCall) -> None:
        """Forget a call on both sides."""
        call.stop()
        self._take_back(call)
        mine = self._open.get(call.session)
        if mine is not None:
            mine.pop(call.request, None)
            if not mine:
                del self._open[call.session]

    def _take_back(self, call: OpenCall) -> None:
        """Let the provider's id of the call mean nothing any more."""
        if call.provision is not None:
            given = self._given.get(call.provision.session)
            if given is not None:
                given.calls.pop(call.given_as, None)
            call.provision = None

    def _next(self, call: OpenCall) -> None:
        self._take_back(call)
        if call.right is SEND:
            self._fail_call(call, ErrorCode.NO_RPC_PROVIDER)
        else:
            self._offer(call)

    # The life of a session.

    async def recheck(self, session: Session) -> None:
        """Decide the session's provisions and open calls again."""
        await self.providing.recheck(session)
        for call in list(self._open.get(session, {}).values()):
            refused = await self._refused(session, call.right, call.name, call.body)
            if refused and not call.over:
                self._fail_call(call, ErrorCode.MESSAGE_DENIED)

    async def _refused(
        self, session: Session, right: Right, name: Name, body: Raw | None = None
    ) -> bool:
        ruling = self._gate.decide(session, right, name, body, tell=False)
        decided = ruling if isinstance(ruling, Ruling) else await ruling
        return isinstance(decided.verdict, Denied)

    def session_ended(self, session: Session) -> None:
        """Cancel what it called, pass on or fail what it was given, forget the rest."""
        self.providing.session_ended(session)
        for call in list(self._open.get(session, {}).values()):
            self._close(call, ErrorCode.REQUEST_TIMEOUT)
        given = self._given.pop(session, None)
        for call in [] if given is None else list(given.calls.values()):
            if call.accepted:
                self._fail_call(call, ErrorCode.PROVIDER_LOST)
            else:
                self._next(call)

    def busy(self, session: Session) -> bool:
        """Whether the session waits for calls, or others wait for it."""
        given = self._given.get(session)
        return (
            session in self._open
            or (given is not None and bool(given.calls))
            or self._own.busy(session)
        )
