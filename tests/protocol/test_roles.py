"""The text form of roles: what is written can be read, and nothing else can."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.roles import roles_to_string, string_to_roles


@pytest.mark.parametrize(
    ("roles", "text"),
    [
        ({"b", "a"}, '"a","b"'),
        ((), ""),
        (["a", "a"], '"a"'),
        (["it's"], '"it\'s"'),
        (['say "x"\\'], '"say \\"x\\"\\\\"'),
    ],
)
def test_s91_roles_are_sorted_and_in_quotes(roles: Any, text: str) -> None:
    assert roles_to_string(roles) == text


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("", set()),
        (" \t,\n", set()),
        ('"a","b"', {"a", "b"}),
        ("'a' 'b'", {"a", "b"}),
        ("'a''b'", {"a", "b"}),
        (",'a',", {"a"}),
        (r"'it\'s' 'a\\b' '\"'", {"it's", "a\\b", '"'}),
        ("'a,b c'", {"a,b c"}),
    ],
)
def test_s91_roles_are_read_in_either_quote(text: str, roles: set[str]) -> None:
    assert string_to_roles(text) == roles


@pytest.mark.parametrize(
    "text", ["x 'a'", "x", "'a' x", "'a", '"a', "'a\\'", "'a\\", r"'\n'", "'a\";"]
)
def test_s91_what_is_not_quoted_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quot|backslash"):
        string_to_roles(text)


@pytest.mark.parametrize("roles", ["a", [1], None, [None]])
def test_roles_are_a_collection_of_strings(roles: Any) -> None:
    with pytest.raises(TypeError):
        roles_to_string(roles)


@pytest.mark.parametrize("text", [None, 1, b"'a'", ["a"]])
def test_text_is_text(text: Any) -> None:
    with pytest.raises(TypeError):
        string_to_roles(text)


@given(st.frozensets(st.text()))
def test_what_is_written_is_read_again(roles: frozenset[str]) -> None:
    assert string_to_roles(roles_to_string(roles)) == roles
