"""The router: each message to its feature, each failure to its sender."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, get_args

import msgspec
import pytest

from standing import NotingLink, policy, session
from vestibule.protocol import messages
from vestibule.protocol.errors import ErrorCode, InvalidBody, InvalidName
from vestibule.protocol.events import Malformed
from vestibule.server.errors import limit_exceeded
from vestibule.server.families import Family
from vestibule.server.router import Router
from vestibule.server.session import Session
from vestibule.server.testing import memory_broker


class Doing:
    """A feature that handles publishes by doing something."""

    def __init__(self, do: Callable[[], Awaitable[None] | None]) -> None:
        self.do = do
        self.handled: list[int] = []

    @property
    def handlers(
        self,
    ) -> dict[type[messages.Message], Callable[..., Awaitable[None] | None]]:
        return {messages.Publish: self.publish, messages.Accept: self.accept}

    def publish(self, _: Session, message: messages.Publish) -> Awaitable[None] | None:
        self.handled.append(message.id)
        return self.do()

    def accept(self, _: Session, message: messages.Accept) -> Awaitable[None] | None:
        self.handled.append(message.call)
        return self.do()

    async def recheck(self, session: Session) -> None:
        pass

    def session_ended(self, session: Session) -> None:
        pass


PUBLISH = messages.Publish(7, "x", messages.NIL)


def failures(link: NotingLink) -> list[tuple[int, str]]:
    decoder = msgspec.msgpack.Decoder(messages.AnyNotice)
    told = [decoder.decode(message) for message in link.said]
    assert all(isinstance(one, messages.Failed) for one in told)
    return [(one.id, one.code) for one in told if isinstance(one, messages.Failed)]


async def handle(do: Callable[[], Any], message: Any = PUBLISH) -> NotingLink:
    """Let a router with one feature handle a message; give the sender's link."""
    lisa, link = session(policy())
    waiting = Router([Doing(do)]).handle(lisa, message)
    if waiting is not None:
        await waiting
    return link


def at_once(problem: Exception | None) -> Callable[[], None]:
    def do() -> None:
        if problem is not None:
            raise problem

    return do


def later(problem: Exception | None) -> Callable[[], Awaitable[None]]:
    async def do() -> None:
        if problem is not None:
            raise problem

    return do


@pytest.mark.parametrize("when", [at_once, later])
@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (limit_exceeded("limits.providers"), "LIMIT_EXCEEDED"),
        (InvalidName("no name"), "INVALID_PATH"),
        (InvalidBody("no body"), "INVALID_MESSAGE_DATA"),
    ],
)
async def test_what_a_feature_refuses_with_is_answered_to_the_request(
    when: Callable[..., Any], problem: Exception, code: str
) -> None:
    link = await handle(when(problem))
    assert failures(link) == [(7, code)]
    assert not link.failed


@pytest.mark.parametrize("when", [at_once, later])
async def test_a_feature_that_fails_drops_the_session_and_tells_nothing(
    when: Callable[..., Any],
) -> None:
    link = await handle(when(ValueError("secret")))
    assert link.failed
    assert link.said == []


@pytest.mark.parametrize("when", [at_once, later])
async def test_what_wants_no_answer_gets_none(when: Callable[..., Any]) -> None:
    link = await handle(when(limit_exceeded("x")), messages.Accept(3))
    assert link.said == []
    assert not link.failed


async def test_a_session_that_has_ended_is_told_nothing() -> None:
    lisa, link = session(policy())
    waiting = Router([Doing(later(limit_exceeded("x")))]).handle(lisa, PUBLISH)
    lisa.ended = True
    assert waiting is not None
    await waiting
    assert link.said == []


async def test_only_what_takes_its_time_is_awaited() -> None:
    lisa, _ = session(policy())
    assert Router([Doing(at_once(None))]).handle(lisa, PUBLISH) is None
    waiting = Router([Doing(later(None))]).handle(lisa, PUBLISH)
    assert waiting is not None
    await waiting


async def test_a_malformed_message_is_answered_where_its_place_is() -> None:
    code = ErrorCode.INVALID_MESSAGE_DATA
    link = await handle(at_once(None), Malformed(9, code, tag=16))
    assert failures(link) == [(9, "INVALID_MESSAGE_DATA")]


async def test_a_malformed_answer_is_refused_as_an_answer() -> None:
    malformed = Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, tag=26, call=4)
    link = await handle(at_once(None), malformed)
    decoder = msgspec.msgpack.Decoder(messages.AnyNotice)
    (told,) = [decoder.decode(message) for message in link.said]
    assert told == messages.AnswerRefused(4, "INVALID_MESSAGE_DATA")


async def test_every_request_of_the_table_has_a_handler() -> None:
    async with memory_broker() as broker:
        router = broker.broker._parts.listener._service.conversations.router
        missing = set(get_args(messages.AnyRequest)) - router.handled
    assert missing == set()


async def test_an_answer_is_a_sign_of_life_and_leaves_the_count_of_others_alone() -> (
    None
):
    lisa, _ = session(policy())
    profile = replace(lisa.family.profile, usage=5)
    family = Family(profile, token_id=None, expires=None, active_at=0.0)
    lisa.enter(family, None)
    router = Router([Doing(lambda: None)])
    assert lisa.meter is not None
    lisa.heard_at = 3.0
    assert router.handle(lisa, PUBLISH) is None
    assert lisa.meter.allows(3.0)
    # While the first may still be decided about, it answers what it was asked.
    lisa.heard_at = 4.0
    assert router.handle(lisa, messages.Accept(1)) is None
    assert lisa.meter.allows(4.0)
    assert (family.used, family.active_at) == (1, 4.0)
    assert router.handle(lisa, PUBLISH) is None
    assert lisa.meter.allows(5.0)
    assert family.used == 2
