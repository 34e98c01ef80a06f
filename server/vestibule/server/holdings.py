"""What sessions hold by a right that can be lost: subscriptions, provisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from vestibule.protocol.actions import Need
from vestibule.protocol.names import Name
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.policy import Subject
from vestibule.server.session import Session
from vestibule.server.verdict import Allowed, Denied


__all__ = ["Holder", "Holding"]


@dataclass(frozen=True, slots=True)
class Holding:
    """One of them, as the question that decides whether it stands."""

    kind: str
    """As suspensions call it on the wire: `event`, `rpc`."""
    asked: Name | Pattern
    need: Need
    suspended: bool

    def decided_for(self, subject: Subject) -> Allowed | Denied:
        """Decide it for somebody, as the gate does when rights change."""
        if isinstance(self.asked, Name):
            return subject.decide(self.need, self.asked)
        return subject.decide_pattern(self.need, self.asked)


class Holder(Protocol):
    """A feature that keeps such things for sessions."""

    def holdings(self, session: Session) -> Iterable[Holding]:
        """Give what it keeps for a session now."""
