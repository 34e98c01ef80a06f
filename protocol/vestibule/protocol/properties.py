"""Session properties: what is a key, what is a value, what of a client's proposals counts.

Keys that begin with `$` are the broker's; the others are user-defined
(docs/sessions.md, "Session properties").
"""

import unicodedata
from typing import Final


__all__ = [
    "MAX_KEY_BYTES",
    "MAX_PROPERTIES",
    "MAX_VALUE_BYTES",
    "proposed_properties",
    "valid_property_key",
    "valid_property_value",
]

MAX_KEY_BYTES: Final = 128
"""A key in UTF-8."""

MAX_PROPERTIES: Final = 64
"""User-defined properties of one session, and proposals of one login."""

MAX_VALUE_BYTES: Final = 4096
"""A value in UTF-8."""

_FIXED: Final = "$"
_UNUSABLE: Final = frozenset(" \t\r\n\"'()")
"""What would end a key where keys are written in filters and scripts."""


def valid_property_key(key: object) -> bool:
    """Whether `key` can be the key of a user-defined property."""
    if not isinstance(key, str) or not key or key.startswith(_FIXED):
        return False
    if not _UNUSABLE.isdisjoint(key):
        return False
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in key):
        return False
    return len(key.encode()) <= MAX_KEY_BYTES


def valid_property_value(value: object) -> bool:
    """Whether `value` can be the value of a property."""
    if not isinstance(value, str):
        return False
    try:
        return len(value.encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False


def proposed_properties(proposals: object) -> dict[str, str]:
    """Give what counts of the properties that a client proposes.

    Malformed entries and the broker's own keys drop; too many count as none. Nothing
    is an error: whatever a stranger says under `properties` is answered by a dict.
    """
    if not isinstance(proposals, dict) or len(proposals) > MAX_PROPERTIES:
        return {}
    return {
        key: value
        for key, value in proposals.items()
        if valid_property_key(key) and valid_property_value(value)
    }
