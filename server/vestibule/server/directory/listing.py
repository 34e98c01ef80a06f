"""Lists of users and groups: which, in which order, how many of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from vestibule.server.directory.arguments import parse_flag, parse_text
from vestibule.server.directory.criteria import (
    DIRECTORY_FIELDS,
    Fields,
    Record,
    SortKey,
    parse_criteria,
    parse_sort,
)
from vestibule.server.directory.data import unpack
from vestibule.server.directory.errors import invalid_argument
from vestibule.server.directory.globs import glob_matches
from vestibule.server.directory.model import Group, Model, User
from vestibule.server.directory.names import folded
from vestibule.server.directory.shapes import group_shape, user_row
from vestibule.server.directory.times import time_text


__all__ = [
    "Query",
    "list_groups",
    "list_records",
    "list_user_names_by_group",
    "list_users",
    "list_users_by_group",
]

_MOST: Final = 10_000
"""Rows of one answer; also what is answered where no limit is given."""

_MAX_SKIP: Final = 2**53 - 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """Which of those found, in which order, as the caller said it: unchecked."""

    criteria: object = None
    limit: object = None
    skip: object = 0
    sort: object = None
    count: object = False


def list_users(
    model: Model, pattern: object, query: Query
) -> list[dict[str, Any]] | int:
    """Give the rows of users whose names fit a pattern, or their number."""
    fits = _named(pattern, fold=model.spellings is not None)
    users = [model.users[name] for name in sorted(model.users) if fits(name)]
    return _page(_chosen(users, _user_record, query), user_row, query)


def list_users_by_group(
    model: Model, group_name: object, query: Query
) -> list[dict[str, Any]] | int:
    """Give the rows of the direct members of a group; an unknown one has none."""
    members = _members(model, group_name)
    return _page(_chosen(members, _user_record, query), user_row, query)


def list_user_names_by_group(model: Model, group_name: object) -> list[str]:
    """Give the names of the direct members of a group."""
    return [user.username for user in _members(model, group_name)]


def list_groups(
    model: Model,
    pattern: object,
    query: Query,
    *,
    broker_name: str,
    include_permissions: object,
) -> list[dict[str, Any]] | int:
    """Give the groups whose names fit a pattern, or their number."""
    fits = _named(pattern, fold=False)
    shown = parse_flag(include_permissions, "include_permissions")
    groups = [model.groups[name] for name in sorted(model.groups) if fits(name)]

    def shape(group: Group) -> dict[str, Any]:
        return group_shape(group, broker_name, include_permissions=shown)

    return _page(_chosen(groups, _group_record, query), shape, query)


def list_records(
    records: Iterable[dict[str, Any]], query: Query, fields: Fields
) -> list[dict[str, Any]] | int:
    """Give rows of any kind, which come in their own order, or their number."""
    return _page(_chosen(records, _itself, query, fields), _itself, query)


def _itself(record: dict[str, Any]) -> dict[str, Any]:
    return record


def _named(pattern: object, *, fold: bool) -> Callable[[str], bool]:
    text = parse_text(pattern, "pattern")
    if not fold:
        return lambda name: glob_matches(text, name)
    # As usernames are compared: those of the system exactly.
    return lambda name: (
        glob_matches(text, name) or glob_matches(folded(text), folded(name))
    )


def _members(model: Model, group_name: object) -> list[User]:
    name = parse_text(group_name, "group_name")
    return [
        model.users[user]
        for user in sorted(model.users)
        if name in model.users[user].groups
    ]


def _user_record(user: User) -> Record:
    return {
        **user_row(user),
        "name": user.username,
        "created": time_text(user.created),
        "modified": time_text(user.modified),
    }


def _group_record(group: Group) -> Record:
    return {
        "name": group.name,
        "custom_data": unpack(group.custom_data),
        "created": time_text(group.created),
        "modified": time_text(group.modified),
    }


def _chosen(
    items: Iterable[T],
    record: Callable[[T], Record],
    query: Query,
    fields: Fields = DIRECTORY_FIELDS,
) -> list[T]:
    """Give the items that fit, which come by name, in the order that is asked for."""
    criteria, sort = query.criteria, query.sort
    fits = None if criteria is None else parse_criteria(criteria, fields)
    order = [] if sort is None else parse_sort(sort, fields)
    if fits is None and not order:
        return list(items)
    records = [(record(item), item) for item in items]
    if fits is not None:
        records = [pair for pair in records if fits(pair[0])]
    # The last field first: sorting keeps the order of what is equal.
    for key, downwards in reversed(order):
        records.sort(key=partial(_keyed, key), reverse=downwards)
    return [item for _, item in records]


def _keyed(key: SortKey, pair: tuple[Record, object]) -> Any:
    return key(pair[0])


def _page(
    found: list[T], row: Callable[[T], dict[str, Any]], query: Query
) -> list[dict[str, Any]] | int:
    most = _MOST if query.limit is None else _number(query.limit, "limit", 1, _MOST)
    first = _number(query.skip, "skip", 0, _MAX_SKIP)
    if parse_flag(query.count, "count"):
        return len(found)
    return [row(item) for item in found[first : first + most]]


def _number(value: object, argument: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise invalid_argument(argument, f"is no number from {least} to {most}")
    return value
