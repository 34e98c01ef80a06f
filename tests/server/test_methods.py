"""The broker's own methods: decided first, run to their end, answered once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from standing import NotingLink, session
from vestibule.protocol import messages
from vestibule.protocol.actions import Section
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import EndReason, ErrorCode
from vestibule.protocol.names import parse_name
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, Component, ComponentError, method
from vestibule.server.counters import Counters
from vestibule.server.delivery import Delivery
from vestibule.server.directory.model import Entry, Group, Model
from vestibule.server.directory.policy import Policy
from vestibule.server.errors import RequestError
from vestibule.server.gate import Gate
from vestibule.server.hooks import Hooks
from vestibule.server.methods import OwnMethods
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks


class Desk:
    """A component for tests."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.done: list[str] = []
        self.ends: Session | None = None

    @method(GlobalPermission.VIEW_SECURITY)
    async def add(self, caller: Caller, a: int, b: int = 1) -> dict[str, Any]:
        self.done.append(caller.username)
        return {"sum": a + b, "for": caller.session_id}

    @method(GlobalPermission.VIEW_SECURITY)
    async def slow(self, caller: Caller) -> str:
        self.begun.set()
        await self.go_on.wait()
        self.done.append(caller.username)
        return "done"

    @method(GlobalPermission.VIEW_SECURITY)
    async def refuse(self, _: Caller) -> None:
        raise ComponentError(ErrorCode.NOT_PROVIDED, "no such thing", {"what": "thing"})

    @method(GlobalPermission.VIEW_SECURITY)
    async def huge(self, _: Caller) -> str:
        return "x" * 2_000

    @method(GlobalPermission.VIEW_SECURITY)
    async def many(self, _: Caller) -> list[None]:
        return [None] * 100_001

    @method(GlobalPermission.VIEW_SECURITY)
    async def end_myself(self, _: Caller, *, failing: bool) -> str:
        assert self.ends is not None
        self.ends.ends_with = EndReason.USER_DELETED
        if failing:
            raise ComponentError(ErrorCode.NOT_PROVIDED, "and yet")
        return "gone"

    @method()
    async def by_rule_alone(self, _: Caller) -> int:
        return 1


def policy_of(group: Group) -> Policy:
    model = Model(groups={"G": group})
    components = {"desk": dict.fromkeys(("add", "slow", "huge"), ())}
    return Policy(model, broker_name="hub", components=components)


VIEWER = policy_of(
    Group(name="G", global_permissions=frozenset({GlobalPermission.VIEW_SECURITY}))
)


class Called:
    """One session, and the methods of one component."""

    def __init__(self, tasks: Tasks, by: Policy = VIEWER) -> None:
        self.desk = Desk()
        hooks = Hooks(None, timeout=1, login_timeout=1, counters=Counters())
        gate = Gate(
            hooks,
            broker_name="hub",
            components=frozenset({"desk"}),
            remembered_names=1,
            denied=lambda *_: None,
        )
        delivery = Delivery(gate, tasks, outbox_bytes=10_000, largest=1_000)
        component = Component.of("desk", self.desk)
        self.methods = OwnMethods(
            "hub", [component], gate=gate, delivery=delivery, tasks=tasks
        )
        self.session: Session
        self.link: NotingLink
        self.session, self.link = session(by)
        self.desk.ends = self.session

    async def call(self, name: str, *args: Any, **kwargs: Any) -> None:
        path = parse_name(name)
        body = Raw(encode_body({"args": list(args), "kwargs": kwargs}))
        await self.methods.call(self.session, messages.Call(7, path.text, body), path)

    @property
    def answers(self) -> list[Any]:
        decoder = msgspec.msgpack.Decoder(messages.AnyNotice)
        told = [decoder.decode(message) for message in self.link.said]
        return [
            decode_body(one.data) if isinstance(one, messages.Answered) else one
            for one in told
        ]


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    owner = Tasks()
    yield owner
    await owner.close()


async def test_a_method_is_given_its_caller_and_its_arguments(tasks: Tasks) -> None:
    called = Called(tasks)
    await called.call("hub/desk/add", 2, b=3)
    assert called.answers == [{"sum": 5, "for": called.session.id}]
    assert called.desk.done == ["lisa"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hub/desk/add", True),
        ("hub/desk", True),
        ("hub/desk/a/b", True),
        ("hub/deskx/add", False),
        ("desk/add", False),
        ("other/desk/add", False),
        ("hub", False),
    ],
)
async def test_what_lies_under_a_component_is_the_brokers_own(
    tasks: Tasks, name: str, *, expected: bool
) -> None:
    assert Called(tasks).methods.has(parse_name(name)) is expected


