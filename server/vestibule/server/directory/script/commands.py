"""The commands of scripts as frozen values, with the columns of what they name."""

from dataclasses import dataclass, field
from typing import TypeAlias

from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.model import AnonymousAction, PropertyRule


__all__ = [
    "AddPrincipal",
    "AssignRoles",
    "Command",
    "IgnoreProperty",
    "IsolatePath",
    "LockRole",
    "RemoveAssignment",
    "RemovePrincipal",
    "SetAnonymousPolicy",
    "SetDefault",
    "SetGlobal",
    "SetIncludes",
    "SetPassword",
    "SetPath",
    "SetSessionRoles",
    "Spot",
    "TrustProperty",
    "UnlockPrincipal",
    "UnlockRole",
    "VerifyPassword",
]


@dataclass(frozen=True, slots=True)
class Spot:
    """A role, a principal or a path, and the column where it stands."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class SetGlobal:
    """A role's global permissions are these."""

    role: Spot
    permissions: frozenset[GlobalPermission]


@dataclass(frozen=True, slots=True)
class SetDefault:
    """A role's default path permissions are these."""

    role: Spot
    permissions: frozenset[PathPermission]


@dataclass(frozen=True, slots=True)
class SetPath:
    """A role's assignment at a path is this, also if it is empty."""

    role: Spot
    path: Spot
    permissions: frozenset[PathPermission]


@dataclass(frozen=True, slots=True)
class RemoveAssignment:
    """A role has no assignment at a path."""

    role: Spot
    path: Spot


@dataclass(frozen=True, slots=True)
class SetIncludes:
    """A role includes these."""

    role: Spot
    roles: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class SetSessionRoles:
    """The default roles of named or of anonymous sessions are these."""

    named: bool
    roles: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class LockRole:
    """Only a principal may change a role from now on."""

    role: Spot
    locker: Spot


@dataclass(frozen=True, slots=True)
class UnlockRole:
    """Nobody's lock is on a role."""

    role: Spot


@dataclass(frozen=True, slots=True)
class IsolatePath:
    """A path is isolated, or is not."""

    path: Spot
    isolated: bool


@dataclass(frozen=True, slots=True)
class AddPrincipal:
    """There is a new user with a password, these roles, and perhaps a lock."""

    principal: Spot
    password: str = field(repr=False)
    roles: tuple[Spot, ...]
    locker: Spot | None


@dataclass(frozen=True, slots=True)
class SetPassword:
    """A user has this password."""

    principal: Spot
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifyPassword:
    """Fails unless a user has this password."""

    principal: Spot
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemovePrincipal:
    """A user is gone."""

    principal: Spot


@dataclass(frozen=True, slots=True)
class AssignRoles:
    """A user has these roles."""

    principal: Spot
    roles: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class UnlockPrincipal:
    """Nobody's lock is on a user."""

    principal: Spot


@dataclass(frozen=True, slots=True)
class SetAnonymousPolicy:
    """What is answered to logins without credentials, and with which roles."""

    action: AnonymousAction
    roles: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class TrustProperty:
    """What clients may propose as a session property."""

    key: str
    rule: PropertyRule


@dataclass(frozen=True, slots=True)
class IgnoreProperty:
    """Nothing that clients propose as a session property counts."""

    key: str


Command: TypeAlias = (
    SetGlobal
    | SetDefault
    | SetPath
    | RemoveAssignment
    | SetIncludes
    | SetSessionRoles
    | LockRole
    | UnlockRole
    | IsolatePath
    | AddPrincipal
    | SetPassword
    | VerifyPassword
    | RemovePrincipal
    | AssignRoles
    | UnlockPrincipal
    | SetAnonymousPolicy
    | TrustProperty
    | IgnoreProperty
)
