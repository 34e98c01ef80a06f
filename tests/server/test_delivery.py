"""The one way out: nothing but `delivery` and `replies` queues bytes for a session."""

import ast
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

import vestibule.server
from standing import NotingLink, policy, session
from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import EndReason
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import parse_pattern
from vestibule.server.counters import Counters
from vestibule.server.delivery import Delivery
from vestibule.server.errors import RequestError
from vestibule.server.gate import SUBSCRIBE, Gate, Standing
from vestibule.server.handler import Message, PermissionHandler
from vestibule.server.hooks import Hooks
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks
from vestibule.server.verdict import Denied


ROOT = Path(vestibule.server.__path__[0])

MAY_QUEUE = {
    "delivery.py",  # data, past the gate
    "replies.py",  # the broker's own words, which carry no data of others
    "conversation.py",  # the link itself
    "outbox.py",  # the end of the way
}


def calls_of(method: str, tree: ast.AST) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and ast.unparse(node.func.value).endswith(("link", "outbox", "core"))
    ]


def test_nothing_else_puts_bytes_into_an_outbox() -> None:
    culprits = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in ROOT.rglob("*.py")
        if path.name not in MAY_QUEUE
        for method in ("put", "queue")
        for line in calls_of(method, ast.parse(path.read_text()))
    }
    assert culprits == set()


def test_delivery_asks_the_gate_before_it_puts() -> None:
    source = (ROOT / "delivery.py").read_text()
    assert source.count("link.put(") == 3
    assert "may_receive" in source
    assert "may_be_given" in source


NIL = Raw(encode_body(None))


class Slow(PermissionHandler):
    """Thinks about the names in `gates` until they open; allows all but `refused`."""

    def __init__(self, *slow: str) -> None:
        self.gates = {name: asyncio.Event() for name in slow}
        self.refused: set[str] = set()

    async def can_receive(self, username: str, message: Message) -> bool:
        if message.name in self.gates:
            await self.gates[message.name].wait()
        return message.name not in self.refused


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    owner = Tasks()
    yield owner
    await owner.close()


def delivery(
    handler: object | None, tasks: Tasks, *, outbox_bytes: int = 10_000
) -> Delivery:
    hooks = Hooks(handler, timeout=1, login_timeout=1, counters=Counters())
    gate = Gate(
        hooks,
        broker_name="hub",
        components=frozenset(),
        remembered_names=10,
        denied=lambda *_: None,
    )
    return Delivery(gate, tasks, outbox_bytes=outbox_bytes, largest=1_000)


class Receiver:
    """A session that heard `**`, and what it was sent."""

    def __init__(self, out: Delivery, *, number: int = 1, **decided: Any) -> None:
        self.out = out
        self.session: Session
        self.link: NotingLink
        decided_by = policy(**decided) if decided else policy(["**"])
        self.session, self.link = session(decided_by, number=number)
        self.standing = Standing(self.session, SUBSCRIBE, parse_pattern("**"))
        self.denied: list[Denied] = []

    def deliver(self, *names: str) -> None:
        for name in names:
            self.out.deliver(
                self.session,
                (self.standing,),
                parse_name(name),
                NIL,
                name.encode(),
                self.denied.append,
            )

    @property
    def heard(self) -> list[str]:
        return [message.decode() for message in self.link.said]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_may_be_received_is_queued_at_once(tasks: Tasks) -> None:
    lisa = Receiver(delivery(None, tasks), allowed=["a"])
    lisa.deliver("a", "b", "a")
    assert lisa.heard == ["a", "a"]
    assert len(lisa.denied) == 1
    assert len(tasks) == 0


async def test_the_first_standing_that_may_receive_is_enough(tasks: Tasks) -> None:
    out = delivery(None, tasks)
    lisa = Receiver(out)
    other = Standing(lisa.session, SUBSCRIBE, None)
    lisa.standing.suspended = True
    out.deliver(lisa.session, (lisa.standing, other), parse_name("a"), NIL, b"a")
    assert lisa.heard == ["a"]
    other.suspended = True
    out.deliver(lisa.session, (lisa.standing, other), parse_name("a"), NIL, b"a")
    assert lisa.heard == ["a"]


