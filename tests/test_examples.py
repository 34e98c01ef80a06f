"""The examples do what their docstrings say, and are handlers in every way."""

from typing import Any

import pytest
from examples.handlers.allow_everything import AllowEverything
from examples.handlers.lisa_deletes_nothing import LisaDeletesNothing
from examples.handlers.minimum_price import MinimumPrice
from examples.handlers.only_lisa import OnlyLisa
from examples.handlers.private_records import PrivateRecords

from vestibule.server import (
    Action,
    Allowed,
    CannotDecide,
    ConnectionData,
    Denied,
    InvalidCredentials,
    Message,
    Topic,
)
from vestibule.server.handler import Headers
from vestibule.server.loading import load_handler
from vestibule.server.testing import handler_problems, memory_broker


STRANGER = ConnectionData("192.0.2.1", Headers(), "00" * 16)


def asked(
    topic: Topic, action: Action, name: str = "x", data: Any = None, **facts: Any
) -> Message:
    verdict = facts.pop("verdict", Denied("silent"))
    return Message(topic, action, name, verdict=verdict, data=data, **facts)


def record(action: Action, name: str = "x", data: Any = None, **facts: Any) -> Message:
    return asked(Topic.RECORD, action, name, data, **facts)


EXAMPLES = {
    "only_lisa": OnlyLisa,
    "allow_everything": AllowEverything,
    "lisa_deletes_nothing": LisaDeletesNothing,
    "private_records": PrivateRecords,
    "minimum_price": MinimumPrice,
}


@pytest.mark.parametrize("module", EXAMPLES)
async def test_each_example_passes_the_contract(module: str) -> None:
    name = EXAMPLES[module].__name__
    handler = load_handler(f"examples.handlers.{module}:{name}")
    assert await handler_problems(handler) == []


# OnlyLisa.


def test_r8_only_lisa_comes_in_with_her_password() -> None:
    login = OnlyLisa().is_valid_user
    assert login(STRANGER, {"user": "LisaA", "password": "sesame"}) == "LisaA"


@pytest.mark.parametrize(
    "auth_data",
    [
        {},
        {"user": "LisaA"},
        {"user": "LisaA", "password": "Sesame"},
        {"user": "lisaa", "password": "sesame"},
        {"username": "LisaA", "password": "sesame"},
        {"user": ["LisaA"], "password": "sesame"},
    ],
)
def test_r9_everybody_else_is_refused_and_not_left_to_others(
    auth_data: dict[str, Any],
) -> None:
    with pytest.raises(InvalidCredentials, match="invalid credentials"):
        OnlyLisa().is_valid_user(STRANGER, auth_data)


async def test_what_lisa_may_do_stays_with_the_directory() -> None:
    async with memory_broker(OnlyLisa()) as broker:
        lisa = await broker.login({"user": "LisaA", "password": "sesame"})
        ((code, *_),) = await lisa.subscribe("x")
        assert code == "MESSAGE_DENIED"


# AllowEverything.


@pytest.mark.parametrize("verdict", [Allowed(), Denied("silent")])
@pytest.mark.parametrize("topic", list(Topic))
def test_r17_everything_is_allowed(topic: Topic, verdict: Allowed | Denied) -> None:
    message = asked(topic, Action.PUBLISH, verdict=verdict)
    assert AllowEverything().can_perform_action("lisa", message) is True


# LisaDeletesNothing.


@pytest.mark.parametrize(
    ("username", "message", "expected"),
    [
        ("LisaA", record(Action.DELETE), False),
        ("LisaA", record(Action.ERASE), True),
        ("LisaA", record(Action.UPDATE), True),
        ("Bob", record(Action.DELETE), True),
        ("lisaa", record(Action.DELETE), True),
        ("LisaA", asked(Topic.WEB, Action.DELETE), True),
    ],
)
def test_r27_lisa_deletes_no_records(
    username: str, message: Message, *, expected: bool
) -> None:
    assert LisaDeletesNothing().can_perform_action(username, message) is expected


# PrivateRecords.


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (record(Action.CREATE, "x-LisaA"), True),
        (record(Action.CREATE, "x-Bob"), False),
        (record(Action.READ, "LisaA/diary"), True),
        (record(Action.READ, "lisaa/diary"), False),
        (record(Action.WATCH, "**"), False),
        (record(Action.WATCH, "*LisaA*"), True),
        (asked(Topic.EVENT, Action.PUBLISH, "x-Bob"), True),
        (asked(Topic.RPC, Action.CALL, "x-Bob"), True),
    ],
)
def test_r25_r26_a_records_name_must_contain_its_users(
    message: Message, *, expected: bool
) -> None:
    assert PrivateRecords().can_perform_action("LisaA", message) is expected


# MinimumPrice.


def patch(path: str, data: Any, name: str = "fancyCar") -> Message:
    return record(Action.PATCH, name, data, path=path, steps=(path,))


def update(data: Any, name: str = "fancyCar") -> Message:
    return record(Action.UPDATE, name, data)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (update({"price": 70_000}), True),
        (update({"price": 60_000}), True),
        (update({"price": 59_999.5}), False),
        (update({"price": 100}), False),
        (update({"price": 100}, "oldCar"), True),
        (patch("price", 100), False),
        (patch("price", 60_000), True),
        (patch("color", "red"), True),
        (patch("price", 100, "oldCar"), True),
        (record(Action.READ, "fancyCar"), True),
        (record(Action.ERASE, "fancyCar", path="price", steps=("price",)), True),
        (asked(Topic.EVENT, Action.PUBLISH, "fancyCar", {"price": 1}), True),
    ],
)
def test_r28_r29_the_price_of_the_fancy_car_is_never_set_too_low(
    message: Message, *, expected: bool
) -> None:
    assert MinimumPrice().can_perform_action("lisa", message) is expected


@pytest.mark.parametrize(
    "message",
    [
        update({"price": "abc"}),
        update({"price": True}),
        update({"color": "red"}),
        patch("price", None),
        patch("price", [70_000]),
    ],
)
def test_r28_a_price_that_is_no_number_cannot_be_decided(message: Message) -> None:
    with pytest.raises(CannotDecide, match="price is not a number"):
        MinimumPrice().can_perform_action("lisa", message)
