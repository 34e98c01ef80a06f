"""The text form of a set of roles: what the session property `$Roles` holds."""

from collections.abc import Iterable, Iterator
from typing import Final

from vestibule.protocol.quoting import unquoted


__all__ = ["roles_to_string", "string_to_roles"]

_SEPARATORS: Final = frozenset(" \t\n\r\v\f,")


def roles_to_string(roles: Iterable[str]) -> str:
    r"""Give the names sorted, in double quotes, with commas between: `"a","b"`.

    In a name `"` and `\` have a `\` in front.

    Raises:
        TypeError: one string, or a member that is none.
    """
    if isinstance(roles, str):
        raise TypeError("roles is a collection of strings, not one string")
    names = set(roles)
    if not all(isinstance(name, str) for name in names):
        raise TypeError("roles is a collection of strings")
    return ",".join(f'"{_escaped(name)}"' for name in sorted(names))


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def string_to_roles(text: str) -> frozenset[str]:
    r"""Read names in either quote, `\` before a quote or `\`, apart by space or comma.

    Raises:
        TypeError: not a string.
        ValueError: something outside quotes, or a name without an end.
    """
    if not isinstance(text, str):
        raise TypeError("text is a str")
    return frozenset(_names(text))


def _names(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at] in _SEPARATORS:
            at += 1
            continue
        name, at = unquoted(text, at)
        yield name
