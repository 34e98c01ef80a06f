"""Events and calls of the fake broker, one loop and no waiting."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import InvalidName
from vestibule.protocol.messages import Message
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import parse_pattern


REVOKED = "PERMISSION_REVOKED"


class Peer(Protocol):
    username: str

    @property
    def session_id(self) -> str: ...

    def send(self, message: Message) -> None: ...


@dataclass(eq=False)
class Open:
    """A call that is not over."""

    caller: Peer
    request: int
    name: str
    data: Raw
    milliseconds: int
    asked: list[Peer] = field(default_factory=list)
    provider: Peer | None = None
    given: int = 0
    accepted: bool = False
    timer: asyncio.TimerHandle | None = None


class FakeFeatures:
    """What admitted connections may ask. `denied` holds (verb, name or pattern)."""

    def __init__(self) -> None:
        self.denied: set[tuple[str, str]] = set()
        self.accept_timeout = 0.2
        self.silent = False
        self.instead: dict[type[Message], Callable[[Peer, Any], None]] = {}
        self.subscriptions: dict[Peer, dict[str, bool]] = {}
        self.suspended: dict[Peer, set[tuple[str, str]]] = {}
        self.providers: dict[str, list[Peer]] = {}
        self.calls: dict[tuple[Peer, int], Open] = {}
        self.requests: dict[tuple[Peer, int], Open] = {}
        self._next = 0

    def handle(self, peer: Peer, message: Message) -> None:
        if self.silent:
            return
        if type(message) in self.instead:
            self.instead[type(message)](peer, message)
            return
        handlers: dict[type[Message], Callable[[Peer, Any], None]] = {
            messages.Publish: self._publish,
            messages.Subscribe: self._subscribe,
            messages.Unsubscribe: self._unsubscribe,
            messages.Provide: self._provide,
            messages.Unprovide: self._unprovide,
            messages.Call: self._call,
            messages.Send: self._send,
            messages.Cancel: self._cancel,
            messages.Accept: self._accept,
            messages.Reject: self._reject,
            messages.Respond: self._respond,
            messages.Fail: self._fail,
        }
        handlers[type(message)](peer, message)

    def gone(self, peer: Peer) -> None:
        self.subscriptions.pop(peer, None)
        self.suspended.pop(peer, None)
        for providers in self.providers.values():
            if peer in providers:
                providers.remove(peer)
        for call in [c for c in self.calls.values() if c.provider is peer]:
            self._over(call)
            failed = messages.Failed(call.request, "PROVIDER_LOST", "gone")
            call.caller.send(failed)

    def _failed(
        self, peer: Peer, id_: int, code: str, details: dict[str, Any] | None = None
    ) -> None:
        text = encode_body(details or {})
        peer.send(messages.Failed(id_, code, code.lower().replace("_", " "), text))

    # Events.

    def _publish(self, peer: Peer, request: messages.Publish) -> None:
        if ("publish", request.name) in self.denied:
            self._failed(peer, request.id, "MESSAGE_DENIED")
            return
        try:
            name = parse_name(request.name)
        except InvalidName:
            self._failed(peer, request.id, "INVALID_PATH")
            return
        for receiver, patterns in self.subscriptions.items():
            own = receiver is peer
            if request.to is not None and receiver.session_id not in request.to:
                continue
            if any(
                parse_pattern(pattern).matches(name)
                and (echo or not own)
                and ("event", pattern) not in self.suspended.get(receiver, ())
                for pattern, echo in patterns.items()
            ):
                receiver.send(messages.Event(name.text, request.data, own))
        if request.ack:
            peer.send(messages.Answered(request.id))

    def _subscribe(self, peer: Peer, request: messages.Subscribe) -> None:
        held = self.subscriptions.setdefault(peer, {})
        outcomes: list[list[Any] | None] = []
        for pattern in request.patterns:
            if pattern in held:
                outcomes.append(["MULTIPLE_SUBSCRIPTIONS", "twice", {}])
            elif ("subscribe", pattern) not in self.denied:
                held[pattern] = request.echo
                outcomes.append(None)
            elif request.again:
                held[pattern] = request.echo
                self.suspended.setdefault(peer, set()).add(("event", pattern))
                outcomes.append([REVOKED, "revoked", {}])
            else:
                outcomes.append(["MESSAGE_DENIED", "denied", {}])
        peer.send(messages.Answered(request.id, encode_body(outcomes)))

    def _unsubscribe(self, peer: Peer, request: messages.Unsubscribe) -> None:
        held = self.subscriptions.get(peer, {})
        for pattern in request.patterns:
            self.suspended.get(peer, set()).discard(("event", pattern))
        outcomes = [
            None if held.pop(pattern, None) is not None else ["NOT_SUBSCRIBED", "", {}]
            for pattern in request.patterns
        ]
        peer.send(messages.Answered(request.id, encode_body(outcomes)))

    def take_away(self, verb: str, name: str) -> None:
        """Deny, and suspend what lives by it."""
        self.denied.add((verb, name))
        self._tell(verb, name, suspend=True)

    def give_back(self, verb: str, name: str) -> None:
        """Allow again, and resume."""
        self.denied.discard((verb, name))
        self._tell(verb, name, suspend=False)

    def _tell(self, verb: str, name: str, *, suspend: bool) -> None:
        kind = "event" if verb == "subscribe" else "rpc"
        holders = (
            [peer for peer, held in self.subscriptions.items() if name in held]
            if kind == "event"
            else self.providers.get(name, [])
        )
        for peer in holders:
            marks = self.suspended.setdefault(peer, set())
            if suspend:
                marks.add((kind, name))
                peer.send(messages.Suspended(kind, [name], REVOKED))
            else:
                marks.discard((kind, name))
                peer.send(messages.Resumed(kind, [name]))

    # Calls.

    def _provide(self, peer: Peer, request: messages.Provide) -> None:
        providers = self.providers.setdefault(request.name, [])
        denied = ("provide", request.name) in self.denied
        if peer in providers:
            self._failed(peer, request.id, "MULTIPLE_PROVIDERS")
        elif denied and not request.again:
            self._failed(peer, request.id, "MESSAGE_DENIED")
        else:
            providers.append(peer)
            if denied:
                self.suspended.setdefault(peer, set()).add(("rpc", request.name))
            answer = encode_body(REVOKED) if denied else messages.NIL
            peer.send(messages.Answered(request.id, answer))

    def _unprovide(self, peer: Peer, request: messages.Unprovide) -> None:
        providers = self.providers.get(request.name, [])
        if peer in providers:
            providers.remove(peer)
            peer.send(messages.Answered(request.id))
        else:
            self._failed(peer, request.id, "NOT_PROVIDED")

    def _call(self, peer: Peer, request: messages.Call) -> None:
        if ("call", request.name) in self.denied:
            self._failed(peer, request.id, "MESSAGE_DENIED")
            return
        self._next_provider(
            Open(peer, request.id, request.name, request.data, request.timeout_ms)
        )

    def _send(self, peer: Peer, request: messages.Send) -> None:
        call = Open(peer, request.id, request.name, request.data, request.timeout_ms)
        others = self.providers.get(request.name, [])
        call.asked = [p for p in others if p.session_id != request.session_id]
        self._next_provider(call)

    def _next_provider(self, call: Open) -> None:
        candidates = [
            provider
            for provider in self.providers.get(call.name, [])
            if provider not in call.asked
            and ("rpc", call.name) not in self.suspended.get(provider, ())
        ]
        if not candidates:
            self._failed(call.caller, call.request, "NO_RPC_PROVIDER")
            return
        call.provider = provider = candidates[0]
        call.asked.append(provider)
        self._next += 1
        call.given = self._next
        self.calls[provider, call.given] = call
        self.requests[call.caller, call.request] = call
        who = encode_body(
            {
                "username": call.caller.username,
                "session_id": call.caller.session_id,
                "delegate": None,
            }
        )
        provider.send(messages.CallGiven(call.given, call.name, call.data, who, who))
        self._time(call, self.accept_timeout, "ACCEPT_TIMEOUT")

    def _time(self, call: Open, seconds: float, code: str) -> None:
        if call.timer is not None:
            call.timer.cancel()
        loop = asyncio.get_running_loop()
        call.timer = loop.call_later(seconds, self._late, call, code)

    def _late(self, call: Open, code: str) -> None:
        self._over(call)
        assert call.provider is not None
        call.provider.send(messages.CallWithdrawn(call.given, code))
        self._failed(call.caller, call.request, code)

    def _over(self, call: Open) -> None:
        if call.timer is not None:
            call.timer.cancel()
        if call.provider is not None:
            self.calls.pop((call.provider, call.given), None)
        self.requests.pop((call.caller, call.request), None)

    def _cancel(self, peer: Peer, message: messages.Cancel) -> None:
        call = self.requests.get((peer, message.request))
        if call is not None and call.provider is not None:
            self._over(call)
            call.provider.send(messages.CallWithdrawn(call.given, "CANCELLED"))

    def _found(self, peer: Peer, given: int) -> Open | None:
        call = self.calls.get((peer, given))
        if call is None:
            refusal = messages.AnswerRefused(given, "INVALID_RPC_CORRELATION_ID")
            peer.send(refusal)
        return call

    def _accept(self, peer: Peer, message: messages.Accept) -> None:
        call = self._found(peer, message.call)
        if call is None:
            return
        if call.accepted:
            peer.send(messages.AnswerRefused(message.call, "MULTIPLE_ACCEPT"))
            return
        call.accepted = True
        self._time(call, call.milliseconds / 1000, "RESPONSE_TIMEOUT")

    def _reject(self, peer: Peer, message: messages.Reject) -> None:
        call = self._found(peer, message.call)
        if call is not None:
            self._over(call)
            self._next_provider(call)

    def _respond(self, peer: Peer, message: messages.Respond) -> None:
        call = self._found(peer, message.call)
        if call is not None:
            self._over(call)
            call.caller.send(messages.Answered(call.request, message.data))

    def _fail(self, peer: Peer, message: messages.Fail) -> None:
        call = self._found(peer, message.call)
        if call is not None:
            self._over(call)
            details = encode_body({"name": message.name})
            call.caller.send(
                messages.Failed(call.request, "REMOTE_ERROR", message.message, details)
            )
