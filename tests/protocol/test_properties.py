from typing import Any

import pytest

from vestibule.protocol.properties import (
    MAX_PROPERTIES,
    proposed_properties,
    valid_property_key,
    valid_property_value,
)


@pytest.mark.parametrize("key", ["K", "k", "a.b", "é" * 64, "x" * 128, "a$", "[]{}*/"])
def test_what_can_be_a_key(key: str) -> None:
    assert valid_property_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *["", "$K", "$", "a b", "a\t", "a\r", "a\n", '"', "'", "(", ")"],
        *["\0", "\x7f", "\x9f", "x" * 129, "é" * 65, "\ud800", None, 1, b"K"],
    ],
)
def test_what_cannot_be_a_key(key: Any) -> None:
    assert not valid_property_key(key)


@pytest.mark.parametrize("value", ["", "a b\n", "x" * 4096, "é" * 2048])
def test_what_can_be_a_value(value: str) -> None:
    assert valid_property_value(value)


@pytest.mark.parametrize("value", ["x" * 4097, "é" * 2049, "\ud800", None, 1, b"x"])
def test_what_cannot_be_a_value(value: Any) -> None:
    assert not valid_property_value(value)


def test_malformed_proposals_drop_and_the_others_stay() -> None:
    proposals = {"K": "a", "$Roles": "x", "J": 1, "a b": "c", 5: "x", "L": "x" * 4097}
    assert proposed_properties(proposals) == {"K": "a"}


def test_too_many_proposals_count_as_none() -> None:
    as_many = {f"k{n}": "v" for n in range(MAX_PROPERTIES)}
    assert proposed_properties(as_many) == as_many
    assert proposed_properties({**as_many, "$x": "v"}) == {}


@pytest.mark.parametrize("proposals", [None, [], "K", 5, [("K", "a")]])
def test_what_is_no_map_proposes_nothing(proposals: Any) -> None:
    assert proposed_properties(proposals) == {}
