"""Between the values of the model and the rows that are stored: no SQL here.

A row is a tuple in the order of its table's columns, without the checksum. The way
back, from rows to a model, is `loaded`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from vestibule.protocol.actions import Section
from vestibule.server.directory.model import (
    GUEST_GROUP,
    NO_RULES,
    Entry,
    Group,
    Model,
    PropertyRule,
    User,
)
from vestibule.server.directory.transition import Change


__all__ = [
    "ANONYMOUS_ACTION",
    "VERSIONS",
    "Drop",
    "Operation",
    "Put",
    "RoleKind",
    "Row",
    "Table",
    "operations",
    "user_row",
]

Row: TypeAlias = tuple[Any, ...]


class Table(Enum):
    """The tables: their columns, of which the first `keys` identify a row."""

    META = "meta", 1, ("key", "value")
    USERS = (
        "users",
        1,
        (
            "username",
            "user_id",
            "custom_data",
            "application_data",
            "public_key",
            "disabled",
            "expires",
            "password",
            "created",
            "modified",
        ),
    )
    GROUPS = (
        "groups",
        1,
        (
            "name",
            "custom_data",
            "global_permissions",
            "default_path_permissions",
            "created",
            "modified",
        ),
    )
    MEMBERSHIPS = "memberships", 1, ("username", "group_names")
    INCLUDES = "includes", 2, ("group_name", "included")
    RULES = (
        "rules",
        3,
        ("holder", "section", "path", "allowed", "prohibited", "deep", "description"),
    )
    ASSIGNMENTS = "assignments", 2, ("group_name", "path", "permissions")
    ISOLATED_PATHS = "isolated_paths", 1, ("path",)
    SESSION_ROLES = "session_roles", 2, ("kind", "group_name")
    LOCKS = "locks", 1, ("holder", "principal")
    IMPLICIT_GROUPS = "implicit_groups", 1, ("name",)
    TRUSTED_PROPERTIES = "trusted_properties", 1, ("key", "kind", "value")
    TOKENS = (
        "tokens",
        1,
        (
            "digest",
            "token_id",
            "user_id",
            "username",
            "login_type",
            "profile",
            "issued_at",
            "broker_key",
            "used",
            "active_at",
            "revoked_at",
            "reason",
        ),
    )

    def __init__(self, title: str, keys: int, columns: tuple[str, ...]) -> None:
        self.title: Final = title
        self.keys: Final = keys
        self.columns: Final = columns


@dataclass(frozen=True, slots=True, repr=False)
class Put:
    """Write a row, over the one with its key if there is one."""

    table: Table
    row: Row


@dataclass(frozen=True, slots=True, repr=False)
class Drop:
    """Delete the row with a key."""

    table: Table
    key: Row


Operation: TypeAlias = Put | Drop


class RoleKind(StrEnum):
    """Whose groups a row of `session_roles` says."""

    NAMED = "named"
    ANONYMOUS = "anonymous"
    CONNECTIONS = "connections"
    """Of sessions that the anonymous policy allows."""


ANONYMOUS_ACTION: Final = "anonymous_action"
"""The key in `meta` of what is answered to logins without credentials."""

VERSIONS: Final = {
    "security_version": "security_version",
    "authentication_version": "authentication_version",
}
"""By key in `meta`, the attribute of the model that is the version of a view."""


def user_row(user: User) -> Row:
    """Give a user's own row."""
    return (
        user.username,
        user.user_id,
        user.custom_data,
        user.application_data,
        user.public_key,
        int(user.disabled),
        user.expires,
        None if user.password is None else user.password.text,
        user.created,
        user.modified,
    )


def _group_row(group: Group) -> Row:
    return (
        group.name,
        group.custom_data,
        _words(group.global_permissions),
        _words(group.default_path_permissions),
        group.created,
        group.modified,
    )


