"""What each changing call does to a draft, and why it is refused.

Pure: a draft and the call's own arguments in, the call's answer out. What no call may
do is judged afterwards, on the whole (`protection`).
"""

from dataclasses import replace
from typing import Any

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.arguments import (
    UNSET,
    UserArgument,
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
    ANONYMOUS_USER,
    AnonymousAction,
)
from vestibule.server.directory.names import SYSTEM_PREFIX
from vestibule.server.directory.permissions import (
    merged,
    parse_permissions,
    parse_removals,
    removed,
    shown_permissions,
)
from vestibule.server.directory.shapes import group_shape, user_shape
from vestibule.server.directory.writing import (
    change_user,
    make_user,
    members_of,
    write_group,
)


__all__ = [
    "add_group",
    "add_group_permissions",
    "add_user",
    "add_user_permissions",
    "delete_group",
    "delete_user",
    "link_anonymous_group",
    "link_group",
    "remove_group_permissions",
    "remove_user_permissions",
    "unlink_anonymous_group",
    "unlink_group",
    "update_group",
    "update_user",
    "upsert_group",
    "upsert_user",
]


def add_user(draft: Draft, user: object) -> dict[str, Any]:
    """Make a user: an unused name, and a password or a public key to log in with.

    Answers the user. It is in the groups that `groups` says, and in `_GUEST`.

    Raises:
        DirectoryError: ALREADY_EXISTS; GROUP_NOT_FOUND for a group that it names;
            PROTECTED for a name of the system's.
    """
    argument = _user_argument(draft, user)
    if argument.username.startswith(SYSTEM_PREFIX):
        raise protected(argument.username)
    if draft.find_user(argument.username) is not None:
        raise already_exists("user", argument.username)
    return user_shape(make_user(draft, argument), draft.broker_name)


def update_user(draft: Draft, user: object) -> dict[str, Any]:
    """Change a user that is there; what is left out stays. Answers the user.

    Another password ends its other sessions and its tokens, `disabled` all of them.

    Raises:
        DirectoryError: USER_NOT_FOUND; GROUP_NOT_FOUND for a group that it names;
            PROTECTED for what belongs to the system; LOCKED.
    """
    argument = _user_argument(draft, user)
    found = draft.user(argument.username)
    return user_shape(change_user(draft, found, argument), draft.broker_name)


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
    Answers the user.

    Raises:
        DirectoryError: as `add_user` and `update_user`.
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
        changed = make_user(draft, argument)
    else:
        changed = change_user(
            draft,
            found,
            argument,
            exactly_groups=exactly_groups,
            exactly_rules=exactly_rules,
        )
    return user_shape(changed, draft.broker_name)


def delete_user(draft: Draft, username: object) -> dict[str, Any]:
    """Remove a user with its permissions, memberships and tokens; its sessions end.

    Answers its `username` and `user_id`.

    Raises:
        DirectoryError: USER_NOT_FOUND, PROTECTED or LOCKED.
    """
    user = draft.user(_username(username))
    draft.drop_user(user)
    return {"username": user.username, "user_id": user.user_id}


def add_user_permissions(
    draft: Draft, username: object, permissions: object
) -> dict[str, Any]:
    """Merge grants into a user's own. Answers what it has then.

    Verbs unite with those that are there; the last write of a verb decides whether it
    is allowed or prohibited.

    Raises:
        DirectoryError: INVALID_PERMISSION with every fault; USER_NOT_FOUND.
    """
    submitted = parse_permissions(permissions, draft.broker_name)
    user = draft.user(_username(username))
    user = draft.put_user(replace(user, rules=merged(user.rules, submitted)))
    return shown_permissions(user.rules, draft.broker_name)


def remove_user_permissions(
    draft: Draft, username: object, permissions: object
) -> dict[str, Any]:
    """Drop grants of a user's own. Answers what it has then.

    An entry names allows, or with `"authorized": False` prohibitions; without
    `actions` it names every verb. What is not there is passed over.

    Raises:
        DirectoryError: as `add_user_permissions`.
    """
    removals = parse_removals(permissions, draft.broker_name)
    user = draft.user(_username(username))
    user = draft.put_user(replace(user, rules=removed(user.rules, removals)))
    return shown_permissions(user.rules, draft.broker_name)


def add_group(draft: Draft, group: object) -> dict[str, Any]:
    """Make a group with an unused name. Answers the group.

    Raises:
        DirectoryError: ALREADY_EXISTS; GROUP_NOT_FOUND for one that it includes;
            CYCLE; PROTECTED for a name of the system's.
    """
    argument = parse_group(group, draft.broker_name)
    if argument.name.startswith(SYSTEM_PREFIX):
        raise protected(argument.name)
    if draft.find_group(argument.name) is not None:
        raise already_exists("group", argument.name)
    return group_shape(write_group(draft, None, argument), draft.broker_name)