async def test_later_deliveries_wait_behind_an_awaited_verdict_in_order(
    tasks: Tasks,
) -> None:
    handler = Slow("a")
    out = delivery(handler, tasks)
    lisa, bob = Receiver(out), Receiver(out, number=2)
    lisa.deliver("a", "b", "c")
    bob.deliver("b")
    await settle()
    assert (lisa.heard, bob.heard) == ([], ["b"])
    handler.gates["a"].set()
    await settle()
    assert lisa.heard == ["a", "b", "c"]
    lisa.deliver("d")
    await settle()
    assert lisa.heard == ["a", "b", "c", "d"]
    assert len(tasks) == 0


async def test_a_refused_delivery_lets_those_behind_it_pass(tasks: Tasks) -> None:
    handler = Slow("a")
    handler.refused = {"a", "c"}
    lisa = Receiver(delivery(handler, tasks))
    lisa.deliver("a", "b", "c", "d")
    handler.gates["a"].set()
    await settle()
    assert lisa.heard == ["b", "d"]
    assert len(lisa.denied) == 2


async def test_too_much_behind_an_awaited_verdict_is_a_slow_reader(
    tasks: Tasks,
) -> None:
    handler = Slow("a")
    lisa = Receiver(delivery(handler, tasks, outbox_bytes=2 * 256 + 10))
    lisa.deliver("a", "12345", "67890")
    assert not lisa.session.ended
    lisa.deliver("x")
    assert lisa.link.ended is EndReason.SLOW_READER
    handler.gates["a"].set()
    await settle()
    assert lisa.heard == []
    assert lisa.session.waiting is None


async def test_what_is_suspended_while_its_verdict_is_awaited_is_not_delivered(
    tasks: Tasks,
) -> None:
    handler = Slow("a")
    lisa = Receiver(delivery(handler, tasks))
    lisa.deliver("a", "b")
    await settle()
    lisa.standing.suspended = True
    handler.gates["a"].set()
    await settle()
    assert lisa.heard == []


async def test_a_session_that_ends_meanwhile_gets_nothing_and_hears_no_refusal(
    tasks: Tasks,
) -> None:
    handler = Slow("a")
    lisa = Receiver(delivery(handler, tasks))
    lisa.deliver("a", "b")
    await settle()
    lisa.session.ended = True
    handler.gates["a"].set()
    await settle()
    assert (lisa.heard, lisa.denied) == ([], [])


async def test_what_was_allowed_under_a_policy_that_is_gone_is_decided_again(
    tasks: Tasks,
) -> None:
    handler = Slow("a")
    lisa = Receiver(delivery(handler, tasks))
    lisa.deliver("a", "b")
    await settle()
    lisa.session.follow(policy(["**"], ["a"]))
    handler.gates["a"].set()
    await settle()
    assert lisa.heard == ["b"]


async def test_what_a_policy_forbids_from_the_same_turn_on_is_not_delivered(
    tasks: Tasks,
) -> None:
    handler = Slow("a")
    lisa = Receiver(delivery(handler, tasks))
    lisa.deliver("a", "b")
    lisa.session.follow(policy(["**"], ["a"]))
    handler.gates["a"].set()
    await settle()
    assert lisa.heard == ["b"]


async def test_what_is_suspended_in_the_very_turn_leaves_no_question_behind(
    tasks: Tasks,
) -> None:
    # A question that nobody awaits is a warning, and warnings are errors.
    lisa = Receiver(delivery(Slow("a"), tasks))
    lisa.deliver("a")
    lisa.standing.suspended = True
    await settle()
    assert lisa.heard == []
    assert len(tasks) == 0


async def test_what_is_handed_to_a_provider_passes_what_waits(tasks: Tasks) -> None:
    handler = Slow("a")
    out = delivery(handler, tasks)
    lisa = Receiver(out)
    lisa.deliver("a")
    await settle()
    assert out.hand(lisa.standing, parse_name("call"), b"call")
    assert lisa.heard == ["call"]
    lisa.standing.suspended = True
    assert not out.hand(lisa.standing, parse_name("call"), b"call")
    assert lisa.heard == ["call"]


def test_a_message_that_fits_no_record_names_the_limit() -> None:
    out = delivery(None, Tasks())
    out.check_size(bytes(1_000))
    with pytest.raises(RequestError) as caught:
        out.check_size(bytes(1_001))
    assert caught.value.details == {"limit": "limits.message_bytes"}