def operations(change: Change) -> list[Operation]:
    """Give what turns the stored rows of before into those of after."""
    before, after = change.before, change.after
    result: list[Operation] = []
    for name in sorted(change.users):
        old, new = before.users.get(name), after.users.get(name)
        result += _difference(Table.USERS, _one(old, user_row), _one(new, user_row))
        result += _difference(Table.MEMBERSHIPS, _memberships(old), _memberships(new))
        result += _locks_difference(old, new)
        result += _rules_difference(old, new)
    for name in sorted(change.groups):
        was, now = before.groups.get(name), after.groups.get(name)
        result += _difference(
            Table.GROUPS, _one(was, _group_row), _one(now, _group_row)
        )
        result += _difference(Table.INCLUDES, _includes(was), _includes(now))
        if (
            was is None
            or now is None
            or was.path_permissions is not now.path_permissions
        ):
            result += _difference(
                Table.ASSIGNMENTS, _assignments(was), _assignments(now)
            )
        result += _locks_difference(was, now)
        result += _difference(Table.IMPLICIT_GROUPS, _implicit(was), _implicit(now))
        result += _rules_difference(was, now)
    # As many as there are, in every change: looked at only where they differ.
    if before.isolated_paths is not after.isolated_paths:
        result += _difference(
            Table.ISOLATED_PATHS,
            ((path,) for path in before.isolated_paths),
            ((path,) for path in after.isolated_paths),
        )
    result += _difference(
        Table.SESSION_ROLES, _session_roles(before), _session_roles(after)
    )
    if before.trusted is not after.trusted:
        result += _difference(
            Table.TRUSTED_PROPERTIES, _trusted(before), _trusted(after)
        )
    result += _difference(Table.META, _meta(before), _meta(after))
    # Each key is in it once, so that the order is free: what is alike is together, for
    # the store to hand it over in one go.
    return sorted(result, key=_kind)


def _kind(operation: Operation) -> tuple[str, bool]:
    return operation.table.title, isinstance(operation, Put)


T = TypeVar("T")


def _one(value: T | None, row: Any) -> list[Row]:
    return [] if value is None else [row(value)]


def _memberships(user: User | None) -> Iterator[Row]:
    if user is not None:
        # `_GUEST` comes with the user and is not stored.
        groups = user.groups - {GUEST_GROUP}
        if groups:
            yield user.username, msgspec.msgpack.encode(sorted(groups))


def _includes(group: Group | None) -> Iterator[Row]:
    if group is not None:
        for included in group.includes:
            yield group.name, included


def _assignments(group: Group | None) -> Iterator[Row]:
    if group is not None:
        for path, permissions in group.path_permissions.items():
            yield group.name, path, _words(permissions)


def _locks_difference(
    before: User | Group | None, after: User | Group | None
) -> Iterator[Operation]:
    old = None if before is None else before.locked_by
    new = None if after is None else after.locked_by
    one = after or before
    if one is None or old == new:
        return
    if new is None:
        yield Drop(Table.LOCKS, (one.holder,))
    else:
        yield Put(Table.LOCKS, (one.holder, new))


def _implicit(group: Group | None) -> Iterator[Row]:
    if group is not None and not group.explicit:
        yield (group.name,)


def _session_roles(model: Model) -> Iterator[Row]:
    for kind, roles in (
        (RoleKind.NAMED, model.named_roles),
        (RoleKind.ANONYMOUS, model.anonymous_roles),
        (RoleKind.CONNECTIONS, model.anonymous.roles),
    ):
        for role in roles:
            yield str(kind), role


def _trusted(model: Model) -> Iterator[Row]:
    for key, rule in model.trusted.items():
        yield key, rule.kind, _value_of(rule)


def _value_of(rule: PropertyRule) -> str:
    """Give a rule's values as a JSON list, or its pattern."""
    return (
        json.dumps(sorted(rule.values or ())) if rule.pattern is None else rule.pattern
    )


def _meta(model: Model) -> Iterator[Row]:
    yield ANONYMOUS_ACTION, model.anonymous.action.encode()
    for key, attribute in VERSIONS.items():
        yield key, getattr(model, attribute).to_bytes(8, "big")


def _difference(
    table: Table, before: Iterable[Row], after: Iterable[Row]
) -> Iterator[Operation]:
    old = {row[: table.keys]: row for row in before}
    new = {row[: table.keys]: row for row in after}
    for key in sorted(old.keys() - new.keys()):
        yield Drop(table, key)
    for key in sorted(new):
        if old.get(key) != new[key]:
            yield Put(table, new[key])


def _rules_difference(
    before: User | Group | None, after: User | Group | None
) -> Iterator[Operation]:
    old = NO_RULES if before is None else before.rules
    new = NO_RULES if after is None else after.rules
    one = after or before
    if one is None or old is new:
        return
    for section in Section:
        entries, changed = old.get(section, {}), new.get(section, {})
        if entries is changed:
            continue
        for path in sorted(entries.keys() - changed.keys()):
            yield Drop(Table.RULES, (one.holder, str(section), path))
        for path, entry in changed.items():
            if entries.get(path) != entry:
                yield Put(Table.RULES, _rule_row(one.holder, section, path, entry))


def _rule_row(holder: str, section: Section, path: str, entry: Entry) -> Row:
    return (
        holder,
        str(section),
        path,
        _words(entry.allowed),
        _words(entry.prohibited),
        int(entry.deep),
        entry.description,
    )


def _words(values: Iterable[str]) -> str:
    return " ".join(sorted(values))
