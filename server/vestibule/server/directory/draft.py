"""A model being changed: nothing outside sees it before it is committed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from vestibule.server.directory.errors import group_not_found, user_not_found
from vestibule.server.directory.model import Group, Model, User
from vestibule.server.directory.names import folded
from vestibule.server.directory.verifier import Verifier


__all__ = ["Change", "Draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one call changed: the model before and after, and whom it touched."""

    before: Model
    after: Model
    users: frozenset[str]
    """Those whose own facts or memberships are different, new or gone."""
    groups: frozenset[str]

    @property
    def deleted_users(self) -> frozenset[str]:
        """Those who are gone."""
        return frozenset(name for name in self.users if name not in self.after.users)

    @property
    def password_changed(self) -> frozenset[str]:
        """Those who had a password and have another."""
        return frozenset(
            name
            for name, old, new in self._kept()
            if old.password is not None and old.password != new.password
        )

    def barred_users(self, now: int) -> frozenset[str]:
        """Those who could log in and cannot any more, being disabled or expired."""
        return frozenset(
            name
            for name, old, new in self._kept()
            if old.may_log_in(now) and not new.may_log_in(now)
        )

    def _kept(self) -> Iterable[tuple[str, User, User]]:
        for name in self.users:
            old, new = self.before.users.get(name), self.after.users.get(name)
            if old is not None and new is not None:
                yield name, old, new


class Draft:
    """Collects the changes of one call.

    `now` is the time that new and changed users and groups carry; `verifier` stands
    for the password that the call sets, if it sets one.
    """

    def __init__(
        self,
        model: Model,
        *,
        now: int,
        broker_name: str,
        verifier: Verifier | None = None,
    ) -> None:
        self.now: Final = now
        self.broker_name: Final = broker_name
        self.verifier: Final = verifier
        self._before: Final = model
        self._users = model.users
        self._groups = model.groups
        self._spellings = model.spellings
        # Copied at the first write, so that a call which changes many copies once.
        self._copied_users: dict[str, User] | None = None
        self._copied_groups: dict[str, Group] | None = None
        self.named_roles = model.named_roles
        self.anonymous_roles = model.anonymous_roles
        self.isolated_paths = model.isolated_paths
        self._touched_users: dict[str, None] = {}
        self._touched_groups: dict[str, None] = {}

    def find_user(self, name: str) -> User | None:
        """Give the user of that name, if there is one."""
        found = self._users.get(name)
        if found is None and self._spellings is not None:
            stored = self._spellings.get(folded(name))
            return None if stored is None else self._users[stored]
        return found

    def user(self, name: str) -> User:
        """Give the user of that name.

        Raises:
            DirectoryError: USER_NOT_FOUND.
        """
        user = self.find_user(name)
        if user is None:
            raise user_not_found(name)
        return user

    def find_group(self, name: str) -> Group | None:
        """Give the group of that name, if there is one."""
        return self._groups.get(name)

    def group(self, name: str) -> Group:
        """Give the group of that name.

        Raises:
            DirectoryError: GROUP_NOT_FOUND.
        """
        group = self._groups.get(name)
        if group is None:
            raise group_not_found(name)
        return group

    def users_in(self, group: str) -> list[User]:
        """Give the direct members of a group."""
        return [user for user in self._users.values() if group in user.groups]

    def groups_including(self, group: str) -> list[Group]:
        """Give the groups that include one directly."""
        return [one for one in self._groups.values() if group in one.includes]

    def put_user(self, user: User) -> User:
        """Write a user; its time of change is now if more than memberships differ."""
        old = self._users.get(user.username)
        if old is not None and replace(user, groups=old.groups) != old:
            user = replace(user, modified=self.now)
        if old == user:
            return user
        self._writable_users()[user.username] = user
        if old is None and self._spellings is not None:
            self._spellings = {**self._spellings, folded(user.username): user.username}
        self._touched_users[user.username] = None
        return user

    def drop_user(self, user: User) -> None:
        """Take a user out."""
        del self._writable_users()[user.username]
        if self._spellings is not None:
            spellings = dict(self._spellings)
            del spellings[folded(user.username)]
            self._spellings = spellings
        self._touched_users[user.username] = None

    def put_group(self, group: Group) -> Group:
        """Write a group; its time of change is now if it differs."""
        old = self._groups.get(group.name)
        if old == group:
            return group
        if old is not None:
            group = replace(group, modified=self.now)
        self._writable_groups()[group.name] = group
        self._touched_groups[group.name] = None
        return group

    def drop_group(self, group: Group) -> None:
        """Take a group out, and every mention of it."""
        name = group.name
        for user in self.users_in(name):
            self.put_user(replace(user, groups=user.groups - {name}))
        for one in self.groups_including(name):
            self.put_group(replace(one, includes=one.includes - {name}))
        self.named_roles -= {name}
        self.anonymous_roles -= {name}
        del self._writable_groups()[name]
        self._touched_groups[name] = None

    def finish(self) -> Change | None:
        """Give what has changed, with the next epoch; None where nothing has."""
        before = self._before
        after = replace(
            before,
            users=self._users,
            groups=self._groups,
            spellings=self._spellings,
            named_roles=self.named_roles,
            anonymous_roles=self.anonymous_roles,
            isolated_paths=self.isolated_paths,
        )
        users = frozenset(
            name
            for name in self._touched_users
            if before.users.get(name) != after.users.get(name)
        )
        groups = frozenset(
            name
            for name in self._touched_groups
            if before.groups.get(name) != after.groups.get(name)
        )
        if not users and not groups and before == after:
            return None
        return Change(
            before=before,
            after=replace(after, epoch=before.epoch + 1),
            users=users,
            groups=groups,
        )

    def _writable_users(self) -> dict[str, User]:
        if self._copied_users is None:
            self._users = self._copied_users = dict(self._users)
        return self._copied_users

    def _writable_groups(self) -> dict[str, Group]:
        if self._copied_groups is None:
            self._groups = self._copied_groups = dict(self._groups)
        return self._copied_groups
