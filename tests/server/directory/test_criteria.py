"""Criteria and sort orders: a table of what fits, and what is refused."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.criteria import parse_criteria, parse_sort
from vestibule.server.directory.globs import glob_matches


RECORD: dict[str, Any] = {
    "username": "lisa",
    "name": "lisa",
    "created": "2031-01-31T09:30:00.000Z",
    "custom_data": {
        "n": 5,
        "f": 2.5,
        "t": "text",
        "b": True,
        "none": None,
        "l": [1, {"a": 2}],
        "d": {"x": {"y": 1}},
        "$a": 1,
    },
    "application_data": None,
}


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        ({}, True),
        ({"username": "lisa"}, True),
        ({"name": "lisa"}, True),
        ({"username": "LISA"}, False),
        ({"custom_data.n": 5}, True),
        ({"custom_data.n": 5.0}, True),
        ({"custom_data.n": "5"}, False),
        ({"custom_data.b": True}, True),
        ({"custom_data.b": 1}, False),
        ({"custom_data.n": {"$eq": 5}}, True),
        ({"custom_data.n": {"$ne": 5}}, False),
        ({"custom_data.n": {"$gt": 4, "$lt": 6}}, True),
        ({"custom_data.n": {"$gt": 5}}, False),
        ({"custom_data.n": {"$gte": 5, "$lte": 5}}, True),
        ({"custom_data.f": {"$lt": 3}}, True),
        ({"custom_data.t": {"$gt": "tex"}}, True),
        ({"custom_data.t": {"$gt": 5}}, False),
        ({"custom_data.b": {"$gt": 0}}, False),
        ({"custom_data.none": {"$lt": 1}}, False),
        ({"created": {"$lt": "2032"}}, True),
        ({"custom_data.n": {"$in": [1, 5]}}, True),
        ({"custom_data.n": {"$nin": [1, 5]}}, False),
        ({"custom_data.n": {"$in": ["5", 5.0]}}, True),
        ({"custom_data.b": {"$in": [1, "True"]}}, False),
        ({"custom_data.none": {"$in": [0, None]}}, True),
        ({"custom_data.l": {"$in": [[1], [1.0, {"a": 2}]]}}, True),
        ({"custom_data.l": {"$in": [[True, {"a": 2}], [1, {"a": 2}, 3]]}}, False),
        ({"custom_data.d": {"$in": [{"x": {}}, {"x": {"y": 1}}]}}, True),
        ({"custom_data.d": {"$nin": [{"x": {"y": True}}, []]}}, True),
        ({"custom_data.n": {"$exists": True}}, True),
        ({"custom_data.none": {"$exists": True}}, True),
        ({"custom_data.none": None}, True),
        ({"custom_data.t": {"$like": "t*t"}}, True),
        ({"custom_data.t": {"$like": "T*"}}, False),
        ({"custom_data.n": {"$like": "*"}}, False),
        ({"custom_data.l": [1, {"a": 2}]}, True),
        ({"custom_data.l": [True, {"a": 2}]}, False),
        ({"custom_data.d": {"x": {"y": 1}}}, True),
        ({"custom_data.d.x.y": 1}, True),
        ({"custom_data.d": {"x": {"y": True}}}, False),
        ({"custom_data.l.0": 1}, False),
        ({"custom_data.zz": None}, False),
        ({"custom_data.zz": {"$exists": False}}, True),
        ({"custom_data.zz": {"$ne": 1}}, True),
        ({"custom_data.zz": {"$nin": [1]}}, True),
        ({"custom_data.zz": {"$in": [None]}}, False),
        ({"custom_data.zz": {"$lt": 1}}, False),
        ({"custom_data.zz": {"$like": "*"}}, False),
        ({"application_data.x": {"$exists": False}}, True),
        ({"application_data": None}, True),
        ({"custom_data.__class__": {"$exists": False}}, True),
        ({"$and": [{"username": "lisa"}, {"custom_data.n": 5}]}, True),
        ({"$and": [{"username": "lisa"}, {"custom_data.n": 6}]}, False),
        ({"$or": [{"username": "bob"}, {"custom_data.n": 5}]}, True),
        ({"$not": {"username": "bob"}}, True),
        ({"$not": {"$or": [{"username": "lisa"}]}}, False),
        ({"username": "lisa", "$not": {"custom_data.n": 5}}, False),
    ],
)
def test_what_fits(criteria: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a column
    assert parse_criteria(criteria)(RECORD) is fits


def levels(number: int) -> dict[str, Any]:
    criteria: dict[str, Any] = {"username": "lisa"}
    for _ in range(number - 1):
        criteria = {"$not": criteria}
    return criteria


@pytest.mark.parametrize(
    "criteria",
    [
        5,
        [],
        {5: 5},
        {"password": "x"},
        {"username.x": 1},
        {"user_id.x": 1},
        {"customdata": 1},
        {"username": {"$regex": ".*"}},
        {"username": {"$gt": None}},
        {"username": {"$gt": True}},
        {"username": {"$in": "lisa"}},
        {"username": {"$exists": 1}},
        {"username": {"$like": 5}},
        {"username": {"$eq": 1, "other": 2}},
        {"username": {"$not": {"$eq": 1}}},
        {"$and": {}},
        {"$and": []},
        {"$or": [5]},
        {"$not": []},
        {"$nor": []},
        {"$or": [{"username": str(number)} for number in range(65)]},
        {"$and": [{}] * 65},
        levels(9),
    ],
)
def test_what_is_refused(criteria: Any) -> None:
    with pytest.raises(DirectoryError) as refusal:
        parse_criteria(criteria)
    assert refusal.value.code is ErrorCode.INVALID_CRITERIA


def test_the_most_that_is_taken() -> None:
    assert parse_criteria(levels(8))(RECORD) is False
    assert parse_criteria(levels(7))(RECORD) is True
    many = {"$or": [{"username": str(number)} for number in range(63)] + [RECORD_FITS]}
    assert parse_criteria(many)(RECORD)


RECORD_FITS = {"username": "lisa"}


def test_a_long_list_of_values_costs_no_more_for_each_record() -> None:
    wanted: list[Any] = [[number] for number in range(2_000)]
    few = parse_criteria({"custom_data.l": {"$in": wanted[:10]}})
    many = parse_criteria({"custom_data.l": {"$in": [*range(20_000), *wanted]}})
    assert _lines(many) == _lines(few)


def _lines(fits: Callable[[dict[str, Any]], bool]) -> int:
    """Count the lines of Python that deciding about one record takes."""
    count = 0

    def counting(*_: object) -> Any:
        nonlocal count
        count += 1
        return counting

    before = sys.gettrace()
    sys.settrace(counting)
    try:
        fits(RECORD)
    finally:
        sys.settrace(before)
    return count


def test_sorting_puts_kinds_in_order() -> None:
    values = ["b", 2, None, True, 1.5, "a", [1], False]
    records = [{"custom_data": {"v": value}} for value in values] + [
        {"custom_data": {}}
    ]
    ((key, downwards),) = parse_sort([["custom_data.v", "asc"]])
    assert not downwards
    found = [
        record["custom_data"].get("v", "missing") for record in sorted(records, key=key)
    ]
    assert found == ["missing", None, False, True, 1.5, 2, "a", "b", [1]]


@pytest.mark.parametrize(
    "sort",
    ["username", [["username"]], [["username", "up"]], [["x", "asc"]], [5], {}],
)
def test_a_sort_order_that_is_refused(sort: Any) -> None:
    with pytest.raises(DirectoryError) as refusal:
        parse_sort(sort)
    assert refusal.value.code is ErrorCode.INVALID_CRITERIA


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("", "", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("*", "", True),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "acb", False),
        ("**", "x", True),
        ("*b*", "abc", True),
        ("*ab*ab*", "xabab", True),
        ("*ab*ab*", "xab", False),
    ],
)
def test_globs(glob: str, text: str, fits: bool) -> None:  # noqa: FBT001 - a column
    assert glob_matches(glob, text) is fits
