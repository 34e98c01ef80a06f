"""What the broker says itself, as a client reads it."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec import Raw

from standing import NotingLink, policy, session
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.server import replies
from vestibule.server.errors import RequestError, limit_exceeded
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


@pytest.fixture
def lisa() -> tuple[Session, NotingLink]:
    return session(policy())


def said(link: NotingLink) -> list[messages.AnyNotice]:
    decoder = msgspec.msgpack.Decoder(messages.AnyNotice)
    return [decoder.decode(message) for message in link.said]


def test_a_request_is_answered_by_its_id(lisa: tuple[Session, NotingLink]) -> None:
    replies.done(lisa[0], 1)
    replies.answer(lisa[0], 2, {"a": [1]})
    done, answered = said(lisa[1])
    assert done == messages.Answered(1, Raw(b"\xc0"))
    assert isinstance(answered, messages.Answered)
    assert (answered.id, decode_body(answered.data)) == (2, {"a": [1]})


def test_an_error_is_told_by_code_text_and_details(
    lisa: tuple[Session, NotingLink],
) -> None:
    replies.refuse(lisa[0], 3, limit_exceeded("limits.providers"))
    replies.failed(lisa[0], 4, ErrorCode.NO_RPC_PROVIDER)
    limit, failed = said(lisa[1])
    assert isinstance(limit, messages.Failed)
    assert (limit.id, limit.code) == (3, "LIMIT_EXCEEDED")
    assert decode_body(limit.details) == {"limit": "limits.providers"}
    assert isinstance(failed, messages.Failed)
    assert (failed.message, decode_body(failed.details)) == ("no rpc provider", {})


@pytest.mark.parametrize(
    ("verdict", "code", "text"),
    [
        (Denied("because of lisa's salary"), "MESSAGE_DENIED", "denied"),
        (Denied("x", failed="no number"), "MESSAGE_PERMISSION_ERROR", "no number"),
    ],
)
def test_a_denial_tells_the_code_and_never_the_reason(
    verdict: Denied, code: str, text: str
) -> None:
    error = replies.denial(verdict)
    assert isinstance(error, RequestError)
    assert (error.code, error.message, error.details) == (code, text, {})


def test_suspensions_are_told_with_their_code_and_resumptions_without(
    lisa: tuple[Session, NotingLink],
) -> None:
    replies.suspended(lisa[0], "event", ["a", "b"])
    replies.resumed(lisa[0], "rpc", ["c"])
    assert said(lisa[1]) == [
        messages.Suspended("event", ["a", "b"], "PERMISSION_REVOKED"),
        messages.Resumed("rpc", ["c"]),
    ]


@pytest.mark.parametrize("tell", [replies.suspended, replies.resumed])
def test_thousands_of_long_names_are_told_in_messages_that_fit_a_record(
    lisa: tuple[Session, NotingLink], tell: Callable[[Session, str, list[str]], None]
) -> None:
    names = [f"{number}-{'x' * 1_000}" for number in range(2_000)]
    tell(lisa[0], "event", names)
    assert max(map(len, lisa[1].said)) < 20_000
    told = said(lisa[1])
    assert [name for one in told for name in one.names] == names  # type: ignore[union-attr]  # both have names


def test_a_provider_learns_of_withdrawn_calls_and_of_answers_without_effect(
    lisa: tuple[Session, NotingLink],
) -> None:
    replies.call_withdrawn(lisa[0], 5, ErrorCode.ACCEPT_TIMEOUT)
    replies.answer_refused(lisa[0], 6, ErrorCode.MULTIPLE_ACCEPT)
    assert said(lisa[1]) == [
        messages.CallWithdrawn(5, "ACCEPT_TIMEOUT"),
        messages.AnswerRefused(6, "MULTIPLE_ACCEPT"),
    ]
