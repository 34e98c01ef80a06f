"""How users and groups are shown: no password, no hash, no token."""

import base64
from typing import Any

from vestibule.server.directory.data import unpack
from vestibule.server.directory.model import Group, User
from vestibule.server.directory.permissions import shown_permissions
from vestibule.server.directory.times import time_text


__all__ = ["group_shape", "user_row", "user_shape"]


def user_row(user: User) -> dict[str, Any]:
    """Give what lists show of a user."""
    return {
        "username": user.username,
        "user_id": user.user_id,
        "custom_data": unpack(user.custom_data),
        "application_data": unpack(user.application_data),
    }


def user_shape(
    user: User,
    broker_name: str,
    *,
    include_groups: bool = True,
    include_permissions: bool = True,
) -> dict[str, Any]:
    """Give a user, without the keys that are left out."""
    key = user.public_key
    shape = user_row(user)
    shape["public_key"] = None if key is None else base64.b64encode(key).decode()
    shape["disabled"] = user.disabled
    shape["expires"] = None if user.expires is None else time_text(user.expires)
    if include_groups:
        shape["groups"] = dict.fromkeys(sorted(user.groups), True)
    if include_permissions:
        shape["permissions"] = shown_permissions(user.rules, broker_name)
    shape["created"] = time_text(user.created)
    shape["modified"] = time_text(user.modified)
    return shape


def group_shape(
    group: Group, broker_name: str, *, include_permissions: bool = True
) -> dict[str, Any]:
    """Give a group; what scripts assign to it is not shown here."""
    shape: dict[str, Any] = {
        "name": group.name,
        "custom_data": unpack(group.custom_data),
        "includes": sorted(group.includes),
    }
    if include_permissions:
        shape["permissions"] = shown_permissions(group.rules, broker_name)
    shape["created"] = time_text(group.created)
    shape["modified"] = time_text(group.modified)
    return shape
