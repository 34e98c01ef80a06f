"""Registrations of a session, the questions that come, and how they end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from client.fake_broker import FakeBroker, turns
from vestibule.client import (
    Abstain,
    Allow,
    AuthenticationRequest,
    Authenticator,
    Deny,
    RequestFailed,
    RequestTimeout,
    Session,
)
from vestibule.client.registration import Registration
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode_body


QUESTION = {
    "principal": "lisa",
    "credentials": {"password": "sesame"},
    "session_properties": {},
    "proposed_properties": {},
    "reauthentication": False,
}


class Registry:
    """The broker's half: it registers, asks, and keeps what is answered."""

    def __init__(self, broker: FakeBroker) -> None:
        instead = broker.features.instead
        instead[messages.Call] = self._called
        instead[messages.UnregisterAuthenticator] = self._unregistered
        instead[messages.AuthenticatorAnswered] = self._answered
        self.refuses: str | None = None
        self.silent = False
        self.names: list[str] = []
        self.ended: list[str] = []
        self.answers: list[tuple[int, Any]] = []
        self.peer: Any = None

    def _called(self, peer: Any, call: messages.Call) -> None:
        self.peer = peer
        assert call.name.endswith("/security/set_authenticator")
        (name,) = decode_body(call.data)["args"]
        self.names.append(name)
        if self.silent:
            return
        if self.refuses is None:
            peer.send(messages.Answered(call.id))
        else:
            peer.send(messages.Failed(call.id, self.refuses, "no"))

    def _unregistered(
        self, peer: Any, request: messages.UnregisterAuthenticator
    ) -> None:
        self.ended.append(request.name)
        peer.send(messages.Answered(request.id))

    def _answered(self, peer: Any, message: messages.AuthenticatorAnswered) -> None:
        self.answers.append((message.ask, decode_body(message.data)))

    def ask(self, ask: int, name: str = "door", question: Any = QUESTION) -> None:
        body = encode_body(question)
        self.peer.send(messages.AuthenticationAsked(ask, name, body))

    async def asked(
        self, ask: int, name: str = "door", question: Any = QUESTION
    ) -> Any:
        """Ask, and give the answer that comes within some turns of the loop."""
        self.ask(ask, name, question)
        await turns(8)
        return [answer for number, answer in self.answers if number == ask]


@pytest.fixture
def registry(broker: FakeBroker) -> Registry:
    return Registry(broker)


@pytest.fixture
async def session(broker: FakeBroker) -> AsyncIterator[Session]:
    async with broker.open_session(request_timeout=0.2) as session:
        yield session


class Door(Authenticator):
    def __init__(self, answer: Any = None) -> None:
        self.answer = Allow() if answer is None else answer
        self.requests: list[AuthenticationRequest] = []
        self.codes: list[str] = []

    def authenticate(self, request: AuthenticationRequest) -> Any:
        self.requests.append(request)
        return self.answer(request) if callable(self.answer) else self.answer

    def closed(self, code: str) -> None:
        self.codes.append(code)


async def later(answer: Any) -> Any:
    await asyncio.sleep(0)
    return answer


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (Allow({"K": "v"}), {"action": "allow", "properties": {"K": "v"}}),
        (Deny("late"), {"action": "deny", "reason": "late"}),
        (Abstain(), {"action": "abstain"}),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_authenticator_is_asked_and_answers(
    session: Session, registry: Registry, answer: Any, sent: Any, *, asynchronous: bool
) -> None:
    door = Door((lambda _: later(answer)) if asynchronous else answer)
    registration = await session.security.set_authenticator("door", door)
    assert isinstance(registration, Registration)
    assert (registration.name, registration.closed_with) == ("door", None)
    assert registry.names == ["door"]
    assert await registry.asked(1) == [sent]
    assert door.requests[0].credentials == {"password": "sesame"}


def function(request: AuthenticationRequest) -> Allow:
    return Allow()


async def coroutine(request: AuthenticationRequest) -> Allow:
    return Allow()


