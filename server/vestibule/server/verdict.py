"""What the gate answers: allowed or denied, and by which grant."""

from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from vestibule.protocol.errors import ErrorCode


__all__ = ["Allowed", "Denied", "Grant", "Verdict"]


@dataclass(frozen=True, slots=True)
class Grant:
    """The one rule, assignment or global permission that decided."""

    holder: str
    """`group:<name>` or `user:<name>`."""
    section: str
    """A section of permission objects, or `assignment`, or `global`."""
    pattern: str
    """The rule's pattern as stored, the assignment's path, or `default`."""
    action: str
    """The verb, or the permission."""
    authorized: bool
    """False for a prohibition."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes, and why: `reason` is for the audit log and for `explain`."""

    reason: str = ""
    grant: Grant | None = None

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is not a bool: match on Allowed or Denied")


@dataclass(frozen=True, slots=True)
class Denied:
    """No, and why: `reason` is for the audit log and `explain`, never for the peer.

    `forbidden` says that a prohibition decided, which nothing overrides; otherwise
    nothing was found that allows, and a permission handler may decide differently.
    """

    reason: str = ""
    grant: Grant | None = None
    forbidden: bool = False
    failed: str | None = None
    """Set where the check itself failed: the text the peer gets, with the code
    MESSAGE_PERMISSION_ERROR instead of MESSAGE_DENIED."""
    code: ErrorCode | None = None
    """Set where it is the session's profile that refuses what the policy allows."""

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is not a bool: match on Allowed or Denied")


Verdict: TypeAlias = Allowed | Denied
