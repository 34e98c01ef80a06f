"""Scripts, line by line: nothing that is passed to a builder becomes a second command.

Arguments are checked before a line is added, and every name, path and password is
quoted. What each command does: docs/stores.md, "Commands".
"""

from collections.abc import Iterable
from typing import Final, Self, TypeVar

from vestibule.client.checks import text, texts
from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import parse_assignment_path
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.protocol.principals import (
    valid_group_name,
    valid_password,
    valid_username,
)
from vestibule.protocol.properties import valid_property_key
from vestibule.protocol.property_patterns import parse_property_pattern
from vestibule.protocol.quoting import quoted


__all__ = ["SecurityScriptBuilder", "SystemAuthenticationScriptBuilder"]

_HIDDEN: Final = "'***'"
"""Stands for a password where a builder is shown."""

_UNKNOWN: Final = "UNKNOWN_"
"""Permissions that are only shown begin with it; no script assigns them."""

P = TypeVar("P", GlobalPermission, PathPermission)


class _Builder:
    """Lines of a script. Each method adds one and gives the builder itself.

    A method that raises has added nothing: TypeError for a wrong type, ValueError for
    a wrong value.
    """

    __slots__ = ("_lines", "_shown")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._shown: list[str] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {chr(10).join(self._shown)!r}>"

    def build(self) -> str:
        """Give the script; without lines an empty text."""
        return "\n".join(self._lines)

    def append(self, other: Self) -> Self:
        """Add the lines of another builder of the same class.

        Raises:
            TypeError: a builder of the other class, or none.
        """
        if type(other) is not type(self):
            raise TypeError(f"other is a {type(self).__name__}")
        # Copied: a builder may be appended to itself.
        self._lines += list(other._lines)
        self._shown += list(other._shown)
        return self

    def _add(self, *words: str, password: str | None = None) -> Self:
        """Add a line; `password` is one of the words, and not shown."""
        shown = (_HIDDEN if word is password else word for word in words)
        self._shown.append(" ".join(shown))
        self._lines.append(" ".join(words))
        return self


class SecurityScriptBuilder(_Builder):
    """Builds a script for `update_security_store`: what roles may do."""

    __slots__ = ()

    def set_global_permissions(
        self, role: str, permissions: Iterable[GlobalPermission | str]
    ) -> Self:
        """Make these the role's global permissions."""
        found = _permissions(permissions, GlobalPermission)
        return self._add("set", _role(role), "permissions", found)

    def set_default_path_permissions(
        self, role: str, permissions: Iterable[PathPermission | str]
    ) -> Self:
        """Make these the role's permissions where no assignment stands above a path."""
        found = _permissions(permissions, PathPermission)
        return self._add("set", _role(role), "default path permissions", found)

    def set_path_permissions(
        self, role: str, path: str, permissions: Iterable[PathPermission | str]
    ) -> Self:
        """Make these the role's permissions at a path and below; none is kept as none."""
        found = _permissions(permissions, PathPermission)
        return self._add("set", _role(role), "path", _path(path), "permissions", found)

    def remove_path_permissions(self, role: str, path: str) -> Self:
        """Forget the role's assignment at a path: it inherits again."""
        return self._add("remove", _role(role), "permissions for path", _path(path))

    def set_role_includes(self, role: str, roles: Iterable[str]) -> Self:
        """Make these the roles whose permissions the role has, too."""
        return self._add("set", _role(role), "includes", _roles(roles))

    def set_roles_for_anonymous_sessions(self, roles: Iterable[str]) -> Self:
        """Make these the roles that every session without a principal has."""
        return self._add("set roles for anonymous sessions", _roles(roles))

    def set_roles_for_named_sessions(self, roles: Iterable[str]) -> Self:
        """Make these the roles that every session with a principal has."""
        return self._add("set roles for named sessions", _roles(roles))

    def isolate_path(self, path: str) -> Self:
        """Let a path and what is below inherit nothing from above."""
        return self._add("isolate path", _path(path))

    def deisolate_path(self, path: str) -> Self:
        """Let a path inherit again."""
        return self._add("deisolate path", _path(path))

    def set_role_locked_by_principal(self, role: str, principal: str) -> Self:
        """Let only sessions of this principal edit the role from here on."""
        locking = _principal(principal, "principal")
        return self._add("set role", _role(role), "locked by principal", locking)

    def unlock_role(self, role: str) -> Self:
        """End the role's lock."""
        return self._add("unlock role", _role(role))


