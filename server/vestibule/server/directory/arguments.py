"""Arguments of the calls that change users and groups, read and checked."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypeVar

from vestibule.server.directory.data import InvalidData, pack
from vestibule.server.directory.errors import (
    invalid_argument,
    invalid_name,
    unknown_key,
)
from vestibule.server.directory.names import valid_group_name, valid_username
from vestibule.server.directory.permissions import Submitted, parse_permissions
from vestibule.server.directory.times import parse_time


__all__ = [
    "UNSET",
    "GroupArgument",
    "Unset",
    "UserArgument",
    "given",
    "parse_flag",
    "parse_group",
    "parse_text",
    "parse_user",
    "password_in",
]


class _Unset(Enum):
    """Stands for a key that was left out: what it is about stays as it is."""

    UNSET = "unset"


UNSET: Final = _Unset.UNSET
Unset: TypeAlias = Literal[_Unset.UNSET]

_PUBLIC_KEY_BYTES: Final = 32
_USER_KEYS: Final = frozenset(
    {
        "username",
        "password",
        "public_key",
        "custom_data",
        "application_data",
        "disabled",
        "expires",
        "permissions",
        "groups",
    }
)
_GROUP_KEYS: Final = frozenset({"name", "custom_data", "includes", "permissions"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserArgument:
    """What a call says of a user; whether there is a password, not which."""

    username: str
    has_password: bool
    public_key: bytes | Unset | None
    custom_data: bytes | Unset
    application_data: bytes | Unset
    disabled: bool | Unset
    expires: int | Unset | None
    permissions: Submitted | Unset
    groups: Mapping[str, bool] | Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupArgument:
    """What a call says of a group."""

    name: str
    custom_data: bytes | Unset
    includes: frozenset[str] | Unset
    permissions: Submitted | Unset


def given(value: T | Unset, otherwise: T) -> T:
    """Give what was said, or what was there."""
    return otherwise if value is UNSET else value


def parse_user(value: object, broker_name: str) -> UserArgument:
    """Read the argument `user`.

    Raises:
        DirectoryError: INVALID_ARGUMENT, INVALID_NAME or INVALID_PERMISSION.
    """
    user = _mapping(value, "user", _USER_KEYS)
    name = user.get("username")
    if not isinstance(name, str):
        raise invalid_argument("username", "is missing or no text")
    if not valid_username(name):
        raise invalid_name("username")
    return UserArgument(
        username=name,
        has_password="password" in user,
        public_key=_public_key(user),
        custom_data=_data(user, "custom_data"),
        application_data=_data(user, "application_data"),
        disabled=_disabled(user),
        expires=_expires(user),
        permissions=_permissions(user, broker_name),
        groups=_groups(user),
    )


def parse_group(value: object, broker_name: str) -> GroupArgument:
    """Read the argument `group`.

    Raises:
        DirectoryError: as `parse_user`.
    """
    group = _mapping(value, "group", _GROUP_KEYS)
    name = group.get("name")
    if not isinstance(name, str):
        raise invalid_argument("name", "is missing or no text")
    if not valid_group_name(name):
        raise invalid_name("name")
    return GroupArgument(
        name=name,
        custom_data=_data(group, "custom_data"),
        includes=_includes(group),
        permissions=_permissions(group, broker_name),
    )


def password_in(value: object) -> tuple[str, object] | None:
    """Give the username and the password of an argument `user`, None without one."""
    if not isinstance(value, dict) or "password" not in value:
        return None
    name = value.get("username")
    return (name, value["password"]) if isinstance(name, str) else None


def parse_text(value: object, argument: str) -> str:
    """Check that an argument is text that can be sent."""
    if not isinstance(value, str):
        raise invalid_argument(argument, "is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid_argument(argument, "is no text") from None
    return value


def parse_flag(value: object, argument: str) -> bool:
    """Check that an argument is True or False."""
    if not isinstance(value, bool):
        raise invalid_argument(argument, "is neither True nor False")
    return value


def _mapping(value: object, argument: str, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_argument(argument, "is no dict")
    for key in value:
        if key not in keys:
            raise unknown_key(argument, key)
    return value


def _data(value: dict[str, Any], key: str) -> bytes | Unset:
    if key not in value:
        return UNSET
    try:
        return pack(value[key])
    except InvalidData as problem:
        raise invalid_argument(key, str(problem)) from None


def _public_key(user: dict[str, Any]) -> bytes | Unset | None:
    if "public_key" not in user:
        return UNSET
    key = user["public_key"]
    if isinstance(key, str):
        try:
            key = base64.b64decode(key, validate=True)
        except ValueError:  # binascii.Error, or text that is not ASCII
            key = b""
    if key is None or (isinstance(key, bytes) and len(key) == _PUBLIC_KEY_BYTES):
        return key
    raise invalid_argument("public_key", "is not 32 bytes, raw or in base64")


def _disabled(user: dict[str, Any]) -> bool | Unset:
    return parse_flag(user["disabled"], "disabled") if "disabled" in user else UNSET


def _expires(user: dict[str, Any]) -> int | Unset | None:
    if "expires" not in user:
        return UNSET
    expires = user["expires"]
    if expires is None:
        return None
    try:
        return parse_time(parse_text(expires, "expires"))
    except ValueError as problem:
        raise invalid_argument("expires", str(problem)) from None


def _permissions(value: dict[str, Any], broker_name: str) -> Submitted | Unset:
    if "permissions" not in value:
        return UNSET
    return parse_permissions(value["permissions"], broker_name)


def _groups(user: dict[str, Any]) -> Mapping[str, bool] | Unset:
    if "groups" not in user:
        return UNSET
    groups = user["groups"]
    if not isinstance(groups, dict):
        raise invalid_argument("groups", "is no dict")
    return {
        parse_text(name, "groups"): parse_flag(member, "groups")
        for name, member in groups.items()
    }


def _includes(group: dict[str, Any]) -> frozenset[str] | Unset:
    if "includes" not in group:
        return UNSET
    includes = group["includes"]
    if not isinstance(includes, list):
        raise invalid_argument("includes", "is no list")
    return frozenset(parse_text(name, "includes") for name in includes)
