"""The contract suite finds what is wrong with a handler, and lets good ones pass."""

import asyncio
import time
from typing import Any

import pytest

from vestibule.server import (
    Action,
    Allowed,
    CannotDecide,
    Identity,
    InvalidCredentials,
    Message,
    PermissionHandler,
)
from vestibule.server.testing import HandlerContract, handler_problems


async def problems_of(answer: Any, *, method: str = "can_perform_action") -> list[str]:
    """Tell the problems of a handler whose one method does `answer`."""

    def asked(self: object, *arguments: Any) -> Any:
        return answer(*arguments) if callable(answer) else answer

    kind = type("Asked", (PermissionHandler,), {method: asked})
    return await handler_problems(kind(), patience=0.05)


async def hang(*_: object) -> bool:
    await asyncio.Event().wait()
    return True


def fail(*_: object) -> bool:
    raise ValueError("secret")


def block(*_: object) -> bool:
    time.sleep(0.06)
    return True


@pytest.mark.parametrize("method", ["can_perform_action", "can_receive"])
@pytest.mark.parametrize("answer", [hang, fail, None, 1, "true", [True]])
async def test_a_decision_that_hangs_raises_or_is_nonsense_is_a_problem(
    answer: object, method: str
) -> None:
    problems = await problems_of(answer, method=method)
    assert problems
    assert all(problem.startswith(f"{method} on ") for problem in problems)
    assert all("secret" not in problem for problem in problems)


async def test_a_plain_function_that_blocks_is_a_problem() -> None:
    (first, *_) = await problems_of(block)
    assert first == "can_perform_action on event publish took longer than 0.05 seconds"


@pytest.mark.parametrize("answer", [hang, fail, True, 5, b"lisa", Identity("a/b")])
async def test_a_login_that_hangs_raises_or_is_nonsense_is_a_problem(
    answer: object,
) -> None:
    problems = await problems_of(answer, method="is_valid_user")
    assert len(problems) == 5
    assert all(problem.startswith("is_valid_user on ") for problem in problems)


async def test_a_problem_names_the_keys_of_the_login_and_no_value() -> None:
    def picky(_: object, auth_data: dict[str, Any]) -> str:
        return auth_data["username"].lower() or "guest"

    problems = await problems_of(picky, method="is_valid_user")
    assert problems == [
        "is_valid_user on [] failed",
        "is_valid_user on ['password', 'username'] failed",
        "is_valid_user on ['password', 'username'] failed",
        "is_valid_user on ['extra', 'user'] failed",
    ]


async def test_hearing_of_an_end_must_not_fail_either() -> None:
    problems = await problems_of(fail, method="on_client_disconnect")
    assert problems == ["on_client_disconnect failed"]


class Lacking:
    def can_perform_action(self, username: str) -> bool:
        return bool(username)


async def test_a_wrong_shape_is_the_one_problem_and_nothing_is_asked() -> None:
    assert await handler_problems(Lacking()) == [
        "handler Lacking: can_perform_action does not take (username, message)"
    ]


async def test_deliveries_are_asked_about_as_a_broker_asks() -> None:
    asked: list[Message] = []

    def can_receive(_: str, message: Message) -> bool:
        asked.append(message)
        return bool(message.data != 5)

    assert await problems_of(can_receive, method="can_receive") == []
    assert {message.action for message in asked} == {
        Action.SUBSCRIBE,
        Action.CALL,
        Action.SEND,
    }
    assert not any(message.is_pattern for message in asked)


class Good(PermissionHandler):
    """Uses every way to answer that there is."""

    def is_valid_user(self, connection: object, auth_data: dict[str, Any]) -> Any:
        if not auth_data:
            return None
        if auth_data.get("username") == "":
            return Identity("guest", client_data={"new": True})
        raise InvalidCredentials("who are you?")

    async def can_perform_action(self, username: str, message: Message) -> Any:
        if message.action is Action.CALL:
            raise CannotDecide("no number")
        if message.action is Action.PROVIDE:
            return Allowed("fine")
        return message.verdict if message.is_pattern else message.granted

    def can_receive(self, username: str, message: Message) -> bool:
        return False


class TestAGoodHandler(HandlerContract):
    """The suite as an author uses it."""

    def make_handler(self) -> object:
        return Good()


def test_the_suite_fails_for_a_bad_handler() -> None:
    class Bad(HandlerContract):
        patience = 0.05

        def make_handler(self) -> object:
            return Lacking()

    with pytest.raises(Exception, match="does not take"):
        Bad().test_it_has_the_shape_of_a_handler()
    with pytest.raises(AssertionError):
        Bad().test_it_answers_every_question_with_a_decision()


def test_the_suite_asks_for_a_handler() -> None:
    with pytest.raises(NotImplementedError):
        HandlerContract().make_handler()
