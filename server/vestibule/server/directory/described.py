"""Users, groups and settings as plain data, complete but for what is secret.

What stands as it is by itself is left out, so that people can read it. A holder's facts
are equal exactly if the holder is, apart from its password and its times.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from vestibule.server.directory.data import unpack
from vestibule.server.directory.model import (
    GUEST_GROUP,
    Group,
    Model,
    PropertyRule,
    User,
)
from vestibule.server.directory.permissions import shown_permissions
from vestibule.server.directory.times import time_text


__all__ = ["SETTINGS", "group_facts", "settings_facts", "user_facts"]

SETTINGS: Final = (
    "isolated_paths",
    "session_defaults",
    "anonymous",
    "trusted_properties",
)
"""What belongs to no user and no group, by the names it has in documents."""


def user_facts(user: User, broker_name: str) -> dict[str, Any]:
    """Give a user, without name, id, password and times."""
    key = user.public_key
    return _said(
        {
            "disabled": user.disabled,
            "expires": None if user.expires is None else time_text(user.expires),
            "public_key": None if key is None else base64.b64encode(key).decode(),
            # `_GUEST` comes with the user.
            "groups": sorted(user.groups - {GUEST_GROUP}),
            "custom_data": unpack(user.custom_data),
            "application_data": unpack(user.application_data),
            "permissions": _permissions(user, broker_name),
            "locked_by": user.locked_by,
        }
    )


def group_facts(group: Group, broker_name: str) -> dict[str, Any]:
    """Give a group, without name and times."""
    facts = _said(
        {
            "includes": sorted(group.includes),
            "custom_data": unpack(group.custom_data),
            "permissions": _permissions(group, broker_name),
            "global_permissions": sorted(map(str, group.global_permissions)),
            "default_path_permissions": sorted(
                map(str, group.default_path_permissions)
            ),
            "path_permissions": {
                path: sorted(map(str, permissions))
                for path, permissions in sorted(group.path_permissions.items())
            },
            "locked_by": group.locked_by,
        }
    )
    return facts if group.explicit else {**facts, "explicit": False}


def settings_facts(model: Model) -> dict[str, Any]:
    """Give the settings, each of them."""
    return {
        "isolated_paths": sorted(model.isolated_paths),
        "session_defaults": {
            "named": sorted(model.named_roles),
            "anonymous": sorted(model.anonymous_roles),
        },
        "anonymous": {
            "action": str(model.anonymous.action),
            "roles": sorted(model.anonymous.roles),
        },
        "trusted_properties": {
            key: _property(rule) for key, rule in sorted(model.trusted.items())
        },
    }


def _permissions(holder: User | Group, broker_name: str) -> dict[str, Any]:
    shown = shown_permissions(holder.rules, broker_name)
    return {
        section: dict(sorted(paths.items()))
        for section, paths in shown.items()
        if paths
    }


def _property(rule: PropertyRule) -> dict[str, Any]:
    if rule.pattern is not None:
        return {"matches": rule.pattern}
    return {"values": sorted(rule.values or ())}


def _said(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing; data that is 0 or empty says something."""
    data = ("custom_data", "application_data")
    return {
        name: value
        for name, value in facts.items()
        if (value is not None if name in data else value not in (None, False, [], {}))
    }
