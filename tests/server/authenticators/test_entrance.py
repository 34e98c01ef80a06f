"""What whoever vouches for a name may give: names, groups, properties, expiry."""

from collections.abc import Callable
from typing import Any

import pytest

from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import (
    CLIENT_DATA_BYTES,
    Entrance,
    NotAdmitted,
    expiry_of,
    properties_of,
    sendable,
)


Logging = Callable[..., Attempt]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (None, "no username"),
        ("", "no username"),
        ("a/b", "no username"),
        (5, "no username"),
        ("_ADMIN", "system"),
        ("_new", "system"),
        ("gone", "disabled or expired"),
        ("late", "locked out"),
    ],
)
def test_who_may_not_come_in(
    entrance: Entrance, login: Logging, name: object, problem: str
) -> None:
    with pytest.raises(NotAdmitted, match=problem):
        entrance.named(name, login())


def test_users_and_names_that_nobody_knows_may(
    entrance: Entrance, login: Logging
) -> None:
    assert entrance.named("lisa", login()) == "lisa"
    assert entrance.named("eve", login()) == "eve"


def test_a_user_of_the_system_comes_in_only_where_any_user_may(
    entrance: Entrance, login: Logging
) -> None:
    assert entrance.named("_ADMIN", login(), any_user=True) == "_ADMIN"
    with pytest.raises(NotAdmitted, match="system"):
        entrance.named("_NOBODY", login(), any_user=True)


def test_only_groups_that_exist_and_are_not_the_systems_count(
    entrance: Entrance,
) -> None:
    named = ["staff", "unknown", "_ADMIN", "a/b", ""]
    assert entrance.known_groups(named) == {"staff"}


@pytest.mark.parametrize(
    "properties",
    [
        {"a b": "x"},
        {"": "x"},
        {5: "x"},
        {"a": 5},
        {"a": "x" * 5_000},
        {"a": None},
        {f"k{n}": "v" for n in range(65)},
    ],
)
def test_malformed_properties_let_nobody_in(properties: dict[Any, Any]) -> None:
    with pytest.raises(NotAdmitted, match="properties"):
        properties_of(properties)


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "1e9", " 5", "²", "0", "999999", "1000000", "9" * 40]
)
def test_an_expiry_that_is_no_future_number_lets_nobody_in(text: str) -> None:
    with pytest.raises(NotAdmitted, match="ExpiryTime"):
        expiry_of(properties_of({"$ExpiryTime": text}), 1_000.0)


def test_an_expiry_is_in_milliseconds() -> None:
    assert expiry_of(properties_of({"$ExpiryTime": "1000001"}), 1_000.0) == 1_000_001
    assert expiry_of(properties_of({}), 1_000.0) is None


def test_what_cannot_be_sent_to_a_client_lets_nobody_in() -> None:
    with pytest.raises(NotAdmitted, match="cannot be sent"):
        sendable(object())
    with pytest.raises(NotAdmitted, match="too long"):
        sendable("x" * CLIENT_DATA_BYTES)
    assert sendable({"a": (1, 2)}) == {"a": [1, 2]}
