"""What a control authenticator is asked, and what it answers."""

from typing import Any

import pytest

from vestibule.client import (
    Abstain,
    Allow,
    AuthenticationRequest,
    Authenticator,
    Deny,
)


def asked(
    principal: str, credentials: dict[str, Any], *, again: bool = False
) -> AuthenticationRequest:
    return AuthenticationRequest(principal, credentials, {}, {}, again)


def test_answers_are_values() -> None:
    assert Allow() == Allow(None)
    assert Allow({"a": "b"}) == Allow({"a": "b"})
    assert Allow({"a": "b"}) != Allow({"a": "c"})
    assert Allow(directory_groups=True) != Allow()
    assert Deny("x") == Deny("x") != Deny()
    assert Abstain() == Abstain()
    assert len({Allow(), Allow({"a": "b"}), Allow({"a": "b"}), Deny(), Abstain()}) == 4


def test_answers_are_frozen_and_what_was_given_can_change() -> None:
    given = {"a": "b"}
    allow = Allow(given)
    given["a"] = "c"
    assert allow == Allow({"a": "b"})
    with pytest.raises(AttributeError):
        allow.properties = None  # type: ignore[misc]  # that is the test
    with pytest.raises(TypeError):
        allow.properties["a"] = "c"  # type: ignore[index]  # that is the test


@pytest.mark.parametrize("properties", [5, "a", ["a"], {"a": 5}, {5: "a"}, {"a": None}])
def test_properties_are_texts(properties: Any) -> None:
    with pytest.raises(TypeError):
        Allow(properties)


def test_other_wrong_types_are_refused() -> None:
    odd: Any = "yes"
    with pytest.raises(TypeError):
        Allow(directory_groups=odd)
    number: Any = 5
    with pytest.raises(TypeError):
        Deny(number)


def test_a_request_shows_no_credential() -> None:
    request = asked("pass", {"password": "sesame"}, again=True)
    assert "sesame" not in repr(request)
    assert "pass" not in repr(request)
    assert "sesame" not in str([request])
    assert repr(request) == "<AuthenticationRequest of 1 credentials, reauthentication>"


def test_the_base_decides_nothing() -> None:
    with pytest.raises(NotImplementedError):
        Authenticator().authenticate(asked("", {}))
    assert Authenticator().closed("CLOSED") is None
