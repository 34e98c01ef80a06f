"""What is different between two models: before and after, without a secret.

For the audit trail and for whoever is about to import a document.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from vestibule.server.directory.described import (
    SETTINGS,
    group_facts,
    settings_facts,
    user_facts,
)
from vestibule.server.directory.model import Group, Model, User


__all__ = ["differences"]

T = TypeVar("T", User, Group)


def differences(
    before: Model,
    after: Model,
    broker_name: str,
    *,
    users: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Give each holder and setting that differs: groups, users, settings, by name.

    A row has `what` (`group`, `user` or `setting`), `name`, and `before` and `after`
    with the facts that differ; None where the holder was not there or is not any more.
    Of passwords and public keys they say that there is one, or that it has changed.
    `users` and `groups` name those that may differ, where that is known.
    """
    found = _holders("group", before.groups, after.groups, groups, _group(broker_name))
    found += _holders("user", before.users, after.users, users, _user(broker_name))
    old, new = settings_facts(before), settings_facts(after)
    return found + [
        {"what": "setting", "name": name, "before": old[name], "after": new[name]}
        for name in SETTINGS
        if old[name] != new[name]
    ]


def _holders(
    what: str,
    before: Mapping[str, T],
    after: Mapping[str, T],
    names: Iterable[str] | None,
    facts: Callable[[T | None, T | None], tuple[Any, Any]],
) -> list[dict[str, Any]]:
    rows = []
    for name in sorted(before.keys() | after.keys() if names is None else set(names)):
        old, new = before.get(name), after.get(name)
        if old is new or old == new:
            continue
        was, now = facts(old, new)
        if was != now:
            rows.append({"what": what, "name": name, "before": was, "after": now})
    return rows


def _group(
    broker_name: str,
) -> Callable[[Group | None, Group | None], tuple[Any, Any]]:
    def facts(old: Group | None, new: Group | None) -> tuple[Any, Any]:
        return _differing(
            None if old is None else group_facts(old, broker_name),
            None if new is None else group_facts(new, broker_name),
        )

    return facts


def _user(broker_name: str) -> Callable[[User | None, User | None], tuple[Any, Any]]:
    def shown(user: User | None, other: User | None) -> dict[str, Any] | None:
        if user is None:
            return None
        said = user_facts(user, broker_name)
        key, old = user.public_key, None if other is None else other.public_key
        said.pop("public_key", None)
        if key is not None:
            said["public_key"] = "set" if old in (None, key) else "changed"
        verifier, previous = user.password, None if other is None else other.password
        if verifier is not None:
            said["password"] = "set" if previous in (None, verifier) else "changed"
        if other is not None and other.user_id != user.user_id:
            said["user_id"] = user.user_id
        return said

    def facts(old: User | None, new: User | None) -> tuple[Any, Any]:
        # What is changed says so after, not before.
        return _differing(shown(old, old), shown(new, old))

    return facts


def _differing(
    old: dict[str, Any] | None, new: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if old is None or new is None:
        return old, new
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return (
        {name: old[name] for name in names if name in old},
        {name: new[name] for name in names if name in new},
    )
