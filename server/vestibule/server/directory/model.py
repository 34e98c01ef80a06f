"""The facts of a directory as immutable values: users, groups, what they grant.

Mappings inside are never changed after they are made; a change makes new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from vestibule.protocol.actions import Section
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.protocol.property_patterns import parse_property_pattern
from vestibule.server.directory.data import NOTHING
from vestibule.server.directory.names import folded
from vestibule.server.directory.verifier import Verifier


__all__ = [
    "ADMINISTRATOR",
    "ADMIN_GROUP",
    "ADMIN_USER",
    "ANONYMOUS_USER",
    "DELEGATE_GROUP",
    "GUEST_GROUP",
    "NO_RULES",
    "AnonymousAction",
    "AnonymousPolicy",
    "Entry",
    "Group",
    "Model",
    "PropertyRule",
    "Rules",
    "User",
]

ADMIN_USER: Final = "_ADMIN"
ANONYMOUS_USER: Final = "_ANONYMOUS"
"""Stands for sessions without credentials; it is in no table and no list."""

ADMIN_GROUP: Final = "_ADMIN"
GUEST_GROUP: Final = "_GUEST"
DELEGATE_GROUP: Final = "_DELEGATE"
ADMINISTRATOR: Final = "ADMINISTRATOR"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a holder grants and prohibits at one path of one section.

    No verb is in both. `path`, the key of an entry, stands in its stored form: with
    wildcards and templates, without the broker's name in front.
    """

    allowed: frozenset[str] = frozenset()
    prohibited: frozenset[str] = frozenset()
    deep: bool = True
    """Whether a `*` crosses slashes (docs/permissions.md, "Paths in rules")."""
    description: str | None = None


Rules: TypeAlias = Mapping[Section, Mapping[str, Entry]]
"""Section, path, entry; no section is empty."""

NO_RULES: Final[Rules] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    """Give the one empty mapping: most users and groups have several."""
    return NO_RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can log in. Times are milliseconds since 1970."""

    username: str
    user_id: str
    """Random; a user that is deleted and made again has another."""
    custom_data: bytes = NOTHING
    application_data: bytes = NOTHING
    public_key: bytes | None = None
    disabled: bool = False
    expires: int | None = None
    password: Verifier | None = None
    groups: frozenset[str] = frozenset()
    """Direct memberships, `_GUEST` included."""
    rules: Rules = field(default_factory=_nothing)
    locked_by: str | None = None
    """The principal who alone may change it (docs/stores.md, "Locks")."""
    created: int = 0
    modified: int = 0

    @property
    def holder(self) -> str:
        """How grants name it."""
        return f"user:{self.username}"

    def may_log_in(self, now: int) -> bool:
        """Whether it is neither disabled nor expired at a time."""
        return not self.disabled and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A role: what it includes and what it grants."""

    name: str
    custom_data: bytes = NOTHING
    includes: frozenset[str] = frozenset()
    rules: Rules = field(default_factory=_nothing)
    global_permissions: frozenset[GlobalPermission] = frozenset()
    default_path_permissions: frozenset[PathPermission] = frozenset()
    path_permissions: Mapping[str, frozenset[PathPermission]] = field(
        default_factory=_nothing
    )
    """By concrete path; an empty set is an assignment too."""
    locked_by: str | None = None
    """The principal who alone may change it (docs/stores.md, "Locks")."""
    explicit: bool = True
    """Whether it stays when nothing mentions it; one that a script named does not."""
    created: int = 0
    modified: int = 0

    @property
    def holder(self) -> str:
        """How grants name it."""
        return f"group:{self.name}"

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing itself: no grant, no include, no lock."""
        return not (
            self.includes
            or self.rules
            or self.global_permissions
            or self.default_path_permissions
            or self.path_permissions
            or self.locked_by is not None
        )


class AnonymousAction(StrEnum):
    """What the directory answers to a login without credentials."""

    ALLOW = "allow"
    DENY = "deny"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class AnonymousPolicy:
    """Whether sessions may be anonymous, and with which groups."""

    action: AnonymousAction = AnonymousAction.DENY
    roles: frozenset[str] = frozenset()
    """Groups of the sessions that are allowed so; none unless they are."""


@dataclass(frozen=True, slots=True)
class PropertyRule:
    """What a client may propose as the value of a session property.

    One of `values`, or what `pattern` matches as a whole: one of the two is None.
    """

    values: frozenset[str] | None = None
    pattern: str | None = None

    @property
    def kind(self) -> str:
        """`values` or `matches`."""
        return "values" if self.pattern is None else "matches"

    def accepts(self, value: str) -> bool:
        """Whether a value may be proposed. Takes time linear in the value."""
        if self.pattern is not None:
            return parse_property_pattern(self.pattern).matches(value)
        return self.values is not None and value in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All facts after one transaction."""

    epoch: int = 0
    users: Mapping[str, User] = field(default_factory=_nothing)
    groups: Mapping[str, Group] = field(default_factory=_nothing)
    isolated_paths: frozenset[str] = frozenset()
    """Those that were isolated; the broker's own components are so besides."""
    named_roles: frozenset[str] = frozenset()
    """Groups that every session with a username has, if it follows the directory."""
    anonymous_roles: frozenset[str] = frozenset()
    """The same for sessions without one."""
    anonymous: AnonymousPolicy = AnonymousPolicy()
    trusted: Mapping[str, PropertyRule] = field(default_factory=_nothing)
    """By key, what clients may propose as session properties."""
    security_version: int = 1
    """Grows with each change of groups' assignments, includes, locks or existence, of
    session defaults or isolated paths (docs/stores.md, "The two views")."""
    authentication_version: int = 1
    """Grows with each change of users, passwords, memberships, users' locks, the
    anonymous policy or trusted properties."""
    locks: Mapping[str, int] = field(default_factory=_nothing)
    """How many users and groups each principal locks; follows from those."""
    spellings: Mapping[str, str] | None = None
    """From folded to stored usernames, where case does not count; else None."""

    def user(self, name: str) -> User | None:
        """Give the user of that name, in any case where case does not count."""
        found = self.users.get(name)
        if found is None and self.spellings is not None:
            stored = self.spellings.get(folded(name))
            return None if stored is None else self.users[stored]
        return found
