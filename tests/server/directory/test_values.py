"""Names, data, times: what is kept, and what is refused instead of being altered."""

import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from vestibule.server.directory.data import NOTHING, InvalidData, pack, unpack
from vestibule.server.directory.names import folded, valid_group_name, valid_username
from vestibule.server.directory.times import parse_time, time_text


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "/",
        "/a",
        "a*",
        "{a",
        "a}",
        " a",
        "a\u00a0",
        "a\tb",
        "a\0",
        "a\u200b",
        "\ud800",
        "e\u0301",
        "x" * 129,
        "\u00e9" * 65,
        None,
        5,
        b"a",
    ],
)
def test_what_cannot_be_a_name(name: object) -> None:
    assert not valid_group_name(name)
    assert not valid_username(name)


@pytest.mark.parametrize(
    "name", ["a", "_ADMIN", "a b", "é", "x" * 128, "é" * 64, "a+#%?>$.", "日本", "..."]
)
def test_what_can_be_a_name(name: str) -> None:
    assert valid_group_name(name)
    assert valid_username(name)


def test_a_colon_is_for_groups_alone() -> None:
    assert valid_group_name("a:b")
    assert not valid_username("a:b")


def test_folding() -> None:
    assert folded("STRASSE") == folded("straße")
    assert folded("_Admin") == "_Admin"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """Give a value with its types, which `==` does not compare."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return type(value), value


@given(VALUES)
def test_values_come_back_with_their_types(value: Any) -> None:
    assert typed(unpack(pack(value))) == typed(value)


def test_equal_data_are_one_encoding() -> None:
    assert pack({"a": 1, "b": 2}) == pack({"b": 2, "a": 1})
    assert len(set(map(pack, (1, 1.0, True, "1")))) == 4
    assert pack(None) == NOTHING


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


ENDLESS: list[Any] = []
ENDLESS.extend([ENDLESS, ENDLESS])


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        2**64,
        -(2**63) - 1,
        b"bytes",
        (1, 2),
        {1: 2},
        {"a": {None: 1}},
        object(),
        "\ud800",
        {"\ud800": 1},
        "x" * 65_536,
        [None] * 65_536,
        nested(33),
        ENDLESS,
    ],
    ids=range(15),
)
def test_what_is_no_data(value: Any) -> None:
    with pytest.raises(InvalidData):
        pack(value)


def test_the_largest_data() -> None:
    assert unpack(pack(nested(32))) == nested(32)
    assert len(pack("x" * 65_533)) == 65_536


def test_times_are_utc_texts() -> None:
    text = "2031-01-31T09:30:00.000Z"
    assert time_text(parse_time(text)) == text
    assert parse_time("1970-01-01T00:00:01.5Z") == 1_500
    assert parse_time("2031-01-31T09:30:00Z") == parse_time(text)
    assert time_text(1_500) == "1970-01-01T00:00:01.500Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2031-01-31",
        "2031-01-31T09:30:00",
        "2031-01-31T09:30:00+01:00",
        "2031-02-30T09:30:00Z",
        "2031-01-31T24:30:00Z",
        "2031-01-31T09:30:00.0000Z",
        "\uff12031-01-31T09:30:00Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text differs by what is wrong
        parse_time(text)
