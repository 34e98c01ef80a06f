"""What no change may do, by whatever call: judged on the whole change.

The system's users and groups stay what they are, and nobody can take administration
away from the administrator (docs/permissions.md, "Who").
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Final

from vestibule.protocol.actions import Need, Section
from vestibule.protocol.names import Name, parse_name
from vestibule.server.directory.compiled import CompiledGroup
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.errors import protected
from vestibule.server.directory.facts import Form
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
from vestibule.server.directory.transition import Change
from vestibule.server.verdict import Allowed


__all__ = ["GUEST_METHODS", "Shutout", "check"]

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


class Shutout:
    """Tells of a draft whose rules are those of a policy what `check` would say.

    Rules stay and includes and roles of named sessions change: then the administrator
    and guests can only lose their methods to groups that they come to have.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy: Final = policy

    def __call__(self, draft: Draft) -> bool:
        """Whether somebody would be kept from a method that is theirs for good."""
        harm, guests_harm = self._prohibiting
        if not harm:
            return False
        admin = draft.user(ADMIN_USER).groups | draft.named_roles
        return (not harm.isdisjoint(_closure(draft, admin))) or (
            not guests_harm.isdisjoint(_closure(draft, {GUEST_GROUP}))
        )

    @cached_property
    def _prohibiting(self) -> tuple[frozenset[str], frozenset[str]]:
        """The groups that prohibit methods of `security`, and those of guests."""
        policy = self._policy
        every = policy.components.get("security", ())
        return self._that_prohibit(every), self._that_prohibit(GUEST_METHODS)

    def _that_prohibit(self, methods: Iterable[str]) -> frozenset[str]:
        forms = [
            form
            for method in methods
            for form in self._policy.forms(_path(self._policy, method))
        ]
        return frozenset(
            group.name
            for group in self._policy.model.groups.values()
            if _prohibits(group, forms)
        )


def _prohibits(group: Group, forms: Iterable[Form]) -> bool:
    entries = group.rules.get(Section.METHODS, {})
    if not any("call" in entry.prohibited for entry in entries.values()):
        return False
    table = CompiledGroup(group).table(Section.METHODS, "call")
    prohibitions = None if table is None else table.prohibitions
    return prohibitions is not None and any(
        prohibitions.find(form, above) is not None for form, above in forms
    )


def _closure(draft: Draft, names: Iterable[str]) -> set[str]:
    """Give groups and all that they include."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        group = draft.find_group(name)
        if group is not None and name not in found:
            found.add(name)
            waiting.extend(group.includes)
    return found
