"""Which sessions asked to hear what the broker itself emits."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from vestibule.server.session import Session


__all__ = ["Attachments", "Family"]


class Family(StrEnum):
    """Events that are attached to together."""

    DIRECTORY = "directory"
    SESSIONS = "sessions"


class Attachments:
    """The attached sessions, by family. Attaching grants nothing: the gate decides."""

    def __init__(self) -> None:
        self._attached: Final[dict[Family, dict[Session, None]]] = {
            family: {} for family in Family
        }

    def attach(self, family: Family, session: Session) -> None:
        """Let a session hear a family, as far as it subscribes and may. Idempotent."""
        if not session.ended:
            self._attached[family][session] = None

    def detach(self, family: Family, session: Session) -> None:
        """End that. Idempotent."""
        self._attached[family].pop(session, None)

    def of(self, family: Family) -> Collection[Session]:
        """Give the sessions attached to a family."""
        return self._attached[family].keys()

    def ended(self, session: Session) -> None:
        """Forget a session that is over."""
        for family in Family:
            self.detach(family, session)
