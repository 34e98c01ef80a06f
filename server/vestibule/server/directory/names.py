"""Names of users and groups: one path segment, refused rather than altered to fit."""

import unicodedata
from typing import Final

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import canonical_text


__all__ = ["SYSTEM_PREFIX", "folded", "valid_group_name", "valid_username"]

SYSTEM_PREFIX: Final = "_"
"""Names that begin with it are the system's: nobody makes one."""

_MAX_BYTES: Final = 128
"""A name in UTF-8: shorter than any segment needs, long enough for an address."""

_WIDENING: Final = frozenset("/*{}")
"""What would be more than a name where a template is filled with it."""


def valid_group_name(name: object) -> bool:
    """Whether `name` can be the name of a group, the system's included."""
    if not isinstance(name, str) or not _WIDENING.isdisjoint(name):
        return False
    try:
        # Not equal: not NFC, and it is never altered to fit.
        if canonical_text(name) != name:
            return False
    except InvalidName:
        return False
    return name == name.strip() and len(name.encode()) <= _MAX_BYTES


def valid_username(name: object) -> bool:
    """Whether `name` can be the name of a user, the system's included."""
    return isinstance(name, str) and ":" not in name and valid_group_name(name)


def folded(name: str) -> str:
    """Give the form by which usernames are compared without regard to case.

    Names of the system are compared exactly.
    """
    if name.startswith(SYSTEM_PREFIX):
        return name
    return unicodedata.normalize("NFC", name.casefold())
