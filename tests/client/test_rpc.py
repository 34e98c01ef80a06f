import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from client.fake_broker import FakeBroker, turns
from vestibule.client import (
    Action,
    ConnectionLost,
    GivenCall,
    MessageDenied,
    Reject,
    RemoteError,
    RequestFailed,
    RequestTimeout,
    Session,
    SessionClosed,
    Topic,
)
from vestibule.protocol import messages


BOB = {"username": "bob", "password": "builder"}


@pytest.fixture
def errors() -> list[RequestFailed]:
    """What the provider's `on_error` has heard."""
    return []


@pytest.fixture
async def provider(
    broker: FakeBroker, errors: list[RequestFailed]
) -> AsyncIterator[Session]:
    async with broker.open_session(on_error=errors.append) as session:
        yield session


@pytest.fixture
async def caller(broker: FakeBroker, provider: Session) -> AsyncIterator[Session]:
    del provider  # its connection is the first
    async with broker.open_session(BOB) as session:
        yield session


def add(data: dict[str, int]) -> int:
    return data["a"] + data["b"]


async def add_later(data: dict[str, int]) -> int:
    await asyncio.sleep(0)
    return data["a"] + data["b"]


# Calling.


@pytest.mark.parametrize("function", [add, add_later])
async def test_r57_a_call_gives_what_the_function_returns(
    provider: Session, caller: Session, function: Callable[..., Any]
) -> None:
    async with provider.rpc.provide("add", function):
        assert await caller.rpc.call("add", {"a": 1, "b": 2}) == 3


async def test_a_session_may_call_what_it_provides(provider: Session) -> None:
    async with provider.rpc.provide("add", add):
        assert await provider.rpc.call("add", {"a": 1, "b": 2}) == 3


async def test_many_calls_at_once_each_get_their_own_answer(
    provider: Session, caller: Session
) -> None:
    async with provider.rpc.provide("same", lambda data: data):
        calls = (caller.rpc.call("same", number) for number in range(200))
        assert await asyncio.gather(*calls) == list(range(200))


