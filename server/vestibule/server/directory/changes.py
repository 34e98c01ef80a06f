"""What each changing call does to a draft, and why it is refused.

Pure: a draft and the call's own arguments in, the call's answer out. What no call may
do is judged afterwards, on the whole (`protection`).
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.arguments import (
    UNSET,
    GroupArgument,
    Unset,
    UserArgument,
    given,
    parse_flag,
    parse_group,
    parse_text,
    parse_user,
)
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.errors import (
    DirectoryError,
    already_exists,
    invalid_argument,
    protected,
)
from vestibule.server.directory.model import (
    ADMIN_USER,
    ANONYMOUS_USER,
    GUEST_GROUP,
    Group,
    Rules,
    User,
)
from vestibule.server.directory.names import SYSTEM_PREFIX
from vestibule.server.directory.permissions import (
    Submitted,
    merged,
    overwritten,
    parse_permissions,
    parse_removals,
    removed,
    shown_permissions,
)
from vestibule.server.directory.shapes import group_shape, user_shape


__all__ = [
    "add_group",
    "add_group_permissions",
    "add_user",
    "add_user_permissions",
    "delete_group",
    "delete_user",
    "link_group",
    "remove_group_permissions",
    "remove_user_permissions",
    "unlink_group",
    "update_group",
    "update_user",
    "upsert_group",
    "upsert_user",
]


def add_user(draft: Draft, user: object) -> dict[str, Any]:
    """Make a user; the name is unused, and there is something to log in with."""
    argument = _user_argument(draft, user)
    if argument.username.startswith(SYSTEM_PREFIX):
        raise protected(argument.username)
    if draft.find_user(argument.username) is not None:
        raise already_exists("user", argument.username)
    return user_shape(_make_user(draft, argument), draft.broker_name)


def update_user(draft: Draft, user: object) -> dict[str, Any]:
    """Change a user that is there; what is left out stays."""
    argument = _user_argument(draft, user)
    found = draft.user(argument.username)
    return user_shape(_change_user(draft, found, argument), draft.broker_name)


def upsert_user(
    draft: Draft,
    user: object,
    *,
    overwrite_memberships: object = False,
    overwrite_permissions: object = False,
) -> dict[str, Any]:
    """Make or change a user.

    With `overwrite_memberships` it is in exactly the groups that are True, and in
    `_GUEST`; with `overwrite_permissions` its rules are exactly the submitted ones.
    """
    argument = _user_argument(draft, user)
    exactly_groups = parse_flag(overwrite_memberships, "overwrite_memberships")
    exactly_rules = parse_flag(overwrite_permissions, "overwrite_permissions")
    if exactly_groups and argument.groups is UNSET:
        raise invalid_argument("groups", "is missing")
    if exactly_rules and argument.permissions is UNSET:
        raise invalid_argument("permissions", "is missing")
    found = draft.find_user(argument.username)
    if found is None:
        if argument.username.startswith(SYSTEM_PREFIX):
            raise protected(argument.username)
        changed = _make_user(draft, argument)
    else:
        changed = _change_user(
            draft,
            found,
            argument,
            exactly_groups=exactly_groups,
            exactly_rules=exactly_rules,
        )
    return user_shape(changed, draft.broker_name)


def delete_user(draft: Draft, username: object) -> dict[str, Any]:
    """Remove a user with its permissions and memberships."""
    user = draft.user(_username(username))
    draft.drop_user(user)
    return {"username": user.username, "user_id": user.user_id}


def add_user_permissions(
    draft: Draft, username: object, permissions: object
) -> dict[str, Any]:
    """Merge grants into a user's own."""
    submitted = parse_permissions(permissions, draft.broker_name)
    user = draft.user(_username(username))
    user = draft.put_user(replace(user, rules=merged(user.rules, submitted)))
    return shown_permissions(user.rules, draft.broker_name)


def remove_user_permissions(
    draft: Draft, username: object, permissions: object
) -> dict[str, Any]:
    """Drop grants of a user's own."""
    removals = parse_removals(permissions, draft.broker_name)
    user = draft.user(_username(username))
    user = draft.put_user(replace(user, rules=removed(user.rules, removals)))
    return shown_permissions(user.rules, draft.broker_name)


def add_group(draft: Draft, group: object) -> dict[str, Any]:
    """Make a group; the name is unused."""
    argument = parse_group(group, draft.broker_name)
    if argument.name.startswith(SYSTEM_PREFIX):
        raise protected(argument.name)
    if draft.find_group(argument.name) is not None:
        raise already_exists("group", argument.name)
    return group_shape(_write_group(draft, None, argument), draft.broker_name)


def update_group(draft: Draft, group: object) -> dict[str, Any]:
    """Change a group that is there; what is left out stays."""
    argument = parse_group(group, draft.broker_name)
    found = draft.group(argument.name)
    return group_shape(_write_group(draft, found, argument), draft.broker_name)


def upsert_group(
    draft: Draft, group: object, *, overwrite_permissions: object = False
) -> dict[str, Any]:
    """Make or change a group."""
    argument = parse_group(group, draft.broker_name)
    exactly = parse_flag(overwrite_permissions, "overwrite_permissions")
    if exactly and argument.permissions is UNSET:
        raise invalid_argument("permissions", "is missing")
    found = draft.find_group(argument.name)
    if found is None and argument.name.startswith(SYSTEM_PREFIX):
        raise protected(argument.name)
    changed = _write_group(draft, found, argument, exactly_rules=exactly)
    return group_shape(changed, draft.broker_name)


