"""The two views that scripts change: which facts belong to each, and how they are shown.

A rule, a password's hash and a user's own data are shown in neither (docs/stores.md,
"The two views").
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.model import Group, Model, PropertyRule, User


__all__ = [
    "View",
    "authentication_configuration",
    "changed_views",
    "security_configuration",
    "version_of",
]


class View(StrEnum):
    """A view of the directory, and the store that Diffusion calls so."""

    SECURITY = "security"
    AUTHENTICATION = "authentication"


def version_of(model: Model, view: View) -> int:
    """Give how many transactions have changed a fact of a view, plus one."""
    if view is View.SECURITY:
        return model.security_version
    return model.authentication_version


def changed_views(
    before: Model, after: Model, *, users: Iterable[str], groups: Iterable[str]
) -> frozenset[View]:
    """Tell of which views a fact is different; only the named holders may differ."""
    views: set[View] = set()
    if (
        before.isolated_paths != after.isolated_paths
        or before.named_roles != after.named_roles
        or before.anonymous_roles != after.anonymous_roles
        or any(
            _of_group(before.groups.get(name)) != _of_group(after.groups.get(name))
            for name in groups
        )
    ):
        views.add(View.SECURITY)
    if (
        before.anonymous != after.anonymous
        or before.trusted != after.trusted
        or any(
            _of_user(before.users.get(name)) != _of_user(after.users.get(name))
            for name in users
        )
    ):
        views.add(View.AUTHENTICATION)
    return frozenset(views)


def _of_group(group: Group | None) -> object:
    return group and (
        group.global_permissions,
        group.default_path_permissions,
        group.path_permissions,
        group.includes,
        group.locked_by,
    )


def _of_user(user: User | None) -> object:
    return user and (user.user_id, user.groups, user.locked_by, user.password)


def security_configuration(model: Model) -> dict[str, Any]:
    """Show groups' assignments, includes and locks, session defaults, isolated paths.

    Permissions are shown by their codes; everything is sorted.
    """
    return {
        "version": model.security_version,
        "roles": [_role(model.groups[name]) for name in sorted(model.groups)],
        "roles_for_anonymous_sessions": sorted(model.anonymous_roles),
        "roles_for_named_sessions": sorted(model.named_roles),
        "isolated_paths": sorted(model.isolated_paths),
    }


def _role(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "global_permissions": _codes(group.global_permissions),
        "default_path_permissions": _codes(group.default_path_permissions),
        "path_permissions": {
            path: _codes(permissions)
            for path, permissions in sorted(group.path_permissions.items())
        },
        "includes": sorted(group.includes),
        "locking_principal": group.locked_by,
    }


def _codes(permissions: Iterable[GlobalPermission | PathPermission]) -> list[int]:
    return sorted(permission.code for permission in permissions)


def authentication_configuration(model: Model) -> dict[str, Any]:
    """Show users with their groups and locks, the anonymous policy, trusted properties.

    Nothing that is made from a password is among it.
    """
    return {
        "version": model.authentication_version,
        "principals": [
            {
                "name": name,
                "roles": sorted(user.groups),
                "locking_principal": user.locked_by,
            }
            for name, user in sorted(model.users.items())
        ],
        "anonymous": {
            "action": str(model.anonymous.action),
            "roles": sorted(model.anonymous.roles),
        },
        "trusted_client_proposed_properties": {
            key: _rule(rule) for key, rule in sorted(model.trusted.items())
        },
    }


def _rule(rule: PropertyRule) -> dict[str, Any]:
    return {
        "kind": rule.kind,
        "values": sorted(rule.values or ()),
        "pattern": rule.pattern,
    }
