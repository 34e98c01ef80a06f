"""Asking a handler: whatever goes wrong denies."""

import asyncio
from typing import Any

import pytest

from vestibule.protocol.actions import Action, Topic
from vestibule.server.counters import Counters
from vestibule.server.handler import (
    CannotDecide,
    ConnectionData,
    Headers,
    Identity,
    InvalidCredentials,
    Message,
    PermissionHandler,
)
from vestibule.server.hooks import Hooks, Refused
from vestibule.server.verdict import Allowed, Denied


STRANGER = ConnectionData("192.0.2.1", Headers(), "00" * 16)
ASKED = Message(Topic.EVENT, Action.PUBLISH, "x", verdict=Denied("silent"))


def hooks(handler: object | None, *, timeout: float = 0.05) -> Hooks:
    return Hooks(handler, timeout=timeout, login_timeout=timeout, counters=Counters())


async def decided(answer: Any) -> Allowed | Denied:
    """Ask a handler that does `answer` when it is asked."""

    class Asked(PermissionHandler):
        def can_perform_action(self, username: str, message: Message) -> Any:
            return answer() if callable(answer) else answer

    verdict = hooks(Asked()).can_perform_action("lisa", ASKED)
    return verdict if isinstance(verdict, Allowed | Denied) else await verdict


class Untrue:
    def __bool__(self) -> bool:
        raise RuntimeError("no truth here")


async def hang() -> bool:
    await asyncio.Event().wait()
    return True


async def nested() -> Any:
    return hang()


async def late_yes() -> bool:
    await asyncio.sleep(1)
    return True


async def yes() -> bool:
    return True


def raising() -> bool:
    raise ValueError("secret")


async def raising_later() -> bool:
    raise ValueError("secret")


@pytest.mark.parametrize("answer", [True, Allowed("fine"), yes])
async def test_only_true_and_allowed_allow(answer: Any) -> None:
    assert isinstance(await decided(answer), Allowed)


@pytest.mark.parametrize(
    "answer", [False, None, 0, 1, "", "yes", "true", [True], Untrue(), nested]
)
async def test_p10_nonsense_is_denied(answer: Any) -> None:
    verdict = await decided(answer)
    assert isinstance(verdict, Denied)
    assert verdict.failed is None


@pytest.mark.parametrize("answer", [raising, raising_later, hang, late_yes])
async def test_p10_failing_and_late_is_denied_as_a_failed_check(answer: Any) -> None:
    verdict = await decided(answer)
    assert isinstance(verdict, Denied)
    assert verdict.failed == "permission check failed"


async def test_a_handlers_reason_is_kept_for_the_audit_log() -> None:
    verdict = await decided(Denied("not on sundays"))
    assert verdict == Denied("not on sundays")


async def test_a_handler_that_cannot_decide_says_so_in_its_own_words() -> None:
    def cannot() -> bool:
        raise CannotDecide("price is not a number")

    verdict = await decided(cannot)
    assert isinstance(verdict, Denied)
    assert verdict.failed == "price is not a number"


async def cancelled_inside() -> bool:
    """Await something that somebody else has cancelled."""
    other = asyncio.get_running_loop().create_future()
    other.cancel()
    await other
    return True


def cancelled_at_once() -> bool:
    raise asyncio.CancelledError


@pytest.mark.parametrize("answer", [cancelled_inside, cancelled_at_once])
async def test_what_a_handler_awaited_and_was_cancelled_is_a_failed_check(
    answer: Any,
) -> None:
    verdict = await decided(answer)
    assert isinstance(verdict, Denied)
    assert verdict.failed == "permission check failed"
    assert await login(answer) == Refused("login failed")


@pytest.mark.parametrize(
    ("text", "told"), [("x" * 2_000, "x" * 1_024), ("a\ud800b", "a?b")]
)
async def test_what_a_handler_tells_a_client_is_text_that_can_be_sent(
    text: str, told: str
) -> None:
    def cannot() -> bool:
        raise CannotDecide(text)

    def refuse() -> str:
        raise InvalidCredentials(text)

    verdict = await decided(cannot)
    assert isinstance(verdict, Denied)
    assert verdict.failed == told
    assert await login(refuse) == Refused(told)


async def test_cancellation_passes_through() -> None:
    verdict = hooks(Hanging(), timeout=60).can_perform_action("lisa", ASKED)
    assert not isinstance(verdict, Allowed | Denied)
    task = asyncio.ensure_future(verdict)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Hanging(PermissionHandler):
    async def can_perform_action(self, username: str, message: Message) -> bool:
        return await hang()


def test_what_a_handler_does_not_override_is_not_asked() -> None:
    class Nothing(PermissionHandler):
        pass

    for handler in (None, Nothing()):
        asked = hooks(handler)
        assert not asked.decides
        assert not asked.filters


def test_a_handler_need_not_inherit() -> None:
    class Duck:
        def can_perform_action(self, username: str, message: Message) -> bool:
            return True

    asked = hooks(Duck())
    assert asked.decides
    assert not asked.filters


def test_a_method_of_the_object_itself_is_asked_too() -> None:
    class Mine(PermissionHandler):
        pass

    handler = Mine()
    vars(handler)["can_perform_action"] = lambda _name, _message: False
    asked = hooks(handler)
    assert asked.decides
    assert isinstance(asked.can_perform_action("lisa", ASKED), Denied)


async def login(answer: Any) -> Identity | Refused | None:
    class Asked(PermissionHandler):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Any:
            return answer() if callable(answer) else answer

    return await hooks(Asked()).is_valid_user(STRANGER, {"password": "sesame"})


async def test_a_login_is_admitted_by_name_or_identity_and_none_abstains() -> None:
    assert await login("lisa") == Identity("lisa")
    assert await login(Identity("lisa", ["g"])) == Identity("lisa", ["g"])
    assert await login(None) is None


@pytest.mark.parametrize("answer", [True, 5, b"lisa", ["lisa"], raising, hang, nested])
async def test_a_login_that_fails_or_is_answered_with_nonsense_is_refused(
    answer: Any,
) -> None:
    assert await login(answer) == Refused("login failed")


async def test_invalid_credentials_carry_reason_and_data_to_the_client() -> None:
    def refuse() -> str:
        raise InvalidCredentials("closed today", {"until": "tomorrow"})

    assert await login(refuse) == Refused("closed today", {"until": "tomorrow"})


async def test_failures_are_counted() -> None:
    counters = Counters()

    class Raises(PermissionHandler):
        def can_perform_action(self, username: str, message: Message) -> bool:
            return raising()

    asked = Hooks(Raises(), timeout=1, login_timeout=1, counters=counters)
    asked.can_perform_action("lisa", ASKED)
    assert counters["handler_failures"] == 1