class Duck:
    async def authenticate(self, request: AuthenticationRequest) -> Allow:
        return Allow()


@pytest.mark.parametrize("deciding", [function, coroutine, Duck()])
async def test_a_function_or_an_object_with_the_method_will_do(
    session: Session, registry: Registry, deciding: Any
) -> None:
    registration = await session.security.set_authenticator("door", deciding)
    assert await registry.asked(1) == [{"action": "allow"}]
    await registration.close()


@pytest.mark.parametrize("odd", [None, 5, "door", object(), [function]])
async def test_anything_else_is_refused_before_anything_is_sent(
    session: Session, registry: Registry, odd: Any
) -> None:
    with pytest.raises(TypeError):
        await session.security.set_authenticator("door", odd)
    nameless: Any = None if odd == "door" else odd
    with pytest.raises(TypeError):
        await session.security.set_authenticator(nameless, function)
    assert registry.names == []


def raising(_: AuthenticationRequest) -> Any:
    raise RuntimeError("sesame")


async def raising_later(_: AuthenticationRequest) -> Any:
    raise RuntimeError("sesame")


async def cancelled(_: AuthenticationRequest) -> Any:
    raise asyncio.CancelledError


FAILURES: dict[str, Callable[[AuthenticationRequest], Any]] = {
    "raises": raising,
    "raises later": raising_later,
    "is cancelled": cancelled,
    "true": lambda _: True,
    "nothing": lambda _: None,
    "text": lambda _: later("allow"),
    "no text": lambda _: Allow({"a": "\ud800"}),
    "too long": lambda _: Allow({"a": "x" * 2_000_000}),
}


@pytest.mark.parametrize("failing", FAILURES.values(), ids=FAILURES)
async def test_a_failure_is_told_to_the_broker_and_its_text_to_nobody(
    session: Session,
    registry: Registry,
    caplog: pytest.LogCaptureFixture,
    failing: Callable[[AuthenticationRequest], Any],
) -> None:
    door = Door(failing)
    await session.security.set_authenticator("door", door)
    assert await registry.asked(1) == [None]
    assert "authenticator." in caplog.text
    assert "sesame" not in caplog.text
    # It is asked again all the same.
    door.answer = Abstain()
    assert await registry.asked(2) == [{"action": "abstain"}]


async def test_a_question_that_cannot_be_read_is_a_failure(
    session: Session, registry: Registry
) -> None:
    await session.security.set_authenticator("door", Door())
    assert await registry.asked(1, question={"principal": 5}) == [None]


class Hanging(Door):
    """Waits for ever, and counts how often that was cut short."""

    cancelled = 0

    async def authenticate(self, request: AuthenticationRequest) -> Any:
        self.requests.append(request)
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1


async def test_a_withdrawn_question_stops_its_function_and_is_not_answered(
    session: Session, registry: Registry
) -> None:
    door = Hanging()
    await session.security.set_authenticator("door", door)
    registry.ask(1)
    await turns(5)
    registry.peer.send(messages.AuthenticationWithdrawn(1))
    registry.peer.send(messages.AuthenticationWithdrawn(99))
    await turns(5)
    assert door.cancelled == 1
    assert registry.answers == []


async def test_questions_do_not_wait_for_each_other(
    session: Session, registry: Registry
) -> None:
    await session.security.set_authenticator("door", Hanging())
    await session.security.set_authenticator("other", Door())
    registry.ask(1)
    registry.ask(2, "other")
    await turns(5)
    assert registry.answers == [(2, {"action": "allow"})]


async def test_close_ends_it_once(session: Session, registry: Registry) -> None:
    door = Hanging()
    registration = await session.security.set_authenticator("door", door)
    registry.ask(1)
    await turns(5)
    await registration.close()
    await registration.close()
    assert (door.codes, registry.ended) == (["CLOSED"], ["door"])
    assert registration.closed_with == "CLOSED"
    await turns(3)
    assert door.cancelled == 1
    registry.ask(2)
    await turns(5)
    assert (len(door.requests), registry.answers) == (1, [])