@pytest.mark.parametrize("name", ["hub/desk/add", "hub/desk/absent", "hub/desk"])
async def test_who_may_not_call_is_not_told_whether_there_is_such_a_method(
    tasks: Tasks, name: str
) -> None:
    called = Called(tasks, policy_of(Group(name="G")))
    with pytest.raises(RequestError) as caught:
        await called.call(name, "wrong", "arguments", "too")
    assert caught.value.code is ErrorCode.MESSAGE_DENIED
    assert called.desk.done == []


async def test_a_rule_is_enough_and_the_only_way_to_a_method_that_names_nothing(
    tasks: Tasks,
) -> None:
    with pytest.raises(RequestError, match="MESSAGE_DENIED"):
        await Called(tasks).call("hub/desk/by_rule_alone")
    rules = {
        Section.METHODS: {"desk/by_rule_alone": Entry(allowed=frozenset({"call"}))}
    }
    ruled = Called(tasks, policy_of(Group(name="G", rules=rules)))
    await ruled.call("hub/desk/by_rule_alone")
    assert ruled.answers == [1]


@pytest.mark.parametrize("name", ["hub/desk/absent", "hub/desk", "hub/desk/add/x"])
async def test_who_may_call_all_is_told_that_there_is_no_such_method(
    tasks: Tasks, name: str
) -> None:
    rules = {Section.METHODS: {"**": Entry(allowed=frozenset({"call"}))}}
    rules[Section.METHODS]["hub/desk/**"] = rules[Section.METHODS]["**"]
    called = Called(tasks, policy_of(Group(name="G", rules=rules)))
    with pytest.raises(RequestError) as caught:
        await called.call(name)
    assert caught.value.code is ErrorCode.NO_RPC_PROVIDER


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("hub/desk/add", (), ErrorCode.INVALID_ARGUMENT),
        ("hub/desk/add", (1, 2, 3), ErrorCode.INVALID_ARGUMENT),
        ("hub/desk/refuse", (), ErrorCode.NOT_PROVIDED),
        ("hub/desk/huge", (), ErrorCode.LIMIT_EXCEEDED),
        ("hub/desk/many", (), ErrorCode.LIMIT_EXCEEDED),
    ],
)
async def test_what_a_method_refuses_with_goes_to_its_caller(
    tasks: Tasks, name: str, arguments: tuple[Any, ...], code: ErrorCode
) -> None:
    called = Called(tasks)
    with pytest.raises(RequestError) as caught:
        await called.call(name, *arguments)
    assert caught.value.code is code
    assert called.link.said == []


async def test_what_was_begun_is_finished_though_its_caller_leaves(
    tasks: Tasks,
) -> None:
    called = Called(tasks)
    call = asyncio.ensure_future(called.call("hub/desk/slow"))
    await called.desk.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    called.desk.go_on.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert called.desk.done == ["lisa"]
    assert called.link.said == []


async def test_a_session_is_busy_while_a_call_of_its_is_under_way(tasks: Tasks) -> None:
    called = Called(tasks)
    call = asyncio.ensure_future(called.call("hub/desk/slow"))
    await called.desk.begun.wait()
    assert called.methods.busy(called.session)
    called.desk.go_on.set()
    await call
    assert not called.methods.busy(called.session)
    with pytest.raises(ComponentError):
        await called.call("hub/desk/refuse")
    assert not called.methods.busy(called.session)


async def test_a_caller_that_has_ended_meanwhile_gets_no_answer(tasks: Tasks) -> None:
    called = Called(tasks)
    call = asyncio.ensure_future(called.call("hub/desk/slow"))
    await called.desk.begun.wait()
    called.session.ended = True
    called.desk.go_on.set()
    await call
    assert called.link.said == []


async def test_the_result_is_a_delivery_that_may_be_refused_by_then(
    tasks: Tasks,
) -> None:
    called = Called(tasks)
    call = asyncio.ensure_future(called.call("hub/desk/slow"))
    await called.desk.begun.wait()
    called.session.follow(policy_of(Group(name="G")))
    called.desk.go_on.set()
    await call
    (failed,) = called.answers
    assert isinstance(failed, messages.Failed)
    assert failed.code == "MESSAGE_DENIED"


@pytest.mark.parametrize("failing", [False, True])
async def test_a_session_that_ends_itself_is_answered_first_and_ends_in_any_case(
    tasks: Tasks, *, failing: bool
) -> None:
    called = Called(tasks)
    await called.call("hub/desk/end_myself", failing=failing)
    (answer,) = called.answers
    if failing:
        assert isinstance(answer, messages.Failed)
        assert answer.code == "NOT_PROVIDED"
    else:
        assert answer == "gone"
    assert called.link.ended is EndReason.USER_DELETED