class SystemAuthenticationScriptBuilder(_Builder):
    """Builds a script for `update_authentication_store`: who may come in."""

    __slots__ = ()

    def add_principal(
        self,
        principal: str,
        password: str,
        roles: Iterable[str] = (),
        locking_principal: str | None = None,
    ) -> Self:
        """Make a user with a password and exactly these roles."""
        name = _principal(principal, "principal")
        secret = _password(password)
        given = texts(roles, "roles")
        words = [_roles(given)] if given else []
        if locking_principal is not None:
            words += ["locked by", _principal(locking_principal, "locking_principal")]
        return self._add("add principal", name, secret, *words, password=secret)

    def set_password(self, principal: str, password: str) -> Self:
        """Give a user another password."""
        name, secret = _principal(principal, "principal"), _password(password)
        return self._add("set password", name, secret, password=secret)

    def verify_password(self, principal: str, password: str) -> Self:
        """Let the whole script fail unless this is the user's password."""
        name, secret = _principal(principal, "principal"), _password(password)
        return self._add("verify password", name, secret, password=secret)

    def remove_principal(self, principal: str) -> Self:
        """Delete a user."""
        return self._add("remove principal", _principal(principal, "principal"))

    def assign_roles(self, principal: str, roles: Iterable[str]) -> Self:
        """Make exactly these a user's roles."""
        name = _principal(principal, "principal")
        return self._add("assign roles", name, _roles(roles))

    def unlock_principal(self, principal: str) -> Self:
        """End a user's lock."""
        return self._add("unlock principal", _principal(principal, "principal"))

    def allow_anonymous_connections(self, roles: Iterable[str] = ()) -> Self:
        """Let anonymous sessions in, with these roles."""
        return self._add("allow anonymous connections", _roles(roles))

    def deny_anonymous_connections(self) -> Self:
        """Let no anonymous session in."""
        return self._add("deny anonymous connections")

    def abstain_anonymous_connections(self) -> Self:
        """Leave anonymous sessions to the authenticators that come after."""
        return self._add("abstain anonymous connections")

    def trust_client_proposed_property_in(
        self, key: str, values: Iterable[str]
    ) -> Self:
        """Accept a property that a client proposes, if it has one of these values."""
        accepted = _strings(texts(values, "values"), "values")
        return self._add(_TRUST, _key(key), "if value in", accepted)

    def trust_client_proposed_property_matches(self, key: str, pattern: str) -> Self:
        """Accept a property that a client proposes, if its whole value matches."""
        parse_property_pattern(text(pattern, "pattern"))
        accepted = _string(pattern, "pattern")
        return self._add(_TRUST, _key(key), "if value matches", accepted)

    def ignore_client_proposed_property(self, key: str) -> Self:
        """Accept a property that a client proposes no more."""
        return self._add("ignore client proposed property", _key(key))


_TRUST: Final = "trust client proposed property"


def _string(value: str, name: str) -> str:
    try:
        return quoted(value)
    except ValueError:
        raise ValueError(f"{name} holds a control character, or no text") from None


def _strings(values: Iterable[str], name: str) -> str:
    return f"[{' '.join(_string(value, name) for value in values)}]"


def _role(role: object, name: str = "role") -> str:
    found = text(role, name)
    if not valid_group_name(found):
        raise ValueError(f"{name} is no name of a role")
    return _string(found, name)


def _roles(roles: object) -> str:
    return f"[{' '.join(_role(role, 'roles') for role in texts(roles, 'roles'))}]"


def _principal(principal: object, name: str) -> str:
    found = text(principal, name)
    if not valid_username(found):
        raise ValueError(f"{name} is no name of a principal")
    return _string(found, name)


def _password(password: object) -> str:
    found = text(password, "password")
    if not valid_password(found):
        raise ValueError("a password has 1 to 1,024 bytes")
    return _string(found, "password")


def _path(path: object) -> str:
    try:
        return _string(parse_assignment_path(text(path, "path")).text, "path")
    except InvalidName as problem:
        raise ValueError(f"path is none: {problem}") from None


def _key(key: object) -> str:
    found = text(key, "key")
    if not valid_property_key(found):
        raise ValueError("key is no key of a property")
    return _string(found, "key")


def _permissions(permissions: object, kind: type[P]) -> str:
    names = texts(permissions, "permissions")
    found = []
    for name in names:
        permission = kind(name) if name in kind.__members__ else None
        if permission is None or name.startswith(_UNKNOWN):
            raise ValueError(f"permissions holds what is no {kind.__name__}")
        found.append(permission.value)
    return f"[{' '.join(found)}]"