def update_group(draft: Draft, group: object) -> dict[str, Any]:
    """Change a group that is there; what is left out stays. Answers the group.

    `includes` is replaced as a whole, `permissions` are merged.

    Raises:
        DirectoryError: GROUP_NOT_FOUND, also for one that it includes; CYCLE; PROTECTED
            for what belongs to the system; LOCKED.
    """
    argument = parse_group(group, draft.broker_name)
    found = draft.group(argument.name)
    return group_shape(write_group(draft, found, argument), draft.broker_name)


def upsert_group(
    draft: Draft, group: object, *, overwrite_permissions: object = False
) -> dict[str, Any]:
    """Make or change a group; it stays then, though nothing may mention it.

    With `overwrite_permissions` its rules are exactly the submitted ones. Answers the
    group.

    Raises:
        DirectoryError: as `add_group` and `update_group`.
    """
    argument = parse_group(group, draft.broker_name)
    exactly = parse_flag(overwrite_permissions, "overwrite_permissions")
    if exactly and argument.permissions is UNSET:
        raise invalid_argument("permissions", "is missing")
    found = draft.find_group(argument.name)
    if found is None and argument.name.startswith(SYSTEM_PREFIX):
        raise protected(argument.name)
    if found is not None:
        found = replace(found, explicit=True)
    changed = write_group(draft, found, argument, exactly_rules=exactly)
    return group_shape(changed, draft.broker_name)


def delete_group(draft: Draft, name: object) -> dict[str, Any]:
    """Remove a group, with memberships in it and mentions of it; users stay.

    Answers its `name` and how many `members` it had.

    Raises:
        DirectoryError: GROUP_NOT_FOUND, PROTECTED or LOCKED.
    """
    group = draft.group(parse_text(name, "name"))
    members = len(draft.users_in(group.name))
    draft.drop_group(group)
    return {"name": group.name, "members": members}


def add_group_permissions(
    draft: Draft, name: object, permissions: object
) -> dict[str, Any]:
    """Merge grants into a group's own, as `add_user_permissions` does into a user's.

    Raises:
        DirectoryError: INVALID_PERMISSION with every fault; GROUP_NOT_FOUND.
    """
    submitted = parse_permissions(permissions, draft.broker_name)
    group = draft.group(parse_text(name, "name"))
    group = draft.put_group(replace(group, rules=merged(group.rules, submitted)))
    return shown_permissions(group.rules, draft.broker_name)


def remove_group_permissions(
    draft: Draft, name: object, permissions: object
) -> dict[str, Any]:
    """Drop grants of a group's own, as `remove_user_permissions` does a user's.

    Raises:
        DirectoryError: as `add_group_permissions`.
    """
    removals = parse_removals(permissions, draft.broker_name)
    group = draft.group(parse_text(name, "name"))
    group = draft.put_group(replace(group, rules=removed(group.rules, removals)))
    return shown_permissions(group.rules, draft.broker_name)


def link_group(draft: Draft, group_name: object, username: object) -> dict[str, Any]:
    """Make a user a member of a group. Answers whether that changed anything.

    Raises:
        DirectoryError: GROUP_NOT_FOUND, USER_NOT_FOUND or PROTECTED.
    """
    return _membership(draft, group_name, username, member=True)


def unlink_group(draft: Draft, group_name: object, username: object) -> dict[str, Any]:
    """End a user's membership of a group. Answers whether that changed anything.

    Raises:
        DirectoryError: as `link_group`.
    """
    return _membership(draft, group_name, username, member=False)


def link_anonymous_group(draft: Draft, group_name: object) -> dict[str, Any]:
    """Give a group to the sessions that the anonymous policy allows."""
    return _anonymous_membership(draft, group_name, member=True)


def unlink_anonymous_group(draft: Draft, group_name: object) -> dict[str, Any]:
    """Take a group from the sessions that the anonymous policy allows."""
    return _anonymous_membership(draft, group_name, member=False)


def _anonymous_membership(
    draft: Draft, group_name: object, *, member: bool
) -> dict[str, Any]:
    name = parse_text(group_name, "group_name")
    if draft.anonymous.action is not AnonymousAction.ALLOW:
        raise DirectoryError(ErrorCode.ANONYMOUS_DISABLED)
    group, roles = draft.group(name), draft.anonymous.roles
    changed = (name in roles) is not member
    roles = roles | {name} if member else roles - {name}
    draft.anonymous = replace(draft.anonymous, roles=roles)
    return {"group": group.name, "username": ANONYMOUS_USER, "changed": changed}


def _membership(
    draft: Draft, group_name: object, username: object, *, member: bool
) -> dict[str, Any]:
    name = parse_text(group_name, "group_name")
    who = _username(username)
    group, user = draft.group(name), draft.user(who)
    changed = (group.name in user.groups) is not member
    if changed:
        groups = {**dict.fromkeys(user.groups, True), group.name: member}
        draft.put_user(replace(user, groups=members_of(groups)))
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
