"""The roles of a session: where its groups come from, and what was changed of them.

Which way of being admitted gives which is docs/sessions.md, "Roles of a session".
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


__all__ = ["ANONYMOUS", "BOUND", "DEFAULTS", "Roles", "RolesKind"]

_NONE: Final[frozenset[str]] = frozenset()


class RolesKind(StrEnum):
    """Where the groups come from. All but the last follow the directory."""

    BOUND = "bound"
    """The defaults of named sessions and the groups of the user of the name."""
    ANONYMOUS = "anonymous"
    """The defaults of anonymous sessions and what anonymous connections are given."""
    DEFAULTS = "defaults"
    """The defaults of named or of anonymous sessions, as the name says."""
    FIXED = "fixed"
    """Exactly those that whoever admitted the session said."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Where a session's groups come from, and the change that was laid over them."""

    kind: RolesKind
    groups: frozenset[str] = _NONE
    """What a session with fixed roles has; empty for the others."""
    removed: frozenset[str] = _NONE
    added: frozenset[str] = _NONE

    @classmethod
    def fixed(cls, groups: Iterable[str]) -> "Roles":
        """Give roles that stay, whatever becomes of the directory."""
        return cls(RolesKind.FIXED, frozenset(groups))

    @property
    def bound(self) -> bool:
        """Whether a session with them follows the directory user of its name."""
        return self.kind is RolesKind.BOUND

    def over(self, groups: frozenset[str]) -> frozenset[str]:
        """Give what is had where `groups` are what the directory gives now."""
        if not self.removed and not self.added:
            return groups
        return (groups - self.removed) | self.added

    def changed(self, *, remove: Iterable[str], add: Iterable[str]) -> "Roles":
        """Lay one more change over them; the later one wins. No group is in both."""
        less, more = frozenset(remove), frozenset(add)
        return replace(
            self,
            removed=(self.removed - more) | less,
            added=(self.added - less) | more,
        )


BOUND: Final = Roles(RolesKind.BOUND)
ANONYMOUS: Final = Roles(RolesKind.ANONYMOUS)
DEFAULTS: Final = Roles(RolesKind.DEFAULTS)