def delete_group(draft: Draft, name: object) -> dict[str, Any]:
    """Remove a group, with memberships in it and mentions of it; users stay."""
    group = draft.group(parse_text(name, "name"))
    members = len(draft.users_in(group.name))
    draft.drop_group(group)
    return {"name": group.name, "members": members}


def add_group_permissions(
    draft: Draft, name: object, permissions: object
) -> dict[str, Any]:
    """Merge grants into a group's own."""
    submitted = parse_permissions(permissions, draft.broker_name)
    group = draft.group(parse_text(name, "name"))
    group = draft.put_group(replace(group, rules=merged(group.rules, submitted)))
    return shown_permissions(group.rules, draft.broker_name)


def remove_group_permissions(
    draft: Draft, name: object, permissions: object
) -> dict[str, Any]:
    """Drop grants of a group's own."""
    removals = parse_removals(permissions, draft.broker_name)
    group = draft.group(parse_text(name, "name"))
    group = draft.put_group(replace(group, rules=removed(group.rules, removals)))
    return shown_permissions(group.rules, draft.broker_name)


def link_group(draft: Draft, group_name: object, username: object) -> dict[str, Any]:
    """Make a user a member of a group."""
    return _membership(draft, group_name, username, member=True)


def unlink_group(draft: Draft, group_name: object, username: object) -> dict[str, Any]:
    """End a user's membership of a group."""
    return _membership(draft, group_name, username, member=False)


def _membership(
    draft: Draft, group_name: object, username: object, *, member: bool
) -> dict[str, Any]:
    name = parse_text(group_name, "group_name")
    who = _username(username)
    group, user = draft.group(name), draft.user(who)
    changed = (group.name in user.groups) is not member
    if changed:
        groups = {**dict.fromkeys(user.groups, True), group.name: member}
        draft.put_user(replace(user, groups=_true(groups)))
    return {"group": group.name, "username": user.username, "changed": changed}


def _username(value: object) -> str:
    """Read the name of a user that is to be changed."""
    name = parse_text(value, "username")
    if name == ANONYMOUS_USER:
        raise protected(name)
    return name


def _user_argument(draft: Draft, value: object) -> UserArgument:
    argument = parse_user(value, draft.broker_name)
    if argument.username == ANONYMOUS_USER:
        raise protected(argument.username)
    return argument


def _make_user(draft: Draft, argument: UserArgument) -> User:
    if not argument.has_password and given(argument.public_key, None) is None:
        raise invalid_argument("password", "or public_key is missing")
    user = User(
        username=argument.username,
        user_id=str(uuid.uuid4()),
        groups=frozenset({GUEST_GROUP}),
        created=draft.now,
        modified=draft.now,
    )
    return _change_user(draft, user, argument)


def _change_user(
    draft: Draft,
    user: User,
    argument: UserArgument,
    *,
    exactly_groups: bool = False,
    exactly_rules: bool = False,
) -> User:
    groups = user.groups
    if argument.groups is not UNSET:
        groups = _memberships(draft, user, argument.groups, exactly=exactly_groups)
    changed = replace(
        user,
        custom_data=given(argument.custom_data, user.custom_data),
        application_data=given(argument.application_data, user.application_data),
        public_key=given(argument.public_key, user.public_key),
        disabled=given(argument.disabled, user.disabled),
        expires=given(argument.expires, user.expires),
        password=draft.verifier if argument.has_password else user.password,
        rules=_rules(user.rules, argument.permissions, exactly=exactly_rules),
        groups=groups,
    )
    return draft.put_user(changed)


def _memberships(
    draft: Draft, user: User, said: Mapping[str, bool], *, exactly: bool
) -> frozenset[str]:
    """Give the groups that a user is in afterwards."""
    for name in said:
        draft.group(name)
    if not exactly:
        return _true({**dict.fromkeys(user.groups, True), **said})
    kept = () if user.username == ADMIN_USER else (GUEST_GROUP,)
    return _true({**dict.fromkeys(kept, True), **said})


def _true(said: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(name for name, member in said.items() if member)


def _write_group(
    draft: Draft,
    found: Group | None,
    argument: GroupArgument,
    *,
    exactly_rules: bool = False,
) -> Group:
    group = found or Group(name=argument.name, created=draft.now, modified=draft.now)
    if argument.includes is not UNSET:
        _check_includes(draft, group.name, argument.includes)
    changed = replace(
        group,
        custom_data=given(argument.custom_data, group.custom_data),
        includes=given(argument.includes, group.includes),
        rules=_rules(group.rules, argument.permissions, exactly=exactly_rules),
    )
    return draft.put_group(changed)


def _check_includes(draft: Draft, name: str, includes: frozenset[str]) -> None:
    """Refuse an include of what is not there, and one that closes a circle."""
    seen: set[str] = set()
    for included in sorted(includes):
        if included != name:
            draft.group(included)
        waiting = [included]
        while waiting:
            one = waiting.pop()
            if one == name:
                raise DirectoryError(ErrorCode.CYCLE, "", {"group": included})
            if one not in seen:
                seen.add(one)
                waiting.extend(draft.group(one).includes)


def _rules(rules: Rules, said: Submitted | Unset, *, exactly: bool) -> Rules:
    if said is UNSET:
        return rules
    return overwritten(said) if exactly else merged(rules, said)
