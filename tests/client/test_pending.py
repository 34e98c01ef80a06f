import asyncio

from msgspec import Raw

from vestibule.client.errors import ConnectionLost, RequestTimeout
from vestibule.client.pending import About, Pending, Recent, Request
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.messages import Failed


CALL = About(Topic.RPC, Action.CALL)


def request(number: int, name: str = "add") -> Request:
    outcome = asyncio.get_running_loop().create_future()
    return Request(number, CALL, name, outcome)


async def test_an_answer_reaches_its_request_and_no_other() -> None:
    pending = Pending(asyncio.get_running_loop())
    first, second = request(1), request(2)
    pending.wait(first, 5.0)
    pending.wait(second, 5.0)
    pending.answered(2, Raw(b"\x05"))
    assert second.outcome.result() == Raw(b"\x05")
    assert not first.outcome.done()
    assert len(pending) == 1


async def test_a_second_answer_and_an_unknown_one_are_dropped() -> None:
    pending = Pending(asyncio.get_running_loop())
    one = request(1)
    pending.wait(one, 5.0)
    for _ in range(2):
        pending.answered(1, Raw(b"\x05"))
    pending.answered(7, Raw(b"\x05"))
    assert pending.failed(Failed(1, "MESSAGE_DENIED", "denied")) is None


async def test_a_failure_tells_what_was_asked() -> None:
    pending = Pending(asyncio.get_running_loop())
    one = request(1)
    pending.wait(one, 5.0)
    assert pending.failed(Failed(1, "NO_RPC_PROVIDER", "nobody")) is None
    error = one.outcome.result()
    assert isinstance(error, Exception)
    assert vars(error)["topic"] is Topic.RPC
    assert vars(error)["name"] == "add"


async def test_the_failure_of_a_message_without_answer_is_given_back_once() -> None:
    pending = Pending(asyncio.get_running_loop())
    pending.unanswered(3, CALL, "x")
    failure = Failed(3, "MESSAGE_DENIED", "denied")
    error = pending.failed(failure)
    assert error is not None
    assert (error.code, error.name) == ("MESSAGE_DENIED", "x")
    assert pending.failed(failure) is None


async def test_a_failure_without_an_id_is_given_back() -> None:
    error = Pending(asyncio.get_running_loop()).failed(
        Failed(0, "UNKNOWN_ACTION", "?", Raw(b"\xc1"))
    )
    assert error is not None
    assert (error.topic, error.name, error.details) == (None, None, {})


async def test_the_end_fails_each_with_an_error_of_its_own() -> None:
    pending = Pending(asyncio.get_running_loop())
    both = [request(1), request(2)]
    for one in both:
        pending.wait(one, 5.0)
    pending.end(ConnectionLost)
    errors = [one.outcome.result() for one in both]
    assert all(isinstance(error, ConnectionLost) for error in errors)
    assert errors[0] is not errors[1]
    assert len(pending) == 0


async def test_forgetting_takes_out_only_the_very_request() -> None:
    pending = Pending(asyncio.get_running_loop())
    old, new = request(1), request(1)
    pending.wait(old, 5.0)
    pending.wait(new, 5.0)
    pending.forget(old)
    assert len(pending) == 1
    pending.forget(new)
    assert len(pending) == 0


async def test_late_is_a_timeout_unless_the_answer_was_there() -> None:
    late, answered = request(1), request(2)
    late.late()
    answered.settle(Raw(b"\x05"))
    answered.late()
    assert isinstance(late.outcome.result(), RequestTimeout)
    assert answered.outcome.result() == Raw(b"\x05")


async def test_each_request_is_late_in_its_own_time() -> None:
    pending = Pending(asyncio.get_running_loop())
    slow, quick, quicker = request(1), request(2), request(3)
    pending.wait(slow, 60.0)
    pending.wait(quick, 0.002)
    pending.wait(quicker, 0.001)
    assert isinstance(await quicker.outcome, RequestTimeout)
    assert isinstance(await quick.outcome, RequestTimeout)
    assert not slow.outcome.done()
    assert len(pending) == 1
    pending.end(ConnectionLost)


def test_recent_things_are_bounded_and_each_is_for_one_use() -> None:
    recent: Recent[int] = Recent()
    for key in range(20_000):
        recent.keep(key, key + 1)
    assert recent.take(0) is None
    assert recent.take(19_999) == 20_000
    assert recent.take(19_999) is None
    assert recent.take(19_999 - 4_096) is not None
    recent.clear()
    assert recent.take(19_998) is None
