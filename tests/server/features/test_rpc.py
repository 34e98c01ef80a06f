"""Calls behind the gate, told against a whole broker in memory."""

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from handlers import Everybody
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.server import Action, Message, Topic
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


async def named(broker: MemoryBroker, name: str) -> RawPeer:
    return await broker.login({"username": name})


async def providing(broker: MemoryBroker, name: str, method: str) -> RawPeer:
    peer = await named(broker, name)
    await peer.request(messages.Provide(peer.next_id(), method))
    return peer


async def given(peer: RawPeer) -> messages.CallGiven:
    notice = await asyncio.wait_for(peer.notices.get(), 2)
    assert isinstance(notice, messages.CallGiven)
    return notice


def answer(peer: RawPeer, call: messages.CallGiven, result: Any) -> None:
    body = Raw(encode_body(result))
    peer.send(messages.Accept(call.call), messages.Respond(call.call, body))


def calling(peer: RawPeer, name: str, data: Any = None) -> "asyncio.Future[Any]":
    return asyncio.ensure_future(peer.call(name, data))


async def refused(attempt: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await attempt
    return caught.value


async def answer_refused(peer: RawPeer) -> tuple[int, str]:
    notice = await asyncio.wait_for(peer.notices.get(), 2)
    assert isinstance(notice, messages.AnswerRefused)
    return notice.call, notice.code


async def test_r57_a_provider_answers_its_caller() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add", {"a": 1, "b": 2})
        call = await given(a)
        assert (call.name, decode_body(call.data)) == ("add", {"a": 1, "b": 2})
        answer(a, call, 3)
        assert await result == 3


async def test_who_calls_is_what_the_broker_knows_whatever_the_body_claims() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "who"), await named(broker, "b")
        result = calling(b, "who", {"username": "_ADMIN", "caller": "_ADMIN"})
        call = await given(a)
        caller = decode_body(call.caller)
        assert caller == {
            "username": "b",
            "session_id": b.initiator.session_id,
            "delegate": None,
        }
        assert decode_body(call.origin) == caller
        answer(a, call, None)
        await result


async def test_r58_a_rejected_call_goes_to_the_next_provider_once() -> None:
    async with memory_broker(Everybody()) as broker:
        a1 = await providing(broker, "a1", "add")
        a2 = await providing(broker, "a2", "add")
        b = await named(broker, "b")
        for _ in range(20):
            result = calling(b, "add")
            first = asyncio.ensure_future(given(a1))
            second = asyncio.ensure_future(given(a2))
            done, _ = await asyncio.wait({first, second}, return_when="FIRST_COMPLETED")
            if first in done:
                a1.send(messages.Reject(first.result().call))
            answer(a2, await second, "a2")
            assert await result == "a2"
            first.cancel()
        a2.close()
        await a2.wait_closed()
        result = calling(b, "add")
        a1.send(messages.Reject((await given(a1)).call))
        assert (await refused(result)).code == "NO_RPC_PROVIDER"


async def test_a_name_that_nobody_provides_has_no_provider() -> None:
    async with memory_broker(Everybody()) as broker:
        a = await named(broker, "a")
        assert (await refused(a.call("nobody"))).code == "NO_RPC_PROVIDER"


async def test_r59_r60_late_providers_and_their_late_answers() -> None:
    async with memory_broker(Everybody(), rpc={"accept_timeout": 0.05}) as broker:
        a, b = await providing(broker, "a", "slow"), await named(broker, "b")
        result = calling(b, "slow")
        call = await given(a)
        assert (await refused(result)).code == "ACCEPT_TIMEOUT"
        withdrawn = await a.notices.get()
        assert withdrawn == messages.CallWithdrawn(call.call, "ACCEPT_TIMEOUT")
        answer(a, call, 1)
        assert await answer_refused(a) == (call.call, "INVALID_RPC_CORRELATION_ID")
        assert await answer_refused(a) == (call.call, "INVALID_RPC_CORRELATION_ID")

        request = messages.Call(b.next_id(), "slow", messages.NIL, timeout_ms=50)
        late = asyncio.ensure_future(b.request(request))
        call = await given(a)
        a.send(messages.Accept(call.call))
        assert (await refused(late)).code == "RESPONSE_TIMEOUT"


