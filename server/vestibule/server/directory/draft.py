"""A model being changed: nothing outside sees it before it is committed.

Whatever one transaction does here costs time by what it changes, not by how much the
directory holds: it copies once what is shared, and looks for members of groups once.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from vestibule.protocol.permissions import PathPermission
from vestibule.server.directory.errors import group_not_found, locked, user_not_found
from vestibule.server.directory.includes import Includes
from vestibule.server.directory.model import Group, Model, PropertyRule, User
from vestibule.server.directory.names import folded
from vestibule.server.directory.transition import Change
from vestibule.server.directory.verifier import Verifier
from vestibule.server.directory.views import View, changed_views


__all__ = ["Draft"]


class Draft:
    """Collects the changes of one transaction.

    `now` is the time that new and changed users and groups carry; `verifier` stands
    for the password that a call sets, if it sets one. `by` is the principal who makes
    the transaction: what others have locked refuses it. None is the system itself,
    whom no lock stops.
    """

    def __init__(
        self,
        model: Model,
        *,
        now: int,
        broker_name: str,
        by: str | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self.now: Final = now
        self.broker_name: Final = broker_name
        self.by: Final = by
        self.verifier: Final = verifier
        self.before: Final = model
        """What the draft began with."""
        self._users = model.users
        self._groups = model.groups
        self._spellings = model.spellings
        self._locks = model.locks
        # Copied at the first write, so that a transaction copies each once.
        self._copied_users: dict[str, User] | None = None
        self._copied_groups: dict[str, Group] | None = None
        self._copied_spellings: dict[str, str] | None = None
        self._copied_locks: dict[str, int] | None = None
        self._copied_paths: dict[str, dict[str, frozenset[PathPermission]]] = {}
        self._isolated: set[str] | None = None
        self._trusted: dict[str, PropertyRule] | None = None
        self._includes: Includes | None = None
        self.named_roles = model.named_roles
        self.anonymous_roles = model.anonymous_roles
        self.anonymous = model.anonymous
        self._touched_users: dict[str, None] = {}
        self._touched_groups: dict[str, None] = {}

    # Users.

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

    def users_in(self, group: str) -> list[User]:
        """Give the direct members of a group."""
        return [user for user in self._users.values() if group in user.groups]

    def put_user(self, user: User) -> User:
        """Write a user; its time of change is now if more than memberships differ.

        Raises:
            DirectoryError: LOCKED, also where nothing differs.
        """
        old = self._users.get(user.username)
        self._check_lock(old)
        if old == user:
            return user
        if old is not None and replace(user, groups=old.groups) != old:
            user = replace(user, modified=self.now)
        self._writable_users()[user.username] = user
        if old is None and self._spellings is not None:
            self._writable_spellings()[folded(user.username)] = user.username
        self._count_lock(old, user)
        self._touched_users[user.username] = None
        return user

    def drop_user(self, user: User) -> None:
        """Take a user out.

        Raises:
            DirectoryError: LOCKED, by another or because it holds locks itself.
        """
        self._check_lock(user)
        if self.holds_locks(user):
            raise locked(user.username)
        del self._writable_users()[user.username]
        if self._spellings is not None:
            del self._writable_spellings()[folded(user.username)]
        self._count_lock(user, None)
        self._touched_users[user.username] = None

    # Groups.

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

    def implicit(self, name: str) -> Group:
        """Give a group that is there because it is named; it is not written yet."""
        return Group(name=name, explicit=False, created=self.now, modified=self.now)

    def groups_including(self, group: str) -> Collection[str]:
        """Give the names of the groups that include one directly."""
        return self._all_includes().including(group)

    def may_include(self, name: str, included: str) -> bool:
        """Whether a group can include another without including itself.

        It is asked about each include before that is written.
        """
        return self._all_includes().may_include(name, included)

    def _all_includes(self) -> Includes:
        if self._includes is None:
            groups = self._groups.values()
            self._includes = Includes({group.name: group.includes for group in groups})
        return self._includes

    def put_group(self, group: Group) -> Group:
        """Write a group; its time of change is now if it differs.

        Raises:
            DirectoryError: LOCKED, also where nothing differs.
        """
        old = self._groups.get(group.name)
        self._check_lock(old)
        if old == group:
            return group
        if old is not None:
            group = replace(group, modified=self.now)
        self._writable_groups()[group.name] = group
        if self._includes is not None:
            self._includes.write(group.name, group.includes)
        self._count_lock(old, group)
        self._touched_groups[group.name] = None
        return group

    def assign(
        self, group: Group, path: str, permissions: frozenset[PathPermission] | None
    ) -> None:
        """Write a group's assignment at a path; None takes it away.

        Raises:
            DirectoryError: LOCKED.
        """
        self._check_lock(self._groups.get(group.name))
        if group.path_permissions.get(path) == permissions:
            return
        paths = self._copied_paths.get(group.name)
        own = paths is not None and paths is group.path_permissions
        if paths is None or not own:
            paths = dict(group.path_permissions)
        if permissions is None:
            del paths[path]
        else:
            paths[path] = permissions
        if not own:
            # Nobody else has this mapping yet, so the next assignments change it in
            # place: a script may write ten thousand to one group.
            self._copied_paths[group.name] = paths
            self.put_group(replace(group, path_permissions=paths))

    def drop_group(self, group: Group) -> None:
        """Take a group out, and every mention of it.

        Raises:
            DirectoryError: LOCKED, also a group that includes it or a member.
        """
        self._check_lock(group)
        name = group.name
        for user in self.users_in(name):
            self.put_user(replace(user, groups=user.groups - {name}))
        for one in sorted(self.groups_including(name)):
            including = self._groups[one]
            self.put_group(replace(including, includes=including.includes - {name}))
        self.named_roles -= {name}
        self.anonymous_roles -= {name}
        self.anonymous = replace(self.anonymous, roles=self.anonymous.roles - {name})
        self._forget_group(group)

    def _forget_group(self, group: Group) -> None:
        del self._writable_groups()[group.name]
        if self._includes is not None:
            self._includes.write(group.name, frozenset())
        self._count_lock(group, None)
        self._touched_groups[group.name] = None

    # Settings.

    def isolate(self, path: str, *, isolated: bool) -> None:
        """Add a path to the isolated ones, or take it away."""
        there = self.before.isolated_paths if self._isolated is None else self._isolated
        if (path in there) is isolated:
            return
        if self._isolated is None:
            self._isolated = set(self.before.isolated_paths)
        if isolated:
            self._isolated.add(path)
        else:
            self._isolated.discard(path)

    def trust(self, key: str, rule: PropertyRule | None) -> None:
        """Write what is trusted of a property; None forgets it."""
        if self._trusted is None:
            self._trusted = dict(self.before.trusted)
        if rule is None:
            self._trusted.pop(key, None)
        else:
            self._trusted[key] = rule

    # Locks.

    def locker(self, holder: User | Group | None) -> str | None:
        """Give the principal whose lock stops this transaction, None for nobody."""
        if holder is None or holder.locked_by is None or self.by is None:
            return None
        return None if holder.locked_by == self.by else holder.locked_by

    def holds_locks(self, user: User) -> bool:
        """Whether a user locks something else than itself."""
        own = user.locked_by == user.username
        return self._locks.get(user.username, 0) > own

    def _check_lock(self, holder: User | Group | None) -> None:
        locker = self.locker(holder)
        if locker is not None:
            raise locked(locker)

    def _count_lock(self, old: User | Group | None, new: User | Group | None) -> None:
        before = None if old is None else old.locked_by
        after = None if new is None else new.locked_by
        if before == after:
            return
        if self._copied_locks is None:
            self._locks = self._copied_locks = dict(self._locks)
        counts = self._copied_locks
        if before is not None:
            counts[before] -= 1
            if not counts[before]:
                del counts[before]
        if after is not None:
            counts[after] = counts.get(after, 0) + 1

    # The end.

    @property
    def size(self) -> int:
        """How many users and groups were written, at most."""
        return len(self._touched_users) + len(self._touched_groups)

    def finish(self) -> Change | None:
        """Give what has changed, with the next epoch; None where nothing has.

        Groups that only scripts named and nothing mentions any more are gone then. The
        draft must not be used afterwards.
        """
        before = self.before
        self._drop_unmentioned()
        users, groups = self._changed_users(), self._changed_groups()
        after = replace(
            before,
            users=self._users if users else before.users,
            groups=self._groups if groups else before.groups,
            spellings=self._spellings if users else before.spellings,
            named_roles=self.named_roles,
            anonymous_roles=self.anonymous_roles,
            anonymous=self.anonymous,
            isolated_paths=before.isolated_paths
            if self._isolated is None
            else frozenset(self._isolated),
            trusted=before.trusted if self._trusted is None else self._trusted,
            locks=self._locks,
        )
        if not users and not groups and before == after:
            return None
        views = changed_views(before, after, users=users, groups=groups)
        after = replace(
            after,
            epoch=before.epoch + 1,
            security_version=before.security_version + (View.SECURITY in views),
            authentication_version=before.authentication_version
            + (View.AUTHENTICATION in views),
        )
        return Change(before=before, after=after, users=users, groups=groups)

    def _drop_unmentioned(self) -> None:
        """Take out implicit groups that lost their last mention in this draft."""
        left = {
            name
            for name in self._candidates()
            if (group := self._groups.get(name)) is not None
            and not group.explicit
            and group.is_empty
            and not self.groups_including(name)
        }
        left -= self.named_roles | self.anonymous_roles | self.anonymous.roles
        if not left:
            return
        for user in self._users.values():
            if not left.isdisjoint(user.groups):
                left -= user.groups
                if not left:
                    return
        for name in left:
            self._forget_group(self._groups[name])

    def _candidates(self) -> set[str]:
        """Give the groups that may have lost a mention."""
        before = self.before
        names = set(self._touched_groups)
        for name in self._touched_groups:
            if name in before.groups:
                names |= before.groups[name].includes
        for name in self._touched_users:
            if name in before.users:
                names |= before.users[name].groups
        names |= before.named_roles - self.named_roles
        names |= before.anonymous_roles - self.anonymous_roles
        names |= before.anonymous.roles - self.anonymous.roles
        return names

    def _changed_users(self) -> frozenset[str]:
        """Give those who differ, having undone what was changed back."""
        changed: set[str] = set()
        for name in self._touched_users:
            old, new = self.before.users.get(name), self._users.get(name)
            if old is not None and new is not None:
                same = replace(new, modified=old.modified)
                if replace(same, groups=old.groups) == old:
                    new = old if same.groups == old.groups else same
                    self._writable_users()[name] = new
            if new != old:
                changed.add(name)
        return frozenset(changed)

    def _changed_groups(self) -> frozenset[str]:
        changed: set[str] = set()
        for name in self._touched_groups:
            old, new = self.before.groups.get(name), self._groups.get(name)
            if old is None or new is None:
                if new is not old:
                    changed.add(name)
            elif replace(new, modified=old.modified) == old:
                self._writable_groups()[name] = old
            else:
                changed.add(name)
        return frozenset(changed)

    def _writable_users(self) -> dict[str, User]:
        if self._copied_users is None:
            self._users = self._copied_users = dict(self._users)
        return self._copied_users

    def _writable_groups(self) -> dict[str, Group]:
        if self._copied_groups is None:
            self._groups = self._copied_groups = dict(self._groups)
        return self._copied_groups

    def _writable_spellings(self) -> dict[str, str]:
        if self._copied_spellings is None:
            copied = dict(self._spellings or {})
            self._spellings = self._copied_spellings = copied
        return self._copied_spellings
