"""A family: all sessions and requests under one session token, and their shared limits.

A session without a token is a family of its own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.deadlines import Deadlines
from vestibule.server.profiles import Profile
from vestibule.server.secret import Secret


__all__ = [
    "Continued",
    "CountingMeter",
    "Family",
    "Member",
    "Meter",
    "Watch",
    "meter_of",
    "unlimited",
]

_LOOK_SECONDS: Final = 3600.0
"""Between two looks at a deadline that is far: what is over is forgotten by then."""


class _Link(Protocol):
    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        """Say bye and close."""


class Member(Protocol):
    """A session, as far as its family needs it."""

    @property
    def link(self) -> _Link:
        """The connection under it."""

    @property
    def ended(self) -> bool:
        """Whether it is over."""


@dataclass(frozen=True, slots=True)
class Continued:
    """What a session that was cut off goes on under when its client comes back."""

    family: "Family"
    token: Secret | None
    """The token's text, as the session was told it."""


class Family:
    """The sessions under one token, one idle clock and one count of what was allowed.

    Times are those of the loop's clock, in seconds. `expires` is when its sessions
    end, None for never.
    """

    __slots__ = (
        "_watch",
        "active_at",
        "expires",
        "members",
        "profile",
        "saved",
        "token_id",
        "used",
    )

    def __init__(
        self,
        profile: Profile,
        *,
        token_id: str | None,
        expires: float | None,
        active_at: float,
        used: int = 0,
    ) -> None:
        self.profile: Final = profile
        self.token_id: Final = token_id
        """None where no token was given."""
        self.expires: Final = expires
        self.active_at = active_at
        """When the last message or request was allowed."""
        self.used = used
        """How many were."""
        self.saved = (used, active_at)
        """What of both is kept with the token."""
        self.members: Final[dict[Member, None]] = {}
        self._watch: Watch | None = None

    @property
    def due(self) -> float | None:
        """When its sessions end by time alone, as things are; None for never."""
        idle = self.profile.idle
        silent = None if idle is None else self.active_at + idle
        if self.expires is None or (silent is not None and silent < self.expires):
            return silent
        return self.expires

    @property
    def used_up(self) -> bool:
        """Whether nothing more is allowed under it."""
        usage = self.profile.usage
        return usage is not None and self.used >= usage

    def join(
        self, member: Member, deadlines: Deadlines, now: Callable[[], float]
    ) -> None:
        """Take a session in, and end it when the time of the family is over."""
        self.members[member] = None
        if self._watch is None and self.due is not None:
            self._watch = Watch(self, now)
            deadlines.watch(self._watch)

    def leave(self, member: Member) -> None:
        """Let a session go."""
        self.members.pop(member, None)
        if not self.members and self._watch is not None:
            self._watch.family = None
            self._watch = None

    def end(
        self, code: CloseCode, reason: EndReason, *, but: Member | None = None
    ) -> None:
        """End the sessions, but one, at once: nothing that waits is sent any more."""
        for member in list(self.members):
            if member is not but:
                member.link.end(code, reason, discard=True)

    def late(self, now: float) -> None:
        """End the sessions because their time is over."""
        self._watch = None
        over = self.expires is not None and now >= self.expires
        reason = EndReason.EXPIRED if over else EndReason.IDLE
        self.end(CloseCode.SESSION_EXPIRED, reason)


def unlimited() -> Family:
    """Make a family without a token and without limits."""
    profile = Profile(
        name="",
        ttl=None,
        idle=None,
        usage=None,
        token_ttl=0.0,
        token_logins=False,
        lock_token_to_broker=False,
        addresses=None,
        narrowing=None,
    )
    return Family(profile, token_id=None, expires=None, active_at=0.0)


class Watch:
    """A family's entry among the deadlines; it holds nothing once that is empty."""

    __slots__ = ("_now", "family")

    def __init__(self, family: Family, now: Callable[[], float]) -> None:
        self.family: Family | None = family
        self._now: Final = now

    @property
    def due(self) -> float:
        """When to look, at the latest in an hour."""
        look = self._now() + _LOOK_SECONDS
        due = None if self.family is None else self.family.due
        return look if due is None else min(due, look)

    @property
    def over(self) -> bool:
        """Whether no session is left to end."""
        return self.family is None

    def late(self) -> None:
        """End what is late."""
        if self.family is not None:
            self.family.late(self._now())


class Meter:
    """Keeps the idle clock of a family going with what a session is allowed.

    The router sets `fresh` with each message.
    """

    __slots__ = ("_family", "fresh")

    def __init__(self, family: Family) -> None:
        self._family: Final = family
        self.fresh = True

    def allows(self, now: float) -> bool:
        """Take note of a message that was allowed; false if it is one too many."""
        self._family.active_at = now
        return True

    def touch(self, now: float) -> None:
        """Take note of a sign of life that nobody decides."""
        self._family.active_at = now


class CountingMeter(Meter):
    """Counts besides what a session is allowed, a message once however it is decided.

    `end` is called once, in a later turn, when too much was asked: the refusal goes
    out first.
    """

    __slots__ = ("_end", "_most", "_over")

    def __init__(self, family: Family, most: int, end: Callable[[], object]) -> None:
        super().__init__(family)
        self._most: Final = most
        self._end: Final = end
        self._over = False

    def allows(self, now: float) -> bool:
        """Count a message that was allowed; false if it is one too many."""
        if self.fresh:
            self.fresh = False
            family = self._family
            used = family.used
            if used < self._most:
                family.used = used + 1
                family.active_at = now
                return True
            if not self._over:
                self._over = True
                asyncio.get_running_loop().call_soon(self._end)
        return not self._over


def meter_of(family: Family, end: Callable[[], object]) -> Meter | None:
    """Give what counts for a session of a family, None where nothing is counted."""
    profile = family.profile
    if profile.usage is not None:
        return CountingMeter(family, profile.usage, end)
    return None if profile.idle is None else Meter(family)