async def test_r61_no_session_answers_a_call_that_was_given_to_another() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        c = await named(broker, "c")
        result = calling(b, "add")
        call = await given(a)
        for number in (call.call, 1, 2, 999):
            c.send(messages.Respond(number, Raw(encode_body("forged"))))
            c.send(messages.Reject(number))
            for _ in range(2):
                refusal = await answer_refused(c)
                assert refusal == (number, "INVALID_RPC_CORRELATION_ID")
        answer(a, call, "real")
        assert await result == "real"


async def test_a_second_accept_is_told_to_the_provider_only() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add")
        call = await given(a)
        a.send(messages.Accept(call.call), messages.Accept(call.call))
        assert await answer_refused(a) == (call.call, "MULTIPLE_ACCEPT")
        a.send(messages.Respond(call.call, messages.NIL))
        assert await result is None


async def test_rejecting_after_accepting_is_a_failure() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add")
        call = await given(a)
        a.send(messages.Accept(call.call), messages.Reject(call.call))
        assert (await refused(result)).code == "REMOTE_ERROR"


async def test_r75_a_providers_exception_reaches_the_caller_by_name_and_text() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add")
        call = await given(a)
        a.send(messages.Accept(call.call), messages.Fail(call.call, "ValueError", "no"))
        refusal = await refused(result)
        assert (refusal.code, refusal.message) == ("REMOTE_ERROR", "no")
        assert refusal.details == {"name": "ValueError"}


async def test_a_provider_that_leaves_before_accepting_has_rejected() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add")
        await given(a)
        a.cut()
        assert (await refused(result)).code == "NO_RPC_PROVIDER"


async def test_a_provider_that_leaves_after_accepting_is_lost_at_once() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add")
        a.send(messages.Accept((await given(a)).call))
        await asyncio.sleep(0)
        a.cut()
        assert (await refused(result)).code == "PROVIDER_LOST"


async def test_a_caller_that_gives_up_or_leaves_takes_its_call_back() -> None:
    async with memory_broker(Everybody()) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        for leave in (False, True):
            number = b.next_id()
            b.send(messages.Call(number, "add", messages.NIL))
            call = await given(a)
            if leave:
                b.cut()
            else:
                b.send(messages.Cancel(number))
            withdrawn = await asyncio.wait_for(a.notices.get(), 2)
            assert isinstance(withdrawn, messages.CallWithdrawn)
            assert withdrawn.call == call.call


async def test_r62_providing_and_calling_are_rights() -> None:
    def decide(name: str, message: Message) -> bool:
        return message.action is not {"a": Action.PROVIDE, "b": Action.CALL}[name]

    async with memory_broker(Everybody(decide)) as broker:
        a, b = await named(broker, "a"), await named(broker, "b")
        provide = messages.Provide(a.next_id(), "add")
        assert (await refused(a.request(provide))).code == "MESSAGE_DENIED"
        assert (await refused(b.call("add"))).code == "MESSAGE_DENIED"


async def test_r63_a_handler_that_cannot_read_the_data_keeps_the_call_away() -> None:
    def decide(_: str, message: Message) -> bool:
        if message.topic is Topic.RPC and message.action is Action.CALL:
            return isinstance(message.data["firstname"], str)
        return True

    async with memory_broker(Everybody(decide)) as broker:
        a, b = await providing(broker, "a", "greet"), await named(broker, "b")
        refusal = await refused(b.call("greet", {"lastname": "x"}))
        assert refusal.code == "MESSAGE_PERMISSION_ERROR"
        assert a.notices.empty()


