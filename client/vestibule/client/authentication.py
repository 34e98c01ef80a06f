"""What a control authenticator is asked, and what it answers: values, compared as such."""

from collections.abc import Awaitable, Mapping
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from vestibule.client.checks import text_map


__all__ = [
    "Abstain",
    "Allow",
    "AuthenticationRequest",
    "Authenticator",
    "Deny",
]


@dataclass(frozen=True, slots=True)
class AuthenticationRequest:
    """A login to decide. Its repr shows no credential."""

    principal: str
    """The name that is proposed; empty if none, and for an anonymous login."""
    credentials: Mapping[str, Any]
    """What the login proves itself with; just `{"scheme": …}` where only the directory
    of the broker can check it."""
    session_properties: Mapping[str, str]
    """`$Principal` as proposed, or the old one of a session that is to be somebody
    else; `$Roles` that a plain `Allow()` would give; the others as they are."""
    proposed_properties: Mapping[str, str]
    """What the client would like; nothing of it counts unless it is allowed."""
    reauthentication: bool
    """Whether a session wants to be somebody else."""

    def __repr__(self) -> str:
        # The principal too: people type passwords into the wrong field.
        again = ", reauthentication" if self.reauthentication else ""
        return f"<AuthenticationRequest of {len(self.credentials)} credentials{again}>"


@dataclass(frozen=True, slots=True)
class Allow:
    """Let in.

    Without properties the session is whom it asked to be, with the roles that sessions
    have by default, and without user-defined properties. With them it has exactly
    those; `$Principal`, `$Roles`, `$ExpiryTime` and the location keys are applied.
    `directory_groups` gives the groups of the user of that name besides.

    Raises:
        TypeError: properties that are no mapping of str to str.
    """

    properties: Mapping[str, str] | None = None
    _: KW_ONLY
    directory_groups: bool = False

    def __post_init__(self) -> None:
        if self.properties is not None:
            given = text_map(self.properties, "properties")
            object.__setattr__(self, "properties", MappingProxyType(given))
        if not isinstance(self.directory_groups, bool):
            raise TypeError("directory_groups is a bool")

    def __hash__(self) -> int:
        given = None if self.properties is None else frozenset(self.properties.items())
        return hash((given, self.directory_groups))


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse. The reason goes into the broker's audit log, not to the client.

    Raises:
        TypeError: a reason that is no str.
    """

    reason: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str | None):
            raise TypeError("reason is a str, or None")


@dataclass(frozen=True, slots=True)
class Abstain:
    """Leave it to whoever comes next in the broker's chain."""


Answer: TypeAlias = Allow | Deny | Abstain


class Authenticator:
    """The base of control authenticators: override `authenticate`.

    Any object with these methods will do, `closed` may be missing; each may be `def` or
    `async def`.
    """

    def authenticate(
        self, request: AuthenticationRequest
    ) -> Answer | Awaitable[Answer]:
        """Decide a login. Whatever is raised, or no such answer, counts as a failure."""
        raise NotImplementedError

    def closed(self, code: str) -> Awaitable[None] | None:
        """Hear, once, that it is not asked any more; `code` says why."""
        del code
        return None
