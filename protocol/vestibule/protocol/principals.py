"""Names of users and groups: one path segment, refused rather than altered to fit."""

from typing import Final

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import canonical_text


__all__ = [
    "MAX_PASSWORD_BYTES",
    "MAX_PRINCIPAL_BYTES",
    "valid_group_name",
    "valid_password",
    "valid_username",
]

MAX_PRINCIPAL_BYTES: Final = 128
"""A name in UTF-8: shorter than any segment needs, long enough for an address."""

MAX_PASSWORD_BYTES: Final = 1024
"""A password in UTF-8: longer than anybody types, short enough to hash at once."""

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
    return name == name.strip() and len(name.encode()) <= MAX_PRINCIPAL_BYTES


def valid_username(name: object) -> bool:
    """Whether `name` can be the name of a user, the system's included."""
    return isinstance(name, str) and ":" not in name and valid_group_name(name)


def valid_password(password: object) -> bool:
    """Whether `password` can be one anywhere; a broker may want a longer one."""
    if not isinstance(password, str):
        return False
    try:
        return 1 <= len(password.encode()) <= MAX_PASSWORD_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False
