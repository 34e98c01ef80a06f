"""The gate: the policy first, the handler where it may, for messages and deliveries."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from handlers import Everybody
from standing import policy, session
from vestibule.protocol.actions import Action, Need, Section, Topic
from vestibule.protocol.codec import encode_body
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import parse_pattern
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.counters import Counters
from vestibule.server.gate import (
    CALL,
    PUBLISH,
    SUBSCRIBE,
    Gate,
    Right,
    Ruling,
    Standing,
    component_right,
)
from vestibule.server.handler import Message, PermissionHandler
from vestibule.server.hooks import Hooks
from vestibule.server.session import Session
from vestibule.server.verdict import Allowed, Denied


X = parse_name("x")
NIL = Raw(encode_body(None))
Told = list[tuple[str, Right, str]]


def gate(
    handler: object | None = None,
    *,
    remembered_names: int = 10,
    told: Told | None = None,
) -> Gate:
    def denied(session: Session, right: Right, name: str, _: Denied) -> None:
        if told is not None:
            told.append((session.username, right, name))

    hooks = Hooks(handler, timeout=1, login_timeout=1, counters=Counters())
    return Gate(
        hooks,
        broker_name="hub",
        components=frozenset({"security"}),
        remembered_names=remembered_names,
        denied=denied,
    )


async def ruled(given: Any) -> Allowed | Denied:
    """Give the verdict of a ruling, whether it took time or not."""
    ruling = given if isinstance(given, Ruling) else await given
    assert isinstance(ruling, Ruling)
    return ruling.verdict


async def verdict(given: Any) -> Allowed | Denied:
    return given if isinstance(given, Allowed | Denied) else await given


class Answers(PermissionHandler):
    """Answers what it is told to, at once or later, and notes what it was asked."""

    def __init__(
        self, answer: Callable[[Message], Any], *, later: asyncio.Event | None = None
    ) -> None:
        self.answer = answer
        self.later = later
        self.asked: list[Message] = []

    def can_perform_action(self, username: str, message: Message) -> Any:
        self.asked.append(message)
        return self._answer(message) if self.later else self.answer(message)

    async def _answer(self, message: Message) -> Any:
        assert self.later is not None
        await self.later.wait()
        return self.answer(message)


def yes(_: Message) -> bool:
    return True


# Messages.


@pytest.mark.parametrize(
    ("allowed", "forbidden", "expected"),
    [(["x"], [], Allowed), ([], [], Denied), (["x"], ["x"], Denied)],
)
async def test_without_a_handler_the_policy_alone_decides(
    allowed: list[str], forbidden: list[str], expected: type
) -> None:
    lisa, _ = session(policy(allowed, forbidden))
    answer = gate().decide(lisa, PUBLISH, X)
    assert isinstance(answer, Ruling)
    assert isinstance(answer.verdict, expected)


async def test_rule_1_what_the_policy_forbids_is_denied_and_no_handler_is_asked() -> (
    None
):
    handler = Answers(yes)
    lisa, _ = session(policy(["**"], ["x"]))
    assert isinstance(await ruled(gate(handler).decide(lisa, PUBLISH, X)), Denied)
    assert handler.asked == []


async def test_rule_2_a_handler_that_overrides_nothing_leaves_the_policy_alone() -> (
    None
):
    class LogsIn(PermissionHandler):
        pass

    lisa, _ = session(policy(["x"]))
    opened = gate(LogsIn())
    assert isinstance(await ruled(opened.decide(lisa, PUBLISH, X)), Allowed)
    other = parse_name("y")
    assert isinstance(await ruled(opened.decide(lisa, PUBLISH, other)), Denied)


@pytest.mark.parametrize("granted", [True, False])
@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("later", [True, False])
async def test_rule_3_an_override_decides_in_the_policys_place(
    *, granted: bool, answer: bool, later: bool
) -> None:
    event = asyncio.Event()
    event.set()
    handler = Answers(lambda _: answer, later=event if later else None)
    lisa, _ = session(policy(["x"] if granted else []))
    decided = await ruled(gate(handler).decide(lisa, PUBLISH, X))
    assert isinstance(decided, Allowed) is answer
    (message,) = handler.asked
    assert message.granted is granted
    assert (message.topic, message.action) == (Topic.EVENT, Action.PUBLISH)


async def test_rule_4_under_the_brokers_name_a_handler_narrows_and_never_widens() -> (
    None
):
    name = parse_name("hub/news")
    handler = Answers(yes)
    silent, _ = session(policy())
    assert isinstance(await ruled(gate(handler).decide(silent, PUBLISH, name)), Denied)
    assert handler.asked == []
    granted, _ = session(policy(["hub/news"]))
    opened = gate(handler)
    assert isinstance(await ruled(opened.decide(granted, PUBLISH, name)), Allowed)
    handler.answer = lambda _: False
    assert isinstance(await ruled(opened.decide(granted, PUBLISH, name)), Denied)


async def test_a_component_of_the_brokers_own_needs_what_its_method_names() -> None:
    right = component_right((GlobalPermission.MODIFY_SECURITY,))
    lisa, _ = session(policy())
    handler = Answers(yes)
    name = parse_name("hub/security/upsert_user")
    assert isinstance(await ruled(gate(handler).decide(lisa, right, name)), Denied)
    assert handler.asked == []


async def test_each_refusal_of_a_message_is_told_once_and_of_a_recheck_never() -> None:
    told: Told = []
    lisa, _ = session(policy())
    for handler in (None, Answers(lambda _: False), Answers(lambda _: None)):
        told.clear()
        opened = gate(handler, told=told)
        await ruled(opened.decide(lisa, PUBLISH, X))
        await ruled(opened.decide(lisa, PUBLISH, X, tell=False))
        assert told == [("lisa", PUBLISH, "x")]


async def test_what_no_handler_can_allow_is_refused_as_a_prohibition_and_told() -> None:
    told: Told = []
    lisa, _ = session(policy(["**"]))
    denied = gate(told=told).refuse(lisa, PUBLISH, X, "reserved")
    assert denied.forbidden
    assert told == [("lisa", PUBLISH, "x")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("security", True),
        ("security/x", True),
        ("hub/security", True),
        ("hub/security/x/y", True),
        ("hub", False),
        ("hub/news", False),
        ("securityx", False),
        ("news/security", False),
    ],
)
def test_names_under_a_component_are_reserved_with_and_without_the_brokers_name(
    name: str, *, expected: bool
) -> None:
    assert gate().reserved(parse_name(name)) is expected


async def test_a_looked_at_body_goes_on_as_what_the_handler_saw() -> None:
    twice = Raw(b"\x82\xa1a\x01\xa1a\x02")
    lisa, _ = session(policy())
    looking = gate(Answers(lambda message: message.data == {"a": 2}))
    ruling = looking.decide(lisa, PUBLISH, X, twice)
    assert isinstance(ruling, Ruling)
    assert isinstance(ruling.verdict, Allowed)
    assert bytes(ruling.body or b"") == b"\x81\xa1a\x02"


async def test_a_yes_under_a_policy_that_is_gone_is_asked_for_again() -> None:
    later = asyncio.Event()
    handler = Answers(yes, later=later)
    lisa, _ = session(policy(["x"]))
    opened = gate(handler)
    thinking = asyncio.ensure_future(ruled(opened.decide(lisa, PUBLISH, X)))
    await asyncio.sleep(0)
    lisa.follow(policy(["x"], ["x"]))
    later.set()
    assert isinstance(await thinking, Denied)
    assert len(handler.asked) == 1


async def test_a_handler_is_told_anew_what_the_policy_now_grants() -> None:
    later = asyncio.Event()
    handler = Answers(lambda message: message.granted, later=later)
    lisa, _ = session(policy(["x"]))
    thinking = asyncio.ensure_future(ruled(gate(handler).decide(lisa, PUBLISH, X)))
    await asyncio.sleep(0)
    lisa.follow(policy())
    handler.answer = yes
    later.set()
    assert isinstance(await thinking, Allowed)
    assert [message.granted for message in handler.asked] == [True, False]


async def test_a_policy_that_changes_before_the_question_is_awaited_is_the_one_that_counts() -> (
    None
):
    later = asyncio.Event()
    later.set()
    lisa, _ = session(policy(["x"]))
    asked = gate(Answers(yes, later=later)).decide(lisa, PUBLISH, X)
    lisa.follow(policy(["x"], ["x"]))
    assert isinstance(await ruled(asked), Denied)


# Deliveries.


def literal(lisa: Session) -> Standing:
    return Standing(lisa, SUBSCRIBE, None)


def pattern(lisa: Session, text: str = "**") -> Standing:
    return Standing(lisa, SUBSCRIBE, parse_pattern(text))


async def test_without_a_handler_a_delivery_is_decided_at_its_own_name() -> None:
    lisa, _ = session(policy(["news/*"], ["news/secret"]))
    standing = pattern(lisa, "news/*")
    opened = gate()
    for name, expected in [("news/a", Allowed), ("news/secret", Denied), ("x", Denied)]:
        answer = opened.may_receive(standing, parse_name(name), NIL)
        assert isinstance(answer, expected)


async def test_what_the_policy_forbids_is_not_delivered_whatever_a_handler_says() -> (
    None
):
    handler = Answers(yes)
    lisa, _ = session(policy([], ["x"]))
    answer = gate(handler).may_receive(pattern(lisa), X, NIL)
    assert isinstance(await verdict(answer), Denied)
    assert handler.asked == []


async def test_names_of_the_brokers_own_are_delivered_by_the_policy_alone() -> None:
    name = parse_name("hub/news")
    lisa, _ = session(policy())
    assert isinstance(
        await verdict(gate(Answers(yes)).may_receive(pattern(lisa), name, NIL)), Denied
    )


@pytest.mark.parametrize("later", [True, False])
async def test_r32_a_handler_is_asked_once_for_each_name_inside_a_pattern(
    *, later: bool
) -> None:
    event = asyncio.Event()
    event.set()
    handler = Answers(
        lambda message: message.name != "b", later=event if later else None
    )
    lisa, _ = session(policy())
    standing, opened = pattern(lisa), gate(handler)
    for _ in range(3):
        for name, expected in [("a", Allowed), ("b", Denied)]:
            answer = opened.may_receive(standing, parse_name(name), NIL)
            assert isinstance(await verdict(answer), expected)
    assert [message.name for message in handler.asked] == ["a", "b"]
    assert all(message.action is Action.SUBSCRIBE for message in handler.asked)


async def test_for_a_literal_name_the_answer_to_the_subscription_stands() -> None:
    handler = Answers(lambda _: False)
    lisa, _ = session(policy())
    answer = gate(handler).may_receive(literal(lisa), X, NIL)
    assert isinstance(await verdict(answer), Allowed)
    assert handler.asked == []


async def test_forgetting_asks_about_every_name_anew() -> None:
    handler = Answers(yes)
    lisa, _ = session(policy())
    standing, opened = pattern(lisa), gate(handler)
    await verdict(opened.may_receive(standing, X, NIL))
    standing.forget()
    handler.answer = lambda _: False
    assert isinstance(await verdict(opened.may_receive(standing, X, NIL)), Denied)


async def test_an_answer_from_before_a_recheck_is_neither_used_nor_remembered() -> None:
    later = asyncio.Event()
    answers = iter([True, False])
    handler = Answers(lambda _: next(answers), later=later)
    lisa, _ = session(policy())
    standing, opened = pattern(lisa), gate(handler)
    thinking = asyncio.ensure_future(verdict(opened.may_receive(standing, X, NIL)))
    await asyncio.sleep(0)
    standing.forget()
    later.set()
    assert isinstance(await thinking, Denied)
    assert isinstance(await verdict(opened.may_receive(standing, X, NIL)), Denied)
    assert len(handler.asked) == 2


async def test_what_is_no_topic_of_a_handlers_is_delivered_by_the_policy_alone() -> (
    None
):
    listing = Right(Topic.ENTITY, Action.LIST, Need(section=Section.ENTITIES, verb="q"))
    handler = Answers(yes)
    lisa, _ = session(policy())
    answer = gate(handler).may_receive(Standing(lisa, listing, None), X, NIL)
    assert isinstance(await verdict(answer), Denied)
    assert handler.asked == []


async def test_remembered_names_are_bounded_and_the_least_recent_is_asked_again() -> (
    None
):
    handler = Answers(yes)
    lisa, _ = session(policy())
    standing, opened = pattern(lisa), gate(handler, remembered_names=2)

    async def deliver(*names: str) -> None:
        for name in names:
            await verdict(opened.may_receive(standing, parse_name(name), NIL))

    await deliver("a", "b", "a", "c")
    assert len(standing.remembered or ()) == 2
    handler.asked.clear()
    await deliver("a", "c", "b")
    assert [message.name for message in handler.asked] == ["b"]


class Filters(PermissionHandler):
    """Filters deliveries and leaves decisions to the policy."""

    def __init__(self, answer: Any, *, later: bool = False) -> None:
        self.answer = answer
        self.later = later
        self.asked: list[Message] = []

    def can_receive(self, username: str, message: Message) -> Any:
        self.asked.append(message)
        return self._answer(message) if self.later else self.answer(message)

    async def _answer(self, message: Message) -> Any:
        return self.answer(message)


@pytest.mark.parametrize("later", [True, False])
async def test_can_receive_narrows_what_the_policy_delivers_and_sees_what_is_sent(
    *, later: bool
) -> None:
    handler = Filters(lambda message: message.data == {"public": True}, later=later)
    lisa, _ = session(policy(["x"]))
    standing, opened = literal(lisa), gate(handler)
    for data, expected in [({"public": True}, Allowed), ({"a": 1}, Denied)]:
        body = Raw(encode_body(data))
        answer = opened.may_receive(standing, X, body)
        assert isinstance(await verdict(answer), expected)
    assert [message.granted for message in handler.asked] == [True, True]


async def test_can_receive_alone_widens_nothing_and_is_not_asked_then() -> None:
    handler = Filters(yes)
    lisa, _ = session(policy())
    answer = gate(handler).may_receive(literal(lisa), X, NIL)
    assert isinstance(await verdict(answer), Denied)
    assert handler.asked == []


@pytest.mark.parametrize("answer", [None, 1, "yes", [True]])
async def test_can_receive_delivers_by_true_alone(answer: object) -> None:
    lisa, _ = session(policy(["x"]))
    opened = gate(Filters(lambda _: answer))
    assert isinstance(await verdict(opened.may_receive(literal(lisa), X, NIL)), Denied)


@pytest.mark.parametrize("decides_later", [True, False])
@pytest.mark.parametrize("filters_later", [True, False])
async def test_a_delivery_needs_both_answers_of_a_handler_that_gives_both(
    *, decides_later: bool, filters_later: bool
) -> None:
    class Both(PermissionHandler):
        def can_perform_action(self, username: str, message: Message) -> Any:
            return self.told(message.name != "a", later=decides_later)

        def can_receive(self, username: str, message: Message) -> Any:
            return self.told(message.name != "b", later=filters_later)

        def told(self, answer: bool, *, later: bool) -> Any:  # noqa: FBT001 - a verdict
            async def slowly() -> bool:
                return answer

            return slowly() if later else answer

    lisa, _ = session(policy())
    standing, opened = pattern(lisa), gate(Both())
    for name, expected in [("a", Denied), ("b", Denied), ("c", Allowed)]:
        answer = opened.may_receive(standing, parse_name(name), NIL)
        assert isinstance(await verdict(answer), expected)


def provision(lisa: Session) -> Standing:
    return Standing(lisa, CALL, None)


@pytest.mark.parametrize(
    ("decided_by", "handler", "expected"),
    [
        (policy(["x"], section=Section.METHODS, verbs=["call"]), None, True),
        (policy(), None, False),
        (policy(), Everybody(), True),
        (
            policy([], ["x"], section=Section.METHODS, verbs=["call"]),
            Everybody(),
            False,
        ),
    ],
)
def test_a_provider_is_given_calls_while_policy_or_handler_stand_behind_it(
    decided_by: Any, handler: object | None, *, expected: bool
) -> None:
    lisa, _ = session(decided_by)
    assert gate(handler).may_be_given(provision(lisa), Name(X)) is expected


def test_a_suspended_provider_is_given_nothing() -> None:
    lisa, _ = session(policy(["x"], section=Section.METHODS, verbs=["call"]))
    standing = provision(lisa)
    standing.suspended = True
    assert not gate(Everybody()).may_be_given(standing, X)
