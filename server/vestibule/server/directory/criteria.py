"""Criteria and sort orders of lists: read whole before anything is looked at.

Data is looked into as maps alone: no field reaches an attribute of any object.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.globs import glob_matches


__all__ = [
    "DIRECTORY_FIELDS",
    "Fields",
    "Predicate",
    "Record",
    "SortKey",
    "parse_criteria",
    "parse_sort",
]

Record: TypeAlias = Mapping[str, Any]
"""What is listed, by field."""

Predicate: TypeAlias = Callable[[Record], bool]
SortKey: TypeAlias = Callable[[Record], Any]

_MAX_CONDITIONS: Final = 64
_MAX_LEVELS: Final = 8
_SHOWN: Final = 64
"""Characters of a field that a refusal names."""

_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Fields:
    """What may be asked about: plain fields, and those that are looked into."""

    plain: frozenset[str]
    maps: frozenset[str] = frozenset()


DIRECTORY_FIELDS: Final = Fields(
    plain=frozenset({"username", "name", "user_id", "created", "modified"}),
    maps=frozenset({"custom_data", "application_data"}),
)


def parse_criteria(criteria: object, fields: Fields = DIRECTORY_FIELDS) -> Predicate:
    """Read criteria.

    Raises:
        DirectoryError: INVALID_CRITERIA; an unknown field or operator, an operand that
            does not fit, more than 64 conditions or 8 levels.
    """
    return _Parser(fields).criteria(criteria, 1)


def parse_sort(
    sort: object, fields: Fields = DIRECTORY_FIELDS
) -> list[tuple[SortKey, bool]]:
    """Read a sort order as keys and whether each goes downwards, the first first.

    Missing values come first, then None, bools, numbers, text, and other data.

    Raises:
        DirectoryError: INVALID_CRITERIA.
    """
    if not isinstance(sort, list) or len(sort) > _MAX_CONDITIONS:
        raise _invalid("sort is no list of fields and directions", "sort")
    order: list[tuple[SortKey, bool]] = []
    for item in sort:
        match item:
            case [str() as field, "asc" | "desc" as direction]:
                steps = _steps(field, fields, "sort")
                order.append((_sort_key(steps), direction == "desc"))
            case _:
                raise _invalid("sort is no list of fields and directions", "sort")
    return order


def _invalid(
    problem: str, argument: str = "criteria", field: str = ""
) -> DirectoryError:
    """Refuse an argument, naming the field of it that is at fault, if it is one."""
    details = {"argument": argument}
    if field:
        details["field"] = field.encode(errors="backslashreplace").decode()[:_SHOWN]
    return DirectoryError(ErrorCode.INVALID_CRITERIA, problem, details)


class _Parser:
    """Reads one criteria, counting its conditions."""

    def __init__(self, fields: Fields) -> None:
        self._fields: Final = fields
        self._conditions = 0

    def criteria(self, value: object, level: int) -> Predicate:
        if not isinstance(value, dict):
            raise _invalid("criteria are no dict")
        if level > _MAX_LEVELS:
            raise _invalid(f"criteria have more than {_MAX_LEVELS} levels")
        parts: list[Predicate] = []
        if not value:
            # What says nothing is looked at for each record like any other.
            self._count()
        for key, operand in value.items():
            match key:
                case "$and" | "$or":
                    parts.append(self._combined(key, operand, level))
                case "$not":
                    parts.append(_negated(self.criteria(operand, level + 1)))
                case str():
                    parts.append(self._field(key, operand))
                case _:
                    raise _invalid("a field is no text")
        return _all(parts)

    def _combined(self, key: str, operand: object, level: int) -> Predicate:
        if not isinstance(operand, list) or not operand:
            raise _invalid(f"{key} has no list of criteria")
        parts = [self.criteria(one, level + 1) for one in operand]
        return _all(parts) if key == "$and" else _any(parts)

    def _field(self, field: str, operand: object) -> Predicate:
        steps = _steps(field, self._fields, "criteria")
        if not isinstance(operand, dict) or not any(map(_is_operator, operand)):
            operand = {"$eq": operand}
        parts: list[Predicate] = []
        for name, value in operand.items():
            self._count()
            parts.append(_condition(steps, _test(name, value, field)))
        return _all(parts)

    def _count(self) -> None:
        self._conditions += 1
        if self._conditions > _MAX_CONDITIONS:
            raise _invalid(f"criteria have more than {_MAX_CONDITIONS} conditions")


def _is_operator(key: object) -> bool:
    return isinstance(key, str) and key.startswith("$")


def _steps(field: str, fields: Fields, argument: str) -> tuple[str, ...]:
    """Take a dotted field apart.

    Raises:
        DirectoryError: INVALID_CRITERIA; there is no such field.
    """
    first, *rest = field.split(".")
    if first in fields.maps or (first in fields.plain and not rest):
        return first, *rest
    raise _invalid("an unknown field", argument, field)


def _find(record: Record, steps: Iterable[str]) -> Any:
    value: Any = record
    for step in steps:
        if not isinstance(value, Mapping) or step not in value:
            return _MISSING
        value = value[step]
    return value


def _all(parts: list[Predicate]) -> Predicate:
    return lambda record: all(part(record) for part in parts)


def _any(parts: list[Predicate]) -> Predicate:
    return lambda record: any(part(record) for part in parts)


def _negated(part: Predicate) -> Predicate:
    return lambda record: not part(record)


def _condition(steps: tuple[str, ...], test: Callable[[Any], bool]) -> Predicate:
    return lambda record: test(_find(record, steps))


def _test(name: object, operand: Any, field: str) -> Callable[[Any], bool]:
    """Give the test of one operator; a missing value comes as `_MISSING`."""
    match name, operand:
        case "$eq", _:
            return lambda value: _equal(value, operand)
        case "$ne", _:
            return lambda value: not _equal(value, operand)
        case (("$gt" | "$gte" | "$lt" | "$lte"), _) if _kind(operand) in _ORDERED:
            return _order(str(name), operand)
        case "$in", list():
            wanted = frozenset(map(_key, operand))
            return lambda value: _key(value) in wanted
        case "$nin", list():
            unwanted = frozenset(map(_key, operand))
            return lambda value: _key(value) not in unwanted
        case "$exists", bool():
            return lambda value: (value is not _MISSING) is operand
        case "$like", str():
            return lambda value: isinstance(value, str) and glob_matches(operand, value)
        case _:
            problem = "an unknown operator, or an operand that does not fit"
            raise _invalid(problem, field=field)


def _order(name: str, operand: Any) -> Callable[[Any], bool]:
    kind = _kind(operand)

    def holds(value: Any) -> bool:
        if _kind(value) != kind:
            return False
        match name:
            case "$gt":
                return bool(value > operand)
            case "$gte":
                return bool(value >= operand)
            case "$lt":
                return bool(value < operand)
            case _:
                return bool(value <= operand)

    return holds


_KINDS: Final = ("missing", "none", "bool", "number", "text", "other")
_ORDERED: Final = frozenset({"number", "text"})


def _kind(value: Any) -> str:
    """Tell what a value can be compared with; a bool is not a number."""
    if value is _MISSING:
        return "missing"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _equal(one: Any, other: Any) -> bool:
    """Compare as data: True is not 1, and a missing value equals nothing."""
    kind = _kind(one)
    if kind != _kind(other) or kind == "missing":
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _equal(one[key], other[key]) for key in one
        )
    return bool(one == other)


def _key(value: Any) -> object:
    """Give what is the same for values that are equal as data, to be looked up.

    A list of values may be long, and each record is compared with it.
    """
    if isinstance(value, list):
        return "list", tuple(map(_key, value))
    if isinstance(value, dict):
        return "dict", frozenset((name, _key(one)) for name, one in value.items())
    return _kind(value), value


def _sort_key(steps: tuple[str, ...]) -> SortKey:
    def key(record: Record) -> tuple[int, Any]:
        value = _find(record, steps)
        kind = _kind(value)
        if kind == "number" and math.isnan(value):
            kind = "other"
        comparable = value if kind in _ORDERED or kind == "bool" else 0
        return _KINDS.index(kind), comparable

    return key
