"""The whole directory as one document for people: users, groups, settings, in order.

Pure. It has no password and no token; a user that is in it and not in the directory
gets none. Of the system's own it holds what may be changed.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import parse_name
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.protocol.properties import valid_property_key
from vestibule.protocol.property_patterns import parse_property_pattern
from vestibule.server.directory.data import pack
from vestibule.server.directory.described import (
    group_facts,
    settings_facts,
    user_facts,
)
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.model import (
    ADMIN_GROUP,
    ADMIN_USER,
    DELEGATE_GROUP,
    GUEST_GROUP,
    NO_RULES,
    AnonymousAction,
    AnonymousPolicy,
    Group,
    Model,
    PropertyRule,
    Rules,
    User,
)
from vestibule.server.directory.names import valid_group_name, valid_username
from vestibule.server.directory.permissions import overwritten, parse_permissions
from vestibule.server.directory.times import parse_time


__all__ = ["DocumentError", "Wanted", "document_of", "parse_document"]

_FORMAT: Final = "vestibule_directory"
_VERSION: Final = 1
_UNCHANGING: Final = frozenset({ADMIN_GROUP, DELEGATE_GROUP})
"""Groups that are put back at each start, and so say nothing here."""

_MOST_PROBLEMS: Final = 100
_KEY_BYTES: Final = 32
"""Of a public key: Ed25519."""

_NONE: Final = frozenset[str]()

P = TypeVar("P", GlobalPermission, PathPermission)


class DocumentError(ValueError):
    """A document cannot be imported; nothing has changed. Each problem is a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: Final = tuple(problems)
        super().__init__("; ".join(self.problems[:3]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document says. What it does not speak of is None and stays as it is.

    Users and groups stand without times, users without id and password.
    """

    users: Mapping[str, User] | None = None
    groups: Mapping[str, Group] | None = None
    isolated_paths: frozenset[str] | None = None
    session_defaults: tuple[frozenset[str], frozenset[str]] | None = None
    """Of sessions with a username, and of those without."""
    anonymous: AnonymousPolicy | None = None
    trusted_properties: Mapping[str, PropertyRule] | None = None


def document_of(model: Model, broker_name: str) -> dict[str, Any]:
    """Give a directory as a document; equal ones give equal documents."""
    return {
        _FORMAT: _VERSION,
        "groups": {
            name: group_facts(group, broker_name)
            for name, group in sorted(model.groups.items())
            if name not in _UNCHANGING
        },
        "users": {
            name: user_facts(user, broker_name)
            for name, user in sorted(model.users.items())
        },
        **settings_facts(model),
    }


class _Misfit(ValueError):  # noqa: N818 - it names the value, not the failure
    """A value is not what its place takes; the text says why."""


class _Reader:
    """Reads values by their places, and collects what is wrong with them."""

    def __init__(self, broker_name: str) -> None:
        self._broker_name: Final = broker_name
        self.problems: list[str] = []

    def problem(self, place: str, text: str) -> None:
        """Note a fault."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"{place}: {text}")

    def named(
        self,
        place: str,
        value: object,
        valid: Callable[[str], bool],
        readers: Mapping[str, Callable[[Any], Any]],
    ) -> dict[str, dict[str, Any]]:
        """Read holders by their names."""
        if not isinstance(value, dict):
            self.problem(place, "is no mapping of names")
            return {}
        for name in value:
            if not valid(name):
                self.problem(f"{place}.{name}", "cannot be a name")
        return {
            name: self.values(f"{place}.{name}", value[name], readers) for name in value
        }

    def values(
        self, place: str, value: object, readers: Mapping[str, Callable[[Any], Any]]
    ) -> dict[str, Any]:
        """Read the keys of a mapping; those with faults are left out."""
        if not isinstance(value, dict):
            self.problem(place, "is no mapping")
            return {}
        found = {}
        for key, said in value.items():
            where = f"{place}.{key}" if place else str(key)
            reader = readers.get(key)
            if reader is None:
                self.problem(where, "is an unknown key")
                continue
            try:
                found[key] = reader(said)
            except DirectoryError as refused:
                for fault in refused.details.get("problems", ()):
                    inner = f"{where}.{fault['section']}.{fault['path']}"
                    self.problem(inner, fault["problem"])
            except ValueError as problem:
                self.problem(where, str(problem))
        return found

    def rules(self, value: object) -> Rules:
        """Read a permission object."""
        return overwritten(parse_permissions(value, self._broker_name))


def parse_document(document: object, broker_name: str) -> Wanted:
    """Read a document as far as it can be judged by itself.

    Raises:
        DocumentError: with every fault that is found.
    """
    if not isinstance(document, dict) or document.get(_FORMAT) != _VERSION:
        raise DocumentError([f"it is no document with {_FORMAT}: {_VERSION}"])
    reader = _Reader(broker_name)
    rest = {key: value for key, value in document.items() if key != _FORMAT}
    users, groups = rest.pop("users", None), rest.pop("groups", None)
    wanted = Wanted(
        users=None if users is None else _users(reader, users),
        groups=None if groups is None else _groups(reader, groups),
        **reader.values("", rest, _SETTINGS),
    )
    if reader.problems:
        raise DocumentError(reader.problems)
    return wanted


def _users(reader: _Reader, value: object) -> dict[str, User]:
    readers = {**_USER, "permissions": reader.rules}
    users = {}
    for name, said in reader.named("users", value, valid_username, readers).items():
        rules, groups = said.pop("permissions", NO_RULES), said.pop("groups", _NONE)
        # `_GUEST` comes with the user.
        own = groups if name == ADMIN_USER else groups | {GUEST_GROUP}
        users[name] = User(username=name, user_id="", rules=rules, groups=own, **said)
    return users


def _groups(reader: _Reader, value: object) -> dict[str, Group]:
    readers = {**_GROUP, "permissions": reader.rules}
    groups = {}
    for name, said in reader.named("groups", value, valid_group_name, readers).items():
        rules = said.pop("permissions", NO_RULES)
        groups[name] = Group(name=name, rules=rules, **said)
    return groups


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Misfit("is neither true nor false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Misfit("is no text")
    return value


def _time(value: object) -> int | None:
    return None if value is None else parse_time(_text(value))


def _key(value: object) -> bytes | None:
    if value is None:
        return None
    try:
        key = base64.b64decode(_text(value), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise _Misfit(f"is not {_KEY_BYTES} bytes in base64")
    return key


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _Misfit("is no list")
    return value


def _mapping(value: object, keys: Iterable[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Misfit("is no mapping")
    if keys is not None and value.keys() != set(keys):
        raise _Misfit(f"has not exactly the keys {', '.join(keys)}")
    return value


def _names(value: object) -> frozenset[str]:
    return frozenset(_text(item) for item in _list(value))


def _path(value: object) -> str:
    """Read a concrete path in its canonical form, as scripts take it."""
    text = _text(value)
    if "{" in text or "}" in text:
        raise _Misfit("is no path: it has { or }")
    try:
        return parse_name(text).text
    except InvalidName as problem:
        raise _Misfit(f"is no path: {problem}") from None


def _global_permissions(value: object) -> frozenset[GlobalPermission]:
    return frozenset(_permission(GlobalPermission, item) for item in _list(value))


def _path_permissions(value: object) -> frozenset[PathPermission]:
    return frozenset(_permission(PathPermission, item) for item in _list(value))


def _permission(kind: type[P], value: object) -> P:
    try:
        permission = kind(_text(value))
    except ValueError:
        raise _Misfit("names a permission that there is not") from None
    if permission.name.startswith("UNKNOWN_"):
        raise _Misfit("names a permission that cannot be given")
    return permission


def _assignments(value: object) -> dict[str, frozenset[PathPermission]]:
    found: dict[str, frozenset[PathPermission]] = {}
    for said, permissions in _mapping(value).items():
        path = _path(said)
        if path in found:
            raise _Misfit(f"{path} stands twice")
        found[path] = _path_permissions(permissions)
    return found


def _paths(value: object) -> frozenset[str]:
    return frozenset(_path(item) for item in _list(value))


def _defaults(value: object) -> tuple[frozenset[str], frozenset[str]]:
    said = _mapping(value, ("named", "anonymous"))
    return _names(said["named"]), _names(said["anonymous"])


def _anonymous(value: object) -> AnonymousPolicy:
    said = _mapping(value, ("action", "roles"))
    try:
        action = AnonymousAction(said["action"])
    except ValueError:
        raise _Misfit("the action is none of allow, deny, abstain") from None
    roles = _names(said["roles"])
    if roles and action is not AnonymousAction.ALLOW:
        raise _Misfit("has roles without the action allow")
    return AnonymousPolicy(action, roles)


def _trusted(value: object) -> dict[str, PropertyRule]:
    found = {}
    for key, said in _mapping(value).items():
        if not valid_property_key(key):
            raise _Misfit(f"{key} cannot be the key of a property")
        match said:
            case {"values": list(values), **rest} if not rest:
                found[key] = PropertyRule(values=_names(values))
            case {"matches": str(pattern), **rest} if not rest:
                parse_property_pattern(pattern)
                found[key] = PropertyRule(pattern=pattern)
            case _:
                raise _Misfit(f"{key} has not either values or matches")
    return found


_USER: Final[Mapping[str, Callable[[Any], Any]]] = {
    "disabled": _flag,
    "expires": _time,
    "public_key": _key,
    "groups": _names,
    "custom_data": pack,
    "application_data": pack,
    "locked_by": _text,
}

_GROUP: Final[Mapping[str, Callable[[Any], Any]]] = {
    "includes": _names,
    "custom_data": pack,
    "global_permissions": _global_permissions,
    "default_path_permissions": _path_permissions,
    "path_permissions": _assignments,
    "locked_by": _text,
    "explicit": _flag,
}

_SETTINGS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "isolated_paths": _paths,
    "session_defaults": _defaults,
    "anonymous": _anonymous,
    "trusted_properties": _trusted,
}
