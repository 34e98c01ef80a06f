"""Writing users and groups into a draft, as the arguments of changing calls say."""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.arguments import (
    UNSET,
    GroupArgument,
    Unset,
    UserArgument,
    given,
)
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.errors import DirectoryError, invalid_argument
from vestibule.server.directory.model import (
    ADMIN_USER,
    GUEST_GROUP,
    Group,
    Rules,
    User,
)
from vestibule.server.directory.permissions import Submitted, merged, overwritten


__all__ = ["change_user", "make_user", "members_of", "write_group"]


def make_user(draft: Draft, argument: UserArgument) -> User:
    """Write a new user, with a password or a public key to log in with.

    Raises:
        DirectoryError: INVALID_ARGUMENT without one; as `change_user`.
    """
    if not argument.has_password and given(argument.public_key, None) is None:
        raise invalid_argument("password", "or public_key is missing")
    user = User(
        username=argument.username,
        user_id=str(uuid.uuid4()),
        groups=frozenset({GUEST_GROUP}),
        created=draft.now,
        modified=draft.now,
    )
    return change_user(draft, user, argument)


def change_user(
    draft: Draft,
    user: User,
    argument: UserArgument,
    *,
    exactly_groups: bool = False,
    exactly_rules: bool = False,
) -> User:
    """Write what an argument says of a user; what it leaves out stays.

    Raises:
        DirectoryError: GROUP_NOT_FOUND, LOCKED.
    """
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
        return members_of({**dict.fromkeys(user.groups, True), **said})
    kept = () if user.username == ADMIN_USER else (GUEST_GROUP,)
    return members_of({**dict.fromkeys(kept, True), **said})


def members_of(said: Mapping[str, bool]) -> frozenset[str]:
    """Give the groups that are said to be True."""
    return frozenset(name for name, member in said.items() if member)


def write_group(
    draft: Draft,
    found: Group | None,
    argument: GroupArgument,
    *,
    exactly_rules: bool = False,
) -> Group:
    """Write what an argument says of a group, new or there; what it leaves out stays.

    Raises:
        DirectoryError: GROUP_NOT_FOUND, CYCLE, LOCKED.
    """
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
    for included in sorted(includes):
        if included != name:
            draft.group(included)
        if not draft.may_include(name, included):
            raise DirectoryError(ErrorCode.CYCLE, "", {"group": included})


def _rules(rules: Rules, said: Submitted | Unset, *, exactly: bool) -> Rules:
    if said is UNSET:
        return rules
    return overwritten(said) if exactly else merged(rules, said)
