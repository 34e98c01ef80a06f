from typing import Any

import pytest

from vestibule.client.checks import text, text_map, texts


@pytest.mark.parametrize("value", [None, 1, b"a", ["a"]])
def test_a_text_is_a_str(value: Any) -> None:
    with pytest.raises(TypeError, match="role is a str"):
        text(value, "role")
    assert text("a", "role") == "a"


@pytest.mark.parametrize(
    "values", [None, "A", b"B", 1, {"A": True}, ["A", 1], [None], object()]
)
def test_one_string_is_no_collection_of_strings(values: Any) -> None:
    with pytest.raises(TypeError, match="roles is a collection of strings"):
        texts(values, "roles")


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ([], []),
        (["b", "a", "b"], ["b", "a"]),
        (("b", "a"), ["b", "a"]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset("ba"), ["a", "b"]),
        ({"b": 1, "a": 2}.keys(), ["a", "b"]),
    ],
)
def test_lists_keep_their_order_and_sets_are_sorted(
    values: Any, taken: list[str]
) -> None:
    assert texts(values, "roles") == taken
    assert texts(iter(taken), "roles") == taken


@pytest.mark.parametrize("values", [None, [], "a", {1: "a"}, {"a": 1}, {"a": None}])
def test_a_map_of_texts_holds_nothing_else(values: Any) -> None:
    with pytest.raises(TypeError, match="properties"):
        text_map(values, "properties")


def test_a_removal_is_none_where_it_may_be() -> None:
    assert text_map({"a": None}, "properties", removals=True) == {"a": None}
