"""Questions to the trail: checked arguments, and the conditions they become."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestibule.server.directory.errors import invalid_argument
from vestibule.server.directory.times import parse_time


__all__ = ["MAX_LIMIT", "Query", "parse_query"]

MAX_LIMIT: Final = 1_000
_DEFAULT_LIMIT: Final = 100
_MAX_TEXT: Final = 1_024
_MAX_NUMBER: Final = 2**53 - 1

_TEXTS: Final = {
    "username": "user",
    "session_id": "session",
    "action": "action",
    "verdict": "verdict",
    "kind": "kind",
}
"""Arguments that are compared with a column as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which lines are wanted: all that fit every condition, the latest first."""

    since: int | None = None
    """In milliseconds since 1970, like `until`; this one belongs to the time asked."""
    until: int | None = None
    before_seq: int | None = None
    equal: Mapping[str, str]
    """Column and value."""
    path: str | None = None
    """A `*` in it stands for any run of characters."""
    limit: int = _DEFAULT_LIMIT

    def conditions(self) -> tuple[list[str], list[int | str]]:
        """Give conditions with places, and the values for these."""
        found: list[tuple[str, int | str | None]] = [
            ("seq < ?", self.before_seq),
            ("time >= ?", self.since),
            ("time < ?", self.until),
            *((f"{column} = ?", value) for column, value in self.equal.items()),
            ("path GLOB ?", None if self.path is None else _glob(self.path)),
        ]
        wanted = [(text, value) for text, value in found if value is not None]
        return [text for text, _ in wanted], [value for _, value in wanted]


def parse_query(**given: Any) -> Query:
    """Check the arguments of a question; those that are None do not count.

    Raises:
        DirectoryError: INVALID_ARGUMENT, naming the argument.
    """
    equal = {
        column: _text(argument, given[argument])
        for argument, column in _TEXTS.items()
        if given.get(argument) is not None
    }
    path, limit = given.get("path"), given.get("limit")
    before = given.get("before_seq")
    return Query(
        since=_time("since", given.get("since")),
        until=_time("until", given.get("until")),
        before_seq=None if before is None else _number("before_seq", before),
        equal=equal,
        path=None if path is None else _text("path", path),
        limit=_DEFAULT_LIMIT if limit is None else _number("limit", limit, MAX_LIMIT),
    )


def _text(argument: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise invalid_argument(argument, f"is not text of up to {_MAX_TEXT} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid_argument(argument, "is not text") from None
    return value


def _time(argument: str, value: object) -> int | None:
    if value is None:
        return None
    try:
        return parse_time(_text(argument, value))
    except ValueError as problem:
        raise invalid_argument(argument, str(problem)) from None


def _number(argument: str, value: object, most: int = _MAX_NUMBER) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise invalid_argument(argument, f"is not a number from 1 to {most}")
    return value


def _glob(pattern: str) -> str:
    """Give a pattern in which `*` is the one wildcard as SQLite's, which has more."""
    return "".join(f"[{char}]" if char in "?[" else char for char in pattern)
