"""What a profile's `permissions` leave of what a user may do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vestibule.server.directory.model import Group, Model, User
from vestibule.server.directory.paths import has_template
from vestibule.server.directory.permissions import overwritten, parse_permissions
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.directory.roles import BOUND, Roles


__all__ = ["Narrowing"]

_GROUP: Final = "profile"

_REMEMBERED: Final = 10_000
"""Users for whom templates are kept filled; each costs a few kilobytes."""


class Narrowing:
    """A permission object, compiled like the rules of a group.

    It is asked after the policy has allowed, and can only refuse.
    """

    def __init__(self, permissions: Mapping[str, Any], *, broker_name: str) -> None:
        """Read the object.

        Raises:
            DirectoryError: INVALID_PERMISSION, with every fault.
        """
        rules = overwritten(parse_permissions(dict(permissions), broker_name))
        self._group: Final = Group(name=_GROUP, rules=rules)
        self._policy: Final = Policy(
            Model(groups={_GROUP: self._group}),
            broker_name=broker_name,
            # What they isolate is for path assignments, and here are rules alone.
            components={},
        )
        self._filled: dict[str, tuple[User, Subject]] = {}
        self._everybody: Final = (
            None
            if any(has_template(path) for paths in rules.values() for path in paths)
            else self._policy.subject("", Roles.fixed((_GROUP,)))
        )

    def subject(self, username: str, user: User | None) -> Subject:
        """Give what decides for somebody; `user` fills the templates."""
        if self._everybody is not None:
            return self._everybody
        if user is None:
            return self._policy.subject(username, Roles.fixed((_GROUP,)))
        known = self._filled.get(username)
        # A change of the directory asks again for every session; few users differ.
        if known is not None and known[0] is user:
            return known[1]
        if len(self._filled) >= _REMEMBERED:
            self._filled.clear()
        subject = self._fill(user)
        self._filled[username] = (user, subject)
        return subject

    def _fill(self, user: User) -> Subject:
        bare = replace(user, rules={}, groups=frozenset({_GROUP}))
        model = Model(users={user.username: bare}, groups={_GROUP: self._group})
        return self._policy.what_if(model).subject(user.username, BOUND)
