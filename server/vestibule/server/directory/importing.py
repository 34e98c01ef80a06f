"""Making a directory what a document says, in one transaction like any other."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vestibule.server.directory.document import DocumentError, Wanted
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.model import Group, User
from vestibule.server.directory.names import SYSTEM_PREFIX


__all__ = ["apply_document"]

_MOST_PROBLEMS: Final = 100


def apply_document(draft: Draft, wanted: Wanted, *, prune: bool) -> None:
    """Write what a document says into a draft.

    Each user, group and setting that it names becomes exactly that; users keep their
    password and id, new ones have no password. With `prune`, users and groups that it
    does not name are deleted, where it speaks of users or groups at all.

    Raises:
        DocumentError: it names what is not there, closes a circle, or changes what is
            locked or the system's. The draft must not be used then.
    """
    _Import(draft, wanted).run(prune=prune)


class _Import:
    def __init__(self, draft: Draft, wanted: Wanted) -> None:
        self._draft: Final = draft
        self._wanted: Final = wanted
        self._problems: list[str] = []

    def run(self, *, prune: bool) -> None:
        if prune:
            self._prune()
        for group in (self._wanted.groups or {}).values():
            self._group(group)
        for user in (self._wanted.users or {}).values():
            self._user(user)
        self._settings()
        self._check()
        if self._problems:
            raise DocumentError(self._problems)

    def _problem(self, place: str, problem: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(f"{place}: {problem}")

    def _refused(self, place: str, refused: DirectoryError) -> None:
        said = ", ".join(f"{key} {value}" for key, value in refused.details.items())
        self._problem(place, f"{refused.code} {said}".strip())

    def _prune(self) -> None:
        before, wanted = self._draft.before, self._wanted
        if wanted.users is not None:
            # As first written, where case does not count.
            found = map(self._draft.find_user, wanted.users)
            named = {user.username for user in found if user is not None}
            for name in sorted(before.users.keys() - named):
                if not name.startswith(SYSTEM_PREFIX):
                    try:
                        self._draft.drop_user(before.users[name])
                    except DirectoryError as refused:
                        self._refused(f"users.{name}", refused)
        if wanted.groups is not None:
            for name in sorted(before.groups.keys() - wanted.groups.keys()):
                # What is the system's is judged with the whole change.
                group = self._draft.find_group(name)
                if group is not None and not name.startswith(SYSTEM_PREFIX):
                    try:
                        self._draft.drop_group(group)
                    except DirectoryError as refused:
                        self._refused(f"groups.{name}", refused)

    def _group(self, group: Group) -> None:
        found = self._draft.find_group(group.name)
        if found is None:
            if group.name.startswith(SYSTEM_PREFIX):
                self._problem(f"groups.{group.name}", "PROTECTED")
                return
            now = self._draft.now
            changed = replace(group, created=now, modified=now)
        else:
            changed = replace(group, created=found.created, modified=found.modified)
        if changed == found:
            return
        try:
            self._draft.put_group(changed)
        except DirectoryError as refused:
            self._refused(f"groups.{group.name}", refused)

    def _user(self, user: User) -> None:
        found = self._draft.find_user(user.username)
        place = f"users.{user.username}"
        if found is None:
            if user.username.startswith(SYSTEM_PREFIX):
                self._problem(place, "PROTECTED")
                return
            now = self._draft.now
            changed = replace(
                user, user_id=str(uuid.uuid4()), created=now, modified=now
            )
        else:
            changed = replace(
                user,
                # Shown as first written, where case does not count.
                username=found.username,
                user_id=found.user_id,
                password=found.password,
                created=found.created,
                modified=found.modified,
            )
        if changed == found:
            return
        try:
            self._draft.put_user(changed)
        except DirectoryError as refused:
            self._refused(place, refused)

    def _settings(self) -> None:
        draft, wanted = self._draft, self._wanted
        if wanted.session_defaults is not None:
            draft.named_roles, draft.anonymous_roles = wanted.session_defaults
        if wanted.anonymous is not None:
            draft.anonymous = wanted.anonymous
        if wanted.isolated_paths is not None:
            for path in draft.before.isolated_paths - wanted.isolated_paths:
                draft.isolate(path, isolated=False)
            for path in wanted.isolated_paths:
                draft.isolate(path, isolated=True)
        if wanted.trusted_properties is not None:
            for key in draft.before.trusted.keys() - wanted.trusted_properties.keys():
                draft.trust(key, None)
            for key, rule in wanted.trusted_properties.items():
                draft.trust(key, rule)

    # What can be judged on the whole alone.

    def _check(self) -> None:
        draft, wanted = self._draft, self._wanted
        for name, group in (wanted.groups or {}).items():
            self._check_groups(f"groups.{name}.includes", group.includes)
            self._check_locker(
                f"groups.{name}.locked_by", group, draft.before.groups.get(name)
            )
        for name, user in (wanted.users or {}).items():
            self._check_groups(f"users.{name}.groups", user.groups)
            self._check_locker(f"users.{name}.locked_by", user, draft.before.user(name))
        self._check_groups("session_defaults.named", draft.named_roles)
        self._check_groups("session_defaults.anonymous", draft.anonymous_roles)
        self._check_groups("anonymous.roles", draft.anonymous.roles)
        for name in _circle(draft, wanted.groups or {}):
            self._problem(f"groups.{name}.includes", "CYCLE")

    def _check_groups(self, place: str, names: Iterable[str]) -> None:
        for name in sorted(names):
            if self._draft.find_group(name) is None:
                self._problem(place, f"there is no group {name}")

    def _check_locker(
        self, place: str, wanted: Group | User, before: Group | User | None
    ) -> None:
        """Check who is to hold a lock: a user, or who makes the change.

        A lock that is there already stays, whoever holds it. Nobody without a name
        holds one.
        """
        name = wanted.locked_by
        if name in (None, self._draft.by or None, before and before.locked_by):
            return
        # Locks are compared exactly, also where case does not count otherwise.
        user = self._draft.find_user(name)
        if user is None or user.username != name:
            self._problem(place, f"there is no user {name}")


def _circle(draft: Draft, names: Iterable[str]) -> list[str]:
    """Give the groups, among those named and what they include, that form circles.

    What includes nothing that is left is taken away, again and again; without
    recursion, and each include is looked at once.
    """
    includes: dict[str, set[str]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        group = draft.find_group(name)
        if group is not None and name not in includes:
            there = {one for one in group.includes if draft.find_group(one) is not None}
            includes[name] = there
            waiting.extend(there)
    above: dict[str, list[str]] = {}
    left = {name: len(included) for name, included in includes.items()}
    for name, included in includes.items():
        for one in included:
            above.setdefault(one, []).append(name)
    free = [name for name, count in left.items() if count == 0]
    while free:
        for name in above.get(free.pop(), ()):
            left[name] -= 1
            if left[name] == 0:
                free.append(name)
    return sorted(name for name, count in left.items() if count > 0)
