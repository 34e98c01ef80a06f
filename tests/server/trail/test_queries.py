from typing import Any

import pytest

from vestibule.server.directory import DirectoryError
from vestibule.server.trail import parse_query


def test_arguments_become_conditions_with_places() -> None:
    query = parse_query(
        since="2030-01-01T00:00:00Z",
        until="2030-01-02T00:00:00.000Z",
        username="lisa",
        session_id=None,
        verdict="denied",
        path="a/*/c",
        before_seq=9,
        limit=5,
    )
    assert query.conditions() == (
        [
            "seq < ?",
            "time >= ?",
            "time < ?",
            "user = ?",
            "verdict = ?",
            "path GLOB ?",
        ],
        [9, 1_893_456_000_000, 1_893_542_400_000, "lisa", "denied", "a/*/c"],
    )
    assert query.limit == 5


def test_without_arguments_there_is_no_condition_and_a_limit() -> None:
    query = parse_query()
    assert query.conditions() == ([], [])
    assert query.limit == 100


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("since", "yesterday"),
        ("until", 5),
        ("username", 5),
        ("username", "x" * 1025),
        ("path", "\ud800"),
        ("limit", 0),
        ("limit", 1001),
        ("limit", True),
        ("limit", 5.0),
        ("before_seq", 0),
        ("before_seq", 2**53),
    ],
)
def test_what_is_no_argument_is_refused_by_its_name(argument: str, value: Any) -> None:
    with pytest.raises(DirectoryError) as refused:
        parse_query(**{argument: value})
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.details == {"argument": argument}