async def test_accept_and_answer_of_a_sync_function_leave_in_one_record(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    async with provider.rpc.provide("add", add):
        sent = broker.connections[0].transport.sent
        before = len(sent)
        await asyncio.gather(
            *(caller.rpc.call("add", {"a": 1, "b": n}) for n in range(10))
        )
        assert len(sent) == before + 1
    kinds = [type(message) for message in broker.connections[0].requests]
    assert kinds.count(messages.Accept) == kinds.count(messages.Respond) == 10


async def test_r58_reject_passes_the_call_on(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    asked = 0

    def unwilling(_: Any) -> None:
        nonlocal asked
        asked += 1
        raise Reject

    async with (
        broker.open_session() as second,
        provider.rpc.provide("f", unwilling, auto_accept=False),
    ):
        async with second.rpc.provide("f", lambda _: "second"):
            for _ in range(20):
                assert await caller.rpc.call("f") == "second"
            assert asked == 20
        with pytest.raises(RequestFailed) as caught:
            await caller.rpc.call("f")
        assert caught.value.code == "NO_RPC_PROVIDER"
        assert (caught.value.action, caught.value.name) == (Action.CALL, "f")


async def test_reject_after_accepting_is_a_failure(
    provider: Session, caller: Session
) -> None:
    async def late(_: Any, call: GivenCall) -> None:
        await call.accept()
        raise Reject("too late")

    async def accepted(_: Any) -> None:
        await asyncio.sleep(0)
        raise Reject("too late")

    for function, auto_accept in ((late, False), (accepted, True)):
        async with provider.rpc.provide("f", function, auto_accept=auto_accept):
            with pytest.raises(RemoteError) as caught:
                await caller.rpc.call("f")
            assert (caught.value.name, caught.value.message) == ("Reject", "too late")


async def test_r58_a_function_that_rejects_at_once_passes_the_call_on(
    provider: Session, caller: Session
) -> None:
    def plain(_: Any) -> None:
        raise Reject

    async def awaited(_: Any) -> None:
        raise Reject

    for function in (plain, awaited):
        async with provider.rpc.provide("f", function):
            with pytest.raises(RequestFailed) as caught:
                await caller.rpc.call("f")
            assert caught.value.code == "NO_RPC_PROVIDER"


async def test_r59_a_provider_that_never_accepts_is_an_accept_timeout(
    provider: Session, caller: Session
) -> None:
    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    async with provider.rpc.provide("f", never, auto_accept=False):
        with pytest.raises(RequestTimeout) as caught:
            await caller.rpc.call("f", timeout=0.2)
        assert caught.value.code == "ACCEPT_TIMEOUT"


async def test_r59_a_provider_that_accepts_and_sleeps_is_a_response_timeout(
    provider: Session, caller: Session
) -> None:
    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    async with provider.rpc.provide("f", never):
        with pytest.raises(RequestTimeout) as caught:
            await caller.rpc.call("f", timeout=0.02)
        assert caught.value.code == "RESPONSE_TIMEOUT"
        assert isinstance(caught.value, TimeoutError)


async def test_r60_a_late_answer_is_told_to_its_provider_alone(
    provider: Session, caller: Session, errors: list[RequestFailed]
) -> None:
    go = asyncio.Event()
    refused: list[str] = []

    async def late(_: Any) -> str:
        await go.wait()
        return "late"

    async def late_to_accept(_: Any, call: GivenCall) -> None:
        await go.wait()
        try:
            await call.accept()
        except RequestFailed as error:
            refused.append(error.code)

    async with (
        provider.rpc.provide("f", late),
        provider.rpc.provide("g", late_to_accept, auto_accept=False),
    ):
        for name in ("f", "g"):
            with pytest.raises(RequestTimeout):
                await caller.rpc.call(name, timeout=0.02)
        go.set()
        await turns()
    assert refused == ["INVALID_RPC_CORRELATION_ID"]
    told = [(error.code, error.topic, error.name) for error in errors]
    assert ("INVALID_RPC_CORRELATION_ID", Topic.RPC, "f") in told
    assert {code for code, _, _ in told} == {"INVALID_RPC_CORRELATION_ID"}


async def test_r75_an_exception_reaches_the_caller_by_name_and_text(
    provider: Session, caller: Session
) -> None:
    def fails(_: Any) -> None:
        raise ValueError("no")

    async def fails_later(_: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    for function in (fails, fails_later):
        async with provider.rpc.provide("f", function):
            with pytest.raises(RemoteError) as caught:
                await caller.rpc.call("f")
            error = caught.value
            assert (error.code, error.name, error.message) == (
                "REMOTE_ERROR",
                "ValueError",
                "no",
            )
            assert "Traceback" not in str(error.details)


async def test_an_exceptions_text_is_cut_and_cannot_break_anything(
    provider: Session, caller: Session
) -> None:
    class WorseError(Exception):
        def __str__(self) -> str:
            raise ValueError

    def long(_: Any) -> None:
        raise ValueError("é" * 2000)

    def broken(_: Any) -> None:
        raise ValueError("\ud800")

    def worse(_: Any) -> None:
        raise WorseError

    texts = []
    for function in (long, broken, worse):
        async with provider.rpc.provide("f", function):
            with pytest.raises(RemoteError) as caught:
                await caller.rpc.call("f")
            texts.append(caught.value.message)
    assert texts == ["é" * 512, "?", ""]


@pytest.mark.parametrize("result", [object(), {5: 1}, b"x" * 2_000_000])
async def test_a_result_that_cannot_be_sent_is_a_failure(
    provider: Session, caller: Session, result: object
) -> None:
    async with provider.rpc.provide("f", lambda _: result):
        with pytest.raises(RemoteError) as caught:
            await caller.rpc.call("f")
        assert "result" in caught.value.message


async def test_a_function_that_cancels_itself_is_a_failure(
    provider: Session, caller: Session
) -> None:
    async def odd(_: Any) -> None:
        raise asyncio.CancelledError

    async with provider.rpc.provide("f", odd):
        with pytest.raises(RemoteError) as caught:
            await caller.rpc.call("f")
        assert caught.value.name == "CancelledError"


async def test_without_auto_accept_an_answer_accepts_first(
    provider: Session, caller: Session
) -> None:
    async with provider.rpc.provide("add", add, auto_accept=False):
        assert await caller.rpc.call("add", {"a": 1, "b": 2}) == 3
        with pytest.raises(RemoteError):
            await caller.rpc.call("add", {})


async def test_a_caller_that_gives_up_cancels_the_function(
    provider: Session, caller: Session
) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work(_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with provider.rpc.provide("f", work):
        calling = asyncio.ensure_future(caller.rpc.call("f"))
        await begun.wait()
        calling.cancel()
        await cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await calling


async def test_a_broker_that_says_nothing_is_given_up(broker: FakeBroker) -> None:
    async with broker.open_session(request_timeout=0.01) as session:
        broker.features.silent = True
        with pytest.raises(RequestTimeout) as caught:
            await session.rpc.call("f", timeout=0.01)
        assert caught.value.code == "REQUEST_TIMEOUT"
        await turns()
        cancelled = [
            message
            for message in broker.connection.requests
            if isinstance(message, messages.Cancel)
        ]
        assert len(cancelled) == 1


async def test_r79_send_reaches_the_session_that_is_named(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    async with (
        broker.open_session() as other,
        provider.rpc.provide("f", lambda _: "A"),
        other.rpc.provide("f", lambda _: "B"),
    ):
        for _ in range(10):
            assert await caller.rpc.send(other.session_id, "f") == "B"
        with pytest.raises(RequestFailed) as caught:
            await caller.rpc.send(caller.session_id, "f")
        assert caught.value.code == "NO_RPC_PROVIDER"
        assert caught.value.action is Action.SEND


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": 5}, TypeError),
        ({"name": "f", "timeout": 0}, ValueError),
        ({"name": "f", "timeout": "1"}, TypeError),
        ({"name": "f", "data": object()}, RequestFailed),
    ],
)
async def test_call_checks_its_arguments_before_anything_is_sent(
    broker: FakeBroker, provider: Session, arguments: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await provider.rpc.call(**arguments)
    with pytest.raises(error):
        await provider.rpc.send("id", **arguments)
    await turns()
    assert broker.connection.requests == []


# Providing.


async def test_r62_what_may_not_be_provided_or_called_is_denied(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    broker.features.denied |= {("provide", "f"), ("call", "g")}
    with pytest.raises(MessageDenied) as caught:
        async with provider.rpc.provide("f", add):
            pass
    assert caught.value.action is Action.PROVIDE
    with pytest.raises(MessageDenied):
        await caller.rpc.call("g")


async def test_the_same_name_twice_is_multiple_providers(
    provider: Session, caller: Session
) -> None:
    async with provider.rpc.provide("add", add):
        with pytest.raises(RequestFailed) as caught:
            async with provider.rpc.provide("/add/", add):
                pass
        assert caught.value.code == "MULTIPLE_PROVIDERS"
        assert await caller.rpc.call("add", {"a": 1, "b": 2}) == 3
    # And again after it was withdrawn.
    async with provider.rpc.provide("add", add):
        assert await caller.rpc.call("add", {"a": 1, "b": 2}) == 3


async def test_leaving_the_block_withdraws_the_name(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    async with provider.rpc.provide("add", add):
        pass
    assert broker.features.providers["add"] == []
    with pytest.raises(RequestFailed) as caught:
        await caller.rpc.call("add", {"a": 1, "b": 2})
    assert caught.value.code == "NO_RPC_PROVIDER"


async def test_what_was_given_before_may_be_answered_after_the_block(
    provider: Session, caller: Session
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(_: Any) -> str:
        begun.set()
        await go.wait()
        return "done"

    async with provider.rpc.provide("f", work):
        calling = asyncio.ensure_future(caller.rpc.call("f"))
        await begun.wait()
    go.set()
    assert await calling == "done"


async def test_a_name_that_is_none_and_a_function_that_is_none(
    provider: Session,
) -> None:
    with pytest.raises(RequestFailed) as caught:
        async with provider.rpc.provide("a/*", add):
            pass
    assert caught.value.code == "INVALID_PATH"
    with pytest.raises(TypeError):
        provider.rpc.provide(5, add)  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(TypeError):
        provider.rpc.provide("f", 5)  # type: ignore[arg-type]  # the mistake itself


async def test_a_cancelled_entering_withdraws(
    broker: FakeBroker, provider: Session
) -> None:
    entering = asyncio.ensure_future(provider.rpc.provide("f", add).__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    await asyncio.wait([entering])
    await turns()
    assert broker.features.providers["f"] == []


async def test_r78_a_provision_that_loses_its_right_is_passed_over_and_resumes(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    told: list[tuple[Any, ...]] = []
    async with provider.rpc.provide(
        "f", lambda _: "A", on_state=lambda *change: told.append(change)
    ) as provision:
        broker.features.take_away("provide", "f")
        with pytest.raises(RequestFailed) as caught:
            await caller.rpc.call("f")
        assert caught.value.code == "NO_RPC_PROVIDER"
        assert provision.suspended_patterns == ("f",)
        broker.features.give_back("provide", "f")
        assert await caller.rpc.call("f") == "A"
        assert not provision.suspended
    assert told == [
        ("suspended", "PERMISSION_REVOKED", ("f",)),
        ("resumed", None, ("f",)),
    ]


# What a function learns of its call.


async def test_a_call_tells_who_called_as_the_broker_knows_it(
    provider: Session, caller: Session
) -> None:
    seen: list[GivenCall] = []

    def look(data: Any, call: GivenCall) -> Any:
        seen.append(call)
        return data

    async with provider.rpc.provide("f", look):
        await caller.rpc.call("f", {"username": "admin"})
    (call,) = seen
    assert call.name == "f"
    assert call.data == {"username": "admin"}
    assert call.session is provider
    expected = {
        "username": "bob",
        "session_id": caller.session_id,
        "delegate": None,
    }
    assert call.caller == call.origin == expected


async def test_a_second_accept_is_refused(provider: Session, caller: Session) -> None:
    async def twice(_: Any, call: GivenCall) -> str:
        await call.accept()
        try:
            await call.accept()
        except RequestFailed as error:
            return error.code
        return "accepted"

    async with provider.rpc.provide("f", twice, auto_accept=False):
        assert await caller.rpc.call("f") == "MULTIPLE_ACCEPT"


async def test_a_function_may_call_on(provider: Session, caller: Session) -> None:
    async def on(data: Any, call: GivenCall) -> Any:
        return await call.session.rpc.call("add", data)

    async with provider.rpc.provide("add", add), provider.rpc.provide("on", on):
        assert await caller.rpc.call("on", {"a": 1, "b": 2}) == 3


async def test_data_that_cannot_be_decoded_are_the_callers_fault(
    broker: FakeBroker, provider: Session
) -> None:
    async with provider.rpc.provide("f", lambda data: data):
        # A map with a key that is no text.
        broker.connection.core.queue(bytes.fromhex("962307a166810102c0c0"))
        broker.connection.flush()
        await turns()
    failures = [
        message
        for message in broker.connection.requests
        if isinstance(message, messages.Fail)
    ]
    assert [(f.call, f.name) for f in failures] == [(7, "RequestFailed")]


async def test_a_call_of_what_is_not_provided_any_more_is_rejected(
    broker: FakeBroker, provider: Session
) -> None:
    del provider
    nil = messages.NIL
    broker.connection.send(messages.CallGiven(7, "f", nil, nil, nil))
    await turns()
    assert messages.Reject(7) in broker.connection.requests


# Losing the connection.


async def test_open_calls_are_lost_and_never_repeated(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    begun = asyncio.Event()

    async def work(_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with provider.rpc.provide("f", work):
        calling = asyncio.ensure_future(caller.rpc.call("f"))
        await begun.wait()
        await broker.cut()
        with pytest.raises(ConnectionLost):
            await calling
        await caller.events.publish("x")
        calls = [
            message
            for connection in broker.connections
            for message in connection.requests
            if isinstance(message, messages.Call)
        ]
        assert len(calls) == 1


async def test_after_a_reconnection_names_are_provided_again(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    cancelled = asyncio.Event()

    async def work(data: Any) -> Any:
        if data == "quick":
            return data
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with provider.rpc.provide("f", work):
        calling = asyncio.ensure_future(caller.rpc.call("f"))
        await turns()
        await broker.cut(0)
        # Its answer could not be sent any more.
        await cancelled.wait()
        with pytest.raises(RequestFailed) as caught:
            await calling
        assert caught.value.code == "PROVIDER_LOST"
        await provider.events.publish("x")
        assert await caller.rpc.call("f", "quick") == "quick"
        again = [
            message
            for message in broker.connection.requests
            if isinstance(message, messages.Provide)
        ]
        assert again == [messages.Provide(again[0].id, "f", again=True)]


async def test_a_name_that_is_refused_at_a_reconnection_is_suspended(
    broker: FakeBroker, provider: Session, caller: Session
) -> None:
    async with provider.rpc.provide("f", lambda _: "A") as provision:
        broker.features.denied.add(("provide", "f"))
        await broker.cut(0)
        await provider.events.publish("x")
        assert provision.suspended
        broker.features.give_back("provide", "f")
        assert await caller.rpc.call("f") == "A"
        assert not provision.suspended


async def test_a_name_that_cannot_be_provided_again_is_reported(
    broker: FakeBroker, provider: Session, errors: list[RequestFailed]
) -> None:
    def overfull(peer: Any, request: messages.Provide) -> None:
        peer.send(messages.Failed(request.id, "LIMIT_EXCEEDED", "too many"))

    async with provider.rpc.provide("f", add):
        broker.features.instead[messages.Provide] = overfull
        await broker.cut()
        await provider.events.publish("x")
        assert [(e.code, e.name) for e in errors] == [("LIMIT_EXCEEDED", "f")]
        # The name is free.
        broker.features.instead.clear()
        async with provider.rpc.provide("f", add):
            pass


async def test_what_was_suspended_is_provided_again_at_a_reconnection(
    broker: FakeBroker, provider: Session
) -> None:
    told: list[str] = []
    async with provider.rpc.provide(
        "f", add, on_state=lambda state, *_: told.append(state)
    ) as provision:
        broker.features.take_away("provide", "f")
        await turns()
        broker.features.denied.clear()
        await broker.cut()
        await provider.events.publish("x")
        assert not provision.suspended
    assert told == ["suspended", "resumed"]


async def test_a_notice_behind_the_answer_says_more_than_the_answer(
    broker: FakeBroker, provider: Session
) -> None:
    def accepted_and_suspended(peer: Any, request: messages.Provide) -> None:
        peer.send(messages.Answered(request.id))
        peer.send(messages.Suspended("rpc", [request.name], "PERMISSION_REVOKED"))

    async with provider.rpc.provide("f", add) as provision:
        broker.features.instead[messages.Provide] = accepted_and_suspended
        await broker.cut()
        await provider.events.publish("x")
        assert provision.suspended


async def test_closing_cancels_what_is_running(
    broker: FakeBroker, caller: Session
) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work(_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with broker.open_session() as provider:
        await provider.rpc.provide("f", work).__aenter__()
        calling = asyncio.ensure_future(caller.rpc.call("f"))
        await begun.wait()
    assert cancelled.is_set()
    with pytest.raises(RequestFailed) as caught:
        await calling
    assert caught.value.code == "PROVIDER_LOST"
    with pytest.raises(SessionClosed):
        await provider.rpc.call("f")


async def test_a_call_that_comes_with_the_end_leaves_nothing_unawaited(
    broker: FakeBroker, caller: Session
) -> None:
    async def work(_: Any) -> None:
        raise AssertionError("it never begins")

    closing: list[Awaitable[None]] = []

    def close_and_work(data: Any) -> Awaitable[None]:
        closing.append(asyncio.ensure_future(session.close()))
        return work(data)

    async with broker.open_session() as session:
        await session.rpc.provide("f", close_and_work).__aenter__()
        with pytest.raises(RequestFailed):
            await caller.rpc.call("f")
        await closing[0]
