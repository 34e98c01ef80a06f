"""The model out of all stored rows, which must not contradict each other."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from vestibule.protocol.actions import Section
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.model import (
    ADMIN_USER,
    GUEST_GROUP,
    NO_RULES,
    AnonymousAction,
    AnonymousPolicy,
    Entry,
    Group,
    Model,
    PropertyRule,
    User,
)
from vestibule.server.directory.names import folded
from vestibule.server.directory.rows import (
    ANONYMOUS_ACTION,
    VERSIONS,
    RoleKind,
    Row,
    Table,
)
from vestibule.server.directory.verifier import Verifier


__all__ = ["model_of"]


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
    locks: dict[str, str] = dict(rows[Table.LOCKS])
    lockers = Counter(locks.values())
    groups = _groups_of(rows, rules, locks)
    users = _users_of(rows, rules, groups, locks)
    for what, left in (("rules", rules), ("a lock", locks)):
        if left:
            raise ValueError(f"it has {what} of {min(left)}, who is not there")
    roles: dict[str, set[str]] = {kind: set() for kind in RoleKind}
    for kind, group in rows[Table.SESSION_ROLES]:
        roles[kind].add(_known(group, groups))
    meta: dict[str, bytes] = dict(rows[Table.META])
    action = meta.get(ANONYMOUS_ACTION, AnonymousAction.DENY.encode())
    return Model(
        epoch=epoch,
        users=users,
        groups=groups,
        isolated_paths=frozenset(path for (path,) in rows[Table.ISOLATED_PATHS]),
        named_roles=frozenset(roles[RoleKind.NAMED]),
        anonymous_roles=frozenset(roles[RoleKind.ANONYMOUS]),
        anonymous=AnonymousPolicy(
            AnonymousAction(action.decode()), frozenset(roles[RoleKind.CONNECTIONS])
        ),
        trusted={
            key: _rule(kind, value)
            for key, kind, value in rows[Table.TRUSTED_PROPERTIES]
        },
        spellings=_spellings(users) if case_insensitive else None,
        locks=dict(lockers),
        **{
            attribute: int.from_bytes(meta[key], "big")
            for key, attribute in VERSIONS.items()
            # A directory of an earlier version begins to count.
            if key in meta
        },
    )


def _rule(kind: str, value: str) -> PropertyRule:
    if kind == "matches":
        return PropertyRule(pattern=value)
    return PropertyRule(values=frozenset(json.loads(value)))


@lru_cache(maxsize=4096)
def _entry(allowed: str, prohibited: str, deep: bool, about: str | None) -> Entry:  # noqa: FBT001 - a column
    """Make an entry; equal ones are one, as most are."""
    return Entry(frozenset(allowed.split()), frozenset(prohibited.split()), deep, about)


def _groups_of(
    rows: Mapping[Table, Sequence[Row]],
    rules: defaultdict[str, dict[Section, dict[str, Entry]]],
    locks: dict[str, str],
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
    implicit = {_known(name, names) for (name,) in rows[Table.IMPLICIT_GROUPS]}
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
            locked_by=locks.pop(f"group:{name}", None),
            explicit=name not in implicit,
            created=created,
            modified=modified,
        )
    return groups


def _users_of(
    rows: Mapping[Table, Sequence[Row]],
    rules: defaultdict[str, dict[Section, dict[str, Entry]]],
    groups: Mapping[str, Group],
    locks: dict[str, str],
) -> dict[str, User]:
    memberships: dict[str, bytes] = dict(rows[Table.MEMBERSHIPS])
    # Equal sets are one: users by the thousand have the same groups.
    sets: dict[bytes | None, frozenset[str]] = {None: frozenset({GUEST_GROUP})}
    users: dict[str, User] = {}
    for row in rows[Table.USERS]:
        name, user_id, custom, application, key, disabled, expires, password = row[:8]
        stored = memberships.pop(name, None)
        members = sets.get(stored)
        if members is None:
            members = sets[stored] = _members(stored, groups)
        if name == ADMIN_USER:
            members -= {GUEST_GROUP}
        users[name] = User(
            username=name,
            user_id=user_id,
            custom_data=custom,
            application_data=application,
            public_key=key,
            disabled=bool(disabled),
            expires=expires,
            password=None if password is None else Verifier.parse(password),
            groups=members,
            rules=rules.pop(f"user:{name}", NO_RULES),
            locked_by=locks.pop(f"user:{name}", None) if locks else None,
            created=row[8],
            modified=row[9],
        )
    if memberships:
        raise ValueError(f"it has memberships of {min(memberships)}, who is not there")
    return users


def _members(stored: bytes | None, groups: Mapping[str, Group]) -> frozenset[str]:
    """Give the groups of a user of the directory, by the names that groups hold."""
    try:
        names = msgspec.msgpack.decode(stored or b"", type=list[str])
    except msgspec.DecodeError:
        raise ValueError("it has memberships that are none") from None
    known = (groups[_known(name, groups)].name for name in names)
    return frozenset((GUEST_GROUP, *known))


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