async def test_providing_twice_withdrawing_twice_and_reserved_names() -> None:
    async with memory_broker(Everybody()) as broker:
        a = await providing(broker, "a", "add")
        again = messages.Provide(a.next_id(), "add")
        assert (await refused(a.request(again))).code == "MULTIPLE_PROVIDERS"
        await a.request(messages.Unprovide(a.next_id(), "add"))
        gone = messages.Unprovide(a.next_id(), "add")
        assert (await refused(a.request(gone))).code == "NOT_PROVIDED"
        for name in ("vestibule/security/get_user", "security/get_user"):
            own = messages.Provide(a.next_id(), name)
            assert (await refused(a.request(own))).code == "MESSAGE_DENIED"


async def test_a_session_may_call_what_it_provides() -> None:
    async with memory_broker(Everybody()) as broker:
        a = await providing(broker, "a", "own")
        result = calling(a, "own")
        answer(a, await given(a), 1)
        assert await result == 1


async def test_r79_a_call_can_be_sent_to_one_session() -> None:
    def decide(name: str, message: Message) -> bool:
        return not (name == "c" and message.action is Action.SEND)

    async with memory_broker(Everybody(decide)) as broker:
        a = await providing(broker, "a", "add")
        await providing(broker, "b", "add")
        c, d = await named(broker, "c"), await named(broker, "d")
        target = a.initiator.session_id or ""
        for _ in range(10):
            send = messages.Send(d.next_id(), target, "add", messages.NIL)
            result = asyncio.ensure_future(d.request(send))
            answer(a, await given(a), "a")
            assert await result == "a"
        for session_id in (c.initiator.session_id or "", "nobody"):
            lost = messages.Send(d.next_id(), session_id, "add", messages.NIL)
            assert (await refused(d.request(lost))).code == "NO_RPC_PROVIDER"
        denied = messages.Send(c.next_id(), target, "add", messages.NIL)
        assert (await refused(c.request(denied))).code == "MESSAGE_DENIED"


async def test_r78_a_suspended_provider_is_not_there_until_it_may_again() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        a, b = await providing(broker, "a", "add"), await providing(broker, "b", "add")
        c = await named(broker, "c")
        handler.decide = lambda name, message: (
            name != "a" or message.action is not Action.PROVIDE
        )
        await broker.broker.recheck("a")
        assert isinstance(await a.notices.get(), messages.Suspended)
        for _ in range(20):
            result = calling(c, "add")
            answer(b, await given(b), "b")
            assert await result == "b"
        b.close()
        await b.wait_closed()
        assert (await refused(c.call("add"))).code == "NO_RPC_PROVIDER"
        handler.decide = lambda _n, _m: True
        await broker.broker.recheck()
        assert isinstance(await a.notices.get(), messages.Resumed)
        result = calling(c, "add")
        answer(a, await given(a), "a")
        assert await result == "a"


async def test_a_caller_who_lost_the_right_gets_no_result() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        result = calling(b, "add")
        await given(a)
        handler.decide = lambda name, _: name != "b"
        await broker.broker.recheck()
        assert (await refused(result)).code == "MESSAGE_DENIED"
        assert isinstance(await a.notices.get(), messages.CallWithdrawn)


async def test_r80_answers_pass_the_requests_of_their_own_connection() -> None:
    waiting = asyncio.Event()

    async def decide(name: str, message: Message) -> bool:
        if name == "a" and message.action is Action.PUBLISH:
            await waiting.wait()
        return True

    async with memory_broker(Everybody(decide)) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        published = asyncio.ensure_future(a.publish("x"))
        await asyncio.sleep(0)
        result = calling(b, "add")
        answer(a, await given(a), 1)
        assert await asyncio.wait_for(result, 0.5) == 1
        assert not published.done()
        waiting.set()
        await published


async def test_pending_calls_and_providers_are_limited() -> None:
    limits = {"pending_calls": 1, "providers": 1}
    async with memory_broker(Everybody(), limits=limits) as broker:
        a, b = await providing(broker, "a", "add"), await named(broker, "b")
        more = messages.Provide(a.next_id(), "more")
        assert (await refused(a.request(more))).details == {"limit": "limits.providers"}
        result = calling(b, "add")
        call = await given(a)
        refusal = await refused(b.call("add"))
        assert refusal.details == {"limit": "limits.pending_calls"}
        answer(a, call, 1)
        assert await result == 1
