"""Session properties as an authenticator or an administrator may set them.

What a key and a value can be stands in `vestibule.protocol.properties`; here is what
the keys of the broker's own mean (docs/sessions.md, "Session properties").
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from vestibule.protocol.properties import (
    MAX_PROPERTIES,
    valid_property_key,
    valid_property_value,
)


__all__ = [
    "EXPIRY_TIME",
    "LOCATION",
    "NO_PROPERTIES",
    "PRINCIPAL",
    "ROLES",
    "GivenProperties",
    "InvalidProperties",
    "given_properties",
    "located",
    "no_properties",
]

PRINCIPAL: Final = "$Principal"
ROLES: Final = "$Roles"
EXPIRY_TIME: Final = "$ExpiryTime"
_COUNTRY: Final = "$Country"
_LANGUAGE: Final = "$Language"
_DEGREES: Final = {"$Latitude": 90.0, "$Longitude": 180.0}
LOCATION: Final = frozenset({_COUNTRY, _LANGUAGE, *_DEGREES})
"""Fixed keys that whoever authenticates or administers a session may set."""

NO_PROPERTIES: Final[Mapping[str, str]] = MappingProxyType({})


def no_properties() -> Mapping[str, str]:
    """Give the one empty mapping: most sessions have several."""
    return NO_PROPERTIES


class InvalidProperties(Exception):  # noqa: N818 - what the properties are
    """A key or a value that no session can have, or too many of them."""


@dataclass(frozen=True, slots=True)
class GivenProperties:
    """Properties that somebody gives a session, taken apart."""

    user_defined: Mapping[str, str]
    location: Mapping[str, str]
    """In the form in which they are kept."""
    fixed: Mapping[str, str]
    """The other keys with a `$`, as they came."""


def given_properties(properties: Mapping[Any, Any]) -> GivenProperties:
    """Take apart what an authenticator gives a session.

    Raises:
        InvalidProperties: a key or value that cannot be, or too many.
    """
    user_defined: dict[str, str] = {}
    location: dict[str, str] = {}
    fixed: dict[str, str] = {}
    for key, value in properties.items():
        if not isinstance(key, str) or not valid_property_value(value):
            raise InvalidProperties
        if key in LOCATION:
            location[key] = located(key, value)
        elif key.startswith("$"):
            fixed[key] = value
        elif valid_property_key(key):
            user_defined[key] = value
        else:
            raise InvalidProperties
    if len(user_defined) > MAX_PROPERTIES:
        raise InvalidProperties
    return GivenProperties(
        MappingProxyType(user_defined),
        MappingProxyType(location),
        MappingProxyType(fixed),
    )


def located(key: str, value: str) -> str:
    """Give the form in which a property of the location is kept."""
    if key == _COUNTRY:
        return value.upper()
    if key == _LANGUAGE:
        return value.lower()
    try:
        degrees = float(value)
    except ValueError:
        return "NaN"
    # Not a number is in no range either.
    return value.strip() if math.fabs(degrees) <= _DEGREES[key] else "NaN"