async def test_the_broker_may_end_it(session: Session, registry: Registry) -> None:
    door = Door()
    registration = await session.security.set_authenticator("door", door)
    for _ in range(2):
        registry.peer.send(messages.AuthenticatorClosed("door", "PERMISSION_REVOKED"))
    await turns(5)
    assert door.codes == ["PERMISSION_REVOKED"]
    await registration.close()
    assert (door.codes, registry.ended) == (["PERMISSION_REVOKED"], [])
    # And it may be registered anew.
    await session.security.set_authenticator("door", door)
    assert await registry.asked(1) == [{"action": "allow"}]


async def test_it_ends_with_the_session(broker: FakeBroker, registry: Registry) -> None:
    door = Door()
    async with broker.open_session() as session:
        await session.security.set_authenticator("door", door)
    assert door.codes == ["SESSION_CLOSED"]


async def test_it_ends_with_its_connection_and_is_not_made_again(
    session: Session, broker: FakeBroker, registry: Registry
) -> None:
    door = Hanging()
    registration = await session.security.set_authenticator("door", door)
    registry.ask(1)
    await turns(5)
    await broker.cut(0)
    await session.events.publish("x")
    assert door.codes == ["SESSION_CLOSED"]
    assert door.cancelled == 1
    assert registry.names == ["door"]
    await registration.close()
    assert registry.ended == []
    # Whoever admits strangers says so anew.
    await session.security.set_authenticator("door", door)
    assert registry.names == ["door", "door"]


@pytest.mark.parametrize(
    "code", ["UNKNOWN_AUTHENTICATOR", "MESSAGE_DENIED", "HANDLER_CONFLICT"]
)
async def test_s69_a_refused_authenticator_hears_why_before_the_error_is_raised(
    session: Session, registry: Registry, code: str
) -> None:
    heard: list[str] = []

    class Slow(Door):
        async def closed(self, code: str) -> None:  # type: ignore[override]  # may be either
            await asyncio.sleep(0)
            heard.append(code)

    registry.refuses = code
    with pytest.raises(RequestFailed) as caught:
        await session.security.set_authenticator("door", Slow())
    assert caught.value.code == code
    assert heard == [code]
    registry.ask(1)
    await turns(5)
    assert registry.answers == []


async def test_a_second_one_is_refused_and_the_first_goes_on(
    session: Session, registry: Registry
) -> None:
    first, second = Door(), Door()
    await session.security.set_authenticator("door", first)
    registry.refuses = "HANDLER_CONFLICT"
    with pytest.raises(RequestFailed):
        await session.security.set_authenticator("door", second)
    assert (first.codes, second.codes) == ([], ["HANDLER_CONFLICT"])
    await registry.asked(1)
    assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_without_an_answer_it_is_taken_back(
    session: Session, registry: Registry
) -> None:
    registry.silent = True
    door = Door()
    with pytest.raises(RequestTimeout):
        await session.security.set_authenticator("door", door)
    await turns(5)
    assert door.codes == ["REQUEST_TIMEOUT"]
    assert registry.ended == ["door"]


async def test_a_caller_that_gives_up_leaves_no_registration(
    session: Session, registry: Registry
) -> None:
    registry.silent = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await session.security.set_authenticator("door", Door())
    await turns(5)
    assert registry.ended == ["door"]
    registry.ask(1)
    await turns(5)
    assert registry.answers == []


async def test_what_closed_raises_breaks_nothing(
    session: Session, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaking(Door):
        def closed(self, code: str) -> None:
            raise RuntimeError("sesame")

    registration = await session.security.set_authenticator("door", Breaking())
    await registration.close()
    assert "closed_failed" in caplog.text
    assert "sesame" not in caplog.text


def test_a_repr_says_the_name() -> None:
    async def leave(_: Registration) -> None: ...

    leaving: Callable[[Registration], Awaitable[None]] = leave
    assert repr(Registration(leaving, "door", function)) == "<Registration door>"
