from typing import Any

import pytest

from vestibule.protocol.principals import (
    valid_group_name,
    valid_password,
    valid_username,
)


@pytest.mark.parametrize("name", ["a", "_ADMIN", "it's", "a b", "日本", "x" * 128])
def test_what_can_be_a_name(name: str) -> None:
    assert valid_group_name(name)
    assert valid_username(name)


@pytest.mark.parametrize("name", ["", "a/b", "a*", "{a", " a", "a\n", "x" * 129, None])
def test_what_cannot_be_a_name(name: Any) -> None:
    assert not valid_group_name(name)
    assert not valid_username(name)


def test_a_colon_is_for_groups_alone() -> None:
    assert valid_group_name("a:b")
    assert not valid_username("a:b")


@pytest.mark.parametrize("password", ["x", "\n", " ", "é" * 512, "x" * 1024])
def test_what_can_be_a_password(password: str) -> None:
    assert valid_password(password)


@pytest.mark.parametrize("password", ["", "é" * 513, "x" * 1025, "\ud800", None, b"x"])
def test_what_cannot_be_a_password(password: Any) -> None:
    assert not valid_password(password)
