"""What an authenticator may give a session as properties."""

from typing import Any

import pytest

from vestibule.server.properties import (
    GivenProperties,
    InvalidProperties,
    given_properties,
    located,
)


def test_properties_are_taken_apart_by_their_keys() -> None:
    given = given_properties(
        {"K": "v", "$Country": "de", "$Roles": '"A"', "$SessionId": "x"}
    )
    assert given == GivenProperties(
        {"K": "v"}, {"$Country": "DE"}, {"$Roles": '"A"', "$SessionId": "x"}
    )


@pytest.mark.parametrize(
    "properties",
    [
        {"a b": "v"},
        {"": "v"},
        {5: "v"},
        {"K": 5},
        {"$Roles": None},
        {"K": "v" * 4097},
        {f"k{number}": "v" for number in range(65)},
    ],
)
def test_a_key_or_value_that_cannot_be_makes_all_of_it_invalid(
    properties: dict[Any, Any],
) -> None:
    with pytest.raises(InvalidProperties):
        given_properties(properties)


def test_what_is_given_cannot_be_changed_afterwards() -> None:
    given = given_properties({"K": "v"})
    with pytest.raises(TypeError):
        given.user_defined["K"] = "w"  # type: ignore[index]  # that is the test


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("$Country", "de", "DE"),
        ("$Language", "EN", "en"),
        ("$Latitude", "-90", "-90"),
        ("$Latitude", "90.1", "NaN"),
        ("$Longitude", "180", "180"),
        ("$Longitude", "inf", "NaN"),
        ("$Longitude", "nan", "NaN"),
        ("$Latitude", "north", "NaN"),
    ],
)
def test_the_location_has_one_form(key: str, value: str, kept: str) -> None:
    assert located(key, value) == kept
