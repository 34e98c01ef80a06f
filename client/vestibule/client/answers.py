"""What answers of the broker's own methods are made of: read, or refused as unreadable."""

from collections.abc import Iterable
from typing import Any

from vestibule.protocol.permissions import GlobalPermission, PathPermission


__all__ = ["global_permissions", "number", "path_permissions", "text_map"]


def global_permissions(codes: Iterable[int]) -> frozenset[GlobalPermission]:
    """Read global permissions by their numbers; a later one reads as unknown."""
    return frozenset(map(GlobalPermission.of_code, codes))


def path_permissions(codes: Iterable[int]) -> frozenset[PathPermission]:
    """Read path permissions by their numbers; a later one reads as unknown."""
    return frozenset(map(PathPermission.of_code, codes))


def number(answer: object) -> int:
    """Read a number.

    Raises:
        TypeError: it is none.
    """
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise TypeError("a number is expected")
    return answer


def text_map(answer: object) -> dict[str, Any]:
    """Read a map with text keys.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(answer, dict):
        raise TypeError("a map is expected")
    return answer
