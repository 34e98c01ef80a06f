"""What a change is told as: the directory events of one epoch, in their order.

Pure: the model before and after in, events out. They hold what administrators may
see of users and groups, so no password, no hash and no token.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from vestibule.server.directory.model import Group, Model, User
from vestibule.server.directory.shapes import group_shape, user_shape


__all__ = ["DirectoryEvent", "directory_events"]


@dataclass(frozen=True, slots=True)
class DirectoryEvent:
    """One event: a name of `own_events.DIRECTORY_EVENTS`, and its data.

    The data is still without `epoch`, `at` and `by`. It is made when it is looked at:
    mostly nobody listens.
    """

    name: str
    _make: Callable[[], Mapping[str, Any]]

    @property
    def data(self) -> Mapping[str, Any]:
        """What is told."""
        return self._make()


_USER: Final[Mapping[str, Callable[[User], object]]] = {
    "application_data": lambda user: user.application_data,
    "custom_data": lambda user: user.custom_data,
    "disabled": lambda user: user.disabled,
    "expires": lambda user: user.expires,
    "password": lambda user: user.password,
    "permissions": lambda user: user.rules,
    "public_key": lambda user: user.public_key,
}
"""What `changed` names of a user. Compared, never shown."""

_NOBODY: Final = User(username="", user_id="")
_NOTHING: Final = Group(name="")


def directory_events(
    before: Model,
    after: Model,
    *,
    users: Iterable[str],
    groups: Iterable[str],
    broker_name: str,
) -> Iterator[DirectoryEvent]:
    """Give the events of one change: upserts, links, unlinks, deletes, each by name.

    `users` and `groups` name those that may differ. Deleting gives its delete event
    alone: memberships, includes and mentions that go with it are not told. A change of
    memberships alone is no upsert. What is made again under its name in one change is
    an upsert that `created`.
    """
    touched_users, touched_groups = sorted(users), sorted(groups)
    for name in touched_groups:
        yield from _group_upserted(before, after, name, broker_name)
    for name in touched_users:
        yield from _user_upserted(before, after, name, broker_name)
    yield from _memberships("link-group", _links(before, after, touched_users))
    yield from _memberships("unlink-group", _unlinks(before, after, touched_users))
    gone = [name for name in touched_groups if _is_gone(name, before, after)]
    members = cache(partial(_members, before, frozenset(gone)))
    for name in gone:
        yield DirectoryEvent("delete-group", partial(_deleted, name, members))
    for name in touched_users:
        left = before.users.get(name)
        if left is not None and name not in after.users:
            data = {"username": name, "user_id": left.user_id}
            yield DirectoryEvent("delete-user", data.copy)


def _deleted(group: str, members: Callable[[], Counter[str]]) -> dict[str, Any]:
    return {"group": group, "members": members()[group]}


def _is_gone(group: str, before: Model, after: Model) -> bool:
    return group in before.groups and group not in after.groups


def _members(model: Model, groups: frozenset[str]) -> Counter[str]:
    """Count the direct members of some groups, looking at each user once."""
    found: Counter[str] = Counter()
    if groups:
        for user in model.users.values():
            found.update(user.groups & groups)
    return found


def _group_upserted(
    before: Model, after: Model, name: str, broker_name: str
) -> Iterator[DirectoryEvent]:
    old, new = before.groups.get(name), after.groups.get(name)
    if new is None:
        return
    was = _NOTHING if old is None else old
    mentioned = was.includes & after.groups.keys()
    differences = {
        "assignments": _assignments(was) != _assignments(new),
        "custom_data": was.custom_data != new.custom_data,
        "includes": mentioned != new.includes,
        "permissions": was.rules != new.rules,
    }
    changed = [key for key, differs in differences.items() if differs]
    if old is None or changed:
        said = {"created": old is None, "changed": changed}
        yield DirectoryEvent(
            "upsert-group", lambda: {"group": group_shape(new, broker_name), **said}
        )


def _assignments(group: Group) -> tuple[object, ...]:
    """Give what scripts write into a group."""
    return (
        group.global_permissions,
        group.default_path_permissions,
        group.path_permissions,
        group.locked_by,
    )


def _user_upserted(
    before: Model, after: Model, name: str, broker_name: str
) -> Iterator[DirectoryEvent]:
    old, new = _kept(before, after, name), after.users.get(name)
    if new is None:
        return
    was = _NOBODY if old is None else old
    changed = [key for key, of in _USER.items() if of(was) != of(new)]
    if old is None or changed:
        said = {"created": old is None, "changed": changed}
        yield DirectoryEvent(
            "upsert-user", lambda: {"user": user_shape(new, broker_name), **said}
        )


def _kept(before: Model, after: Model, name: str) -> User | None:
    """Give what a user was; one that was made again under the name was nobody."""
    old, new = before.users.get(name), after.users.get(name)
    if old is None or new is None or old.user_id != new.user_id:
        return None
    return old


def _links(
    before: Model, after: Model, users: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for name in users:
        new = after.users.get(name)
        if new is not None:
            old = _kept(before, after, name)
            groups = frozenset() if old is None else old.groups
            yield from ((group, name) for group in new.groups - groups)


def _unlinks(
    before: Model, after: Model, users: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for name in users:
        old, new = _kept(before, after, name), after.users.get(name)
        if old is not None and new is not None:
            left = (old.groups - new.groups) & after.groups.keys()
            yield from ((group, name) for group in left)


def _memberships(
    name: str, pairs: Iterable[tuple[str, str]]
) -> Iterator[DirectoryEvent]:
    for group, username in sorted(pairs):
        yield DirectoryEvent(name, {"group": group, "username": username}.copy)
