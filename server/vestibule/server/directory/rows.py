"""Between the values of the model and the rows that are stored: no SQL here.

A row is a tuple in the order of its table's columns, without the checksum.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from vestibule.protocol.actions import Section
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.draft import Change
from vestibule.server.directory.model import (
    ADMIN_USER,
    GUEST_GROUP,
    NO_RULES,
    Entry,
    Group,
    Model,
    User,
)
from vestibule.server.directory.names import folded
from vestibule.server.directory.verifier import Verifier


__all__ = [
    "Drop",
    "Operation",
    "Put",
    "Row",
    "Table",
    "model_of",
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
    MEMBERSHIPS = "memberships", 2, ("username", "group_name")
    INCLUDES = "includes", 2, ("group_name", "included")
    RULES = (
        "rules",
        3,
        ("holder", "section", "path", "allowed", "prohibited", "deep", "description"),
    )
    ASSIGNMENTS = "assignments", 2, ("group_name", "path", "permissions")
    ISOLATED_PATHS = "isolated_paths", 1, ("path",)
    SESSION_ROLES = "session_roles", 2, ("kind", "group_name")

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

_NAMED: Final = "named"
_ANONYMOUS: Final = "anonymous"


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
        result += _rules_difference(old, new)
    for name in sorted(change.groups):
        was, now = before.groups.get(name), after.groups.get(name)
        result += _difference(
            Table.GROUPS, _one(was, _group_row), _one(now, _group_row)
        )
        result += _difference(Table.INCLUDES, _includes(was), _includes(now))
        result += _difference(Table.ASSIGNMENTS, _assignments(was), _assignments(now))
        result += _rules_difference(was, now)
    result += _difference(
        Table.ISOLATED_PATHS,
        ((path,) for path in before.isolated_paths),
        ((path,) for path in after.isolated_paths),
    )
    result += _difference(
        Table.SESSION_ROLES, _session_roles(before), _session_roles(after)
    )
    return result


T = TypeVar("T")


def _one(value: T | None, row: Any) -> list[Row]:
    return [] if value is None else [row(value)]


def _memberships(user: User | None) -> Iterator[Row]:
    if user is not None:
        # `_GUEST` comes with the user and is not stored.
        for group in user.groups - {GUEST_GROUP}:
            yield user.username, group


def _includes(group: Group | None) -> Iterator[Row]:
    if group is not None:
        for included in group.includes:
            yield group.name, included


def _assignments(group: Group | None) -> Iterator[Row]:
    if group is not None:
        for path, permissions in group.path_permissions.items():
            yield group.name, path, _words(permissions)


def _session_roles(model: Model) -> Iterator[Row]:
    for kind, roles in (
        (_NAMED, model.named_roles),
        (_ANONYMOUS, model.anonymous_roles),
    ):
        for role in roles:
            yield kind, role


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


def model_of(
    rows: Mapping[Table, Sequence[Row]], *, epoch: int, case_insensitive: bool
) -> Model:
    """Build the model from all rows.

    Raises:
        ValueError: rows that contradict each other, or two usernames that are one;
            the text says which.
    """
    rules: defaultdict[str, dict[Section, dict[str, Entry]]] = defaultdict(dict)
    for holder, section, path, allowed, prohibited, deep, about in rows[Table.RULES]:
        entry = _entry(allowed, prohibited, bool(deep), about)
        rules[holder].setdefault(Section(section), {})[path] = entry
    groups = _groups_of(rows, rules)
    users = _users_of(rows, rules, groups)
    if rules:
        raise ValueError(f"it has rules of {min(rules)}, who is not there")
    roles = {_NAMED: set[str](), _ANONYMOUS: set[str]()}
    for kind, group in rows[Table.SESSION_ROLES]:
        roles[kind].add(_known(group, groups))
    return Model(
        epoch=epoch,
        users=users,
        groups=groups,
        isolated_paths=frozenset(path for (path,) in rows[Table.ISOLATED_PATHS]),
        named_roles=frozenset(roles[_NAMED]),
        anonymous_roles=frozenset(roles[_ANONYMOUS]),
        spellings=_spellings(users) if case_insensitive else None,
    )


@lru_cache(maxsize=4096)
def _entry(allowed: str, prohibited: str, deep: bool, about: str | None) -> Entry:  # noqa: FBT001 - a column
    """Make an entry; equal ones are one, as most are."""
    return Entry(frozenset(allowed.split()), frozenset(prohibited.split()), deep, about)


def _groups_of(
    rows: Mapping[Table, Sequence[Row]],
    rules: defaultdict[str, dict[Section, dict[str, Entry]]],
) -> dict[str, Group]:
    includes: defaultdict[str, set[str]] = defaultdict(set)
    assignments: defaultdict[str, dict[str, frozenset[PathPermission]]] = defaultdict(
        dict
    )
    names = {row[0] for row in rows[Table.GROUPS]}
    for name, included in rows[Table.INCLUDES]:
        includes[_known(name, names)].add(_known(included, names))
    for name, path, permissions in rows[Table.ASSIGNMENTS]:
        given = frozenset(map(PathPermission, permissions.split()))
        assignments[_known(name, names)][path] = given
    groups: dict[str, Group] = {}
    for name, custom_data, globally, default, created, modified in rows[Table.GROUPS]:
        groups[name] = Group(
            name=name,
            custom_data=custom_data,
            includes=frozenset(includes[name]),
            rules=rules.pop(f"group:{name}", NO_RULES),
            global_permissions=frozenset(map(GlobalPermission, globally.split())),
            default_path_permissions=frozenset(map(PathPermission, default.split())),
            path_permissions=assignments.get(name, {}),
            created=created,
            modified=modified,
        )
    return groups


def _users_of(
    rows: Mapping[Table, Sequence[Row]],
    rules: defaultdict[str, dict[Section, dict[str, Entry]]],
    groups: Mapping[str, Group],
) -> dict[str, User]:
    memberships: defaultdict[str, set[str]] = defaultdict(set)
    for username, group in rows[Table.MEMBERSHIPS]:
        memberships[username].add(_known(group, groups))
    sets: dict[frozenset[str], frozenset[str]] = {}
    users: dict[str, User] = {}
    for row in rows[Table.USERS]:
        name, user_id, custom, application, key, disabled, expires, password = row[:8]
        members = memberships.pop(name, set())
        if name != ADMIN_USER:
            members.add(GUEST_GROUP)
        member = frozenset(members)
        users[name] = User(
            username=name,
            user_id=user_id,
            custom_data=custom,
            application_data=application,
            public_key=key,
            disabled=bool(disabled),
            expires=expires,
            password=None if password is None else Verifier.parse(password),
            # Equal sets are one: users by the thousand have the same groups.
            groups=sets.setdefault(member, member),
            rules=rules.pop(f"user:{name}", NO_RULES),
            created=row[8],
            modified=row[9],
        )
    if memberships:
        raise ValueError(f"it has memberships of {min(memberships)}, who is not there")
    return users


def _known(name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise ValueError(f"it mentions the group {name}, which is not there")
    return name


def _spellings(users: Iterable[str]) -> dict[str, str]:
    spellings: dict[str, str] = {}
    for name in users:
        other = spellings.setdefault(folded(name), name)
        if other != name:
            raise ValueError(f"the users {other} and {name} differ in case alone")
    return spellings
