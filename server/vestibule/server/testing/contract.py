"""The contract of permission handlers, as tests that a handler's author runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

from msgspec import Raw

from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.codec import encode_body
from vestibule.server.authenticators import NoIdentity, admission_of
from vestibule.server.counters import Counters
from vestibule.server.handler import (
    ConnectionData,
    Headers,
    Identity,
    Message,
    SessionView,
)
from vestibule.server.hooks import Hooks
from vestibule.server.loading import HandlerError, check_handler
from vestibule.server.verdict import Allowed, Denied, Verdict


__all__ = ["HandlerContract", "handler_problems"]

_STRANGER: Final = ConnectionData("192.0.2.1", Headers(), "00" * 16)
_LOGINS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"username": None, "password": None},
    {"username": ["lisa"], "password": {"a": 1}},
    {"username": "", "password": ""},
    {"user": b"\x00", "extra": 2**63},
)
"""What strangers send: a handler refuses or abstains, and raises nothing else."""

_Row: TypeAlias = tuple[Topic, Action, str, Any]

_ASKED: Final[tuple[_Row, ...]] = (
    (Topic.EVENT, Action.PUBLISH, "contract/event", {"score": 1}),
    (Topic.EVENT, Action.PUBLISH, "contract/event", None),
    (Topic.EVENT, Action.SUBSCRIBE, "contract/event", None),
    (Topic.EVENT, Action.SUBSCRIBE, "contract/*", None),
    (Topic.RPC, Action.CALL, "contract/method", [1, 2]),
    (Topic.RPC, Action.SEND, "contract/method", "text"),
    (Topic.RPC, Action.PROVIDE, "contract/method", None),
)
"""One of each kind of message that a handler is asked about."""

_DELIVERED: Final[tuple[_Row, ...]] = (
    (Topic.EVENT, Action.SUBSCRIBE, "contract/event", {"score": 1}),
    (Topic.EVENT, Action.SUBSCRIBE, "contract/event", None),
    (Topic.RPC, Action.CALL, "contract/method", [1, 2]),
    (Topic.RPC, Action.SEND, "contract/method", "text"),
)
"""One of each kind of delivery, under what was asked for and at a concrete name."""


async def handler_problems(handler: object, *, patience: float = 1.0) -> list[str]:
    """Tell what is wrong with a handler; an empty list says that it is one.

    It is asked about logins and messages as a broker would ask. What it decides is
    its own affair: a problem is an answer that is no decision, an exception that is
    not its own way to refuse, and one that takes longer than `patience` seconds.
    """
    try:
        check_handler(handler)
    except HandlerError as problem:
        return [str(problem)]
    return [problem async for problem in _asked(handler, patience)]


async def _asked(handler: object, patience: float) -> AsyncIterator[str]:
    counters = Counters()
    hooks = Hooks(handler, timeout=patience, login_timeout=patience, counters=counters)
    now = asyncio.get_running_loop().time
    for what, question in _questions(hooks):
        failures, began = counters["handler_failures"], now()
        try:
            await question()
        except NoIdentity as problem:
            yield f"{what}: an identity without a good {problem}"
        if counters["handler_failures"] > failures:
            yield f"{what} failed"
        elif now() - began > patience:
            # A plain `def` is not interrupted, and holds up everybody.
            yield f"{what} took longer than {patience} seconds"


def _questions(hooks: Hooks) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    for auth_data in _LOGINS:
        what = f"is_valid_user on {sorted(auth_data)}"
        yield what, partial(_log_in, hooks, auth_data)
    rows: dict[str, tuple[_Row, ...]] = {}
    if hooks.decides:
        rows["can_perform_action"] = _ASKED
    if hooks.filters:
        rows["can_receive"] = _DELIVERED
    for method, asked in rows.items():
        for row in asked:
            for verdict in (Allowed("granted"), Denied("silent")):
                what = f"{method} on {row[0]} {row[1]}"
                yield what, partial(_decide, hooks, method, _message(row, verdict))
    yield "on_client_disconnect", partial(hooks.on_client_disconnect, "contract")


async def _log_in(hooks: Hooks, auth_data: dict[str, Any]) -> None:
    answer = await hooks.is_valid_user(_STRANGER, dict(auth_data))
    if isinstance(answer, Identity):
        admission_of(answer)


async def _decide(hooks: Hooks, method: str, message: Message) -> None:
    answer = getattr(hooks, method)("contract", message)
    if not isinstance(answer, Allowed | Denied):
        await answer


def _message(row: _Row, verdict: Verdict) -> Message:
    topic, action, name, data = row
    view = SessionView("contract", "00" * 16, "192.0.2.1", (), None, None, {})
    return Message(
        topic,
        action,
        name,
        verdict=verdict,
        session=lambda: view,
        body=Raw(encode_body(data)),
    )


class HandlerContract:
    """Tests to inherit: name the class `Test…` and say how to make the handler.

    class TestMine(HandlerContract):
        def make_handler(self):
            return Mine()
    """

    patience: float = 1.0
    """Seconds that any one answer may take."""

    def make_handler(self) -> object:
        """Make a fresh handler."""
        raise NotImplementedError

    def test_it_has_the_shape_of_a_handler(self) -> None:
        """Its methods take what the broker gives them."""
        check_handler(self.make_handler())

    def test_it_answers_every_question_with_a_decision(self) -> None:
        """No login and no message makes it fail, hang or answer nonsense."""
        problems = asyncio.run(
            handler_problems(self.make_handler(), patience=self.patience)
        )
        assert problems == []  # noqa: S101 - a test, for test suites
