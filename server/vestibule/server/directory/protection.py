"""What no change may do, by whatever call: judged on the whole change.

The system's users and groups stay what they are, and nobody can take administration
away from the administrator (docs/permissions.md, "Who").
"""

from collections.abc import Iterable
from typing import Final

from vestibule.protocol.actions import Need, Section
from vestibule.protocol.names import Name, parse_name
from vestibule.server.directory.draft import Change
from vestibule.server.directory.errors import protected
from vestibule.server.directory.model import (
    ADMIN_GROUP,
    ADMIN_USER,
    ADMINISTRATOR,
    DELEGATE_GROUP,
    GUEST_GROUP,
    Entry,
    Group,
    Model,
    User,
)
from vestibule.server.directory.policy import Policy
from vestibule.server.verdict import Allowed


__all__ = ["GUEST_METHODS", "check"]

GUEST_METHODS: Final = (
    "change_own_password",
    "get_own_user",
    "revoke_own_token",
    "update_own_user",
)
"""What every user of the directory may call, by a rule of `_GUEST`."""

_CALL: Final = Need(section=Section.METHODS, verb="call")


def check(change: Change, before: Policy, after: Policy) -> None:
    """Refuse a change of what is the system's.

    Raises:
        DirectoryError: PROTECTED, naming the principal.
    """
    old, new = change.before, change.after
    if ADMIN_USER in change.users and not _same_admin(old, new):
        raise protected(ADMIN_USER)
    if ADMINISTRATOR in change.groups and ADMINISTRATOR not in new.groups:
        raise protected(ADMINISTRATOR)
    for name in (ADMIN_GROUP, DELEGATE_GROUP):
        if name in change.groups:
            raise protected(name)
    if GUEST_GROUP in change.groups and not _keeps_guests(new.groups.get(GUEST_GROUP)):
        raise protected(GUEST_GROUP)
    if any(not _is_guest(user) for user in _of(new, change.users)):
        raise protected(GUEST_GROUP)
    _check_prohibitions(before, after)


def _of(model: Model, names: Iterable[str]) -> Iterable[User]:
    return (model.users[name] for name in names if name in model.users)


def _same_admin(old: Model, new: Model) -> bool:
    """Whether the administrator is there and differs in what may change alone."""
    before, after = old.users.get(ADMIN_USER), new.users.get(ADMIN_USER)
    if before is None or after is None:
        return False
    return (
        after.disabled == before.disabled
        and after.expires == before.expires
        and after.groups == before.groups
        and after.rules == before.rules
    )


def _is_guest(user: User) -> bool:
    """Whether a user is in `_GUEST`, as all are but the administrator."""
    return (GUEST_GROUP in user.groups) is (user.username != ADMIN_USER)


def _keeps_guests(group: Group | None) -> bool:
    """Whether `_GUEST` allows its four methods itself."""
    if group is None:
        return False
    entries = group.rules.get(Section.METHODS, {})
    return all(
        "call" in entries.get(f"security/{method}", Entry()).allowed
        for method in GUEST_METHODS
    )


def _check_prohibitions(before: Policy, after: Policy) -> None:
    """Refuse what keeps guests from their methods, or the administrator from any."""
    guest = after.subject("", [GUEST_GROUP])
    if not guest.same_rights(before.subject("", [GUEST_GROUP])):
        for method in GUEST_METHODS:
            if guest.forbids(_CALL, _path(after, method)) is not None:
                raise protected(GUEST_GROUP)
    admin = after.subject(ADMIN_USER, None)
    if not admin.same_rights(before.subject(ADMIN_USER, None)):
        for method in after.components.get("security", ()):
            if not isinstance(admin.decide(_CALL, _path(after, method)), Allowed):
                raise protected(ADMIN_USER)


def _path(policy: Policy, method: str) -> Name:
    return parse_name(f"{policy.broker_name}/security/{method}")
