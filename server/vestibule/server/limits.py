"""The limits of a session that features enforce, each under its configured name."""

from dataclasses import dataclass


__all__ = ["SessionLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How much one session may hold at once; over it, LIMIT_EXCEEDED names the limit.

    `docs/configuration.md` has the defaults and their reasons.
    """

    subscriptions: int
    providers: int
    pending_calls: int
    bulk_items: int
    accept_timeout: float
    """Seconds until a provider must accept a call."""
    max_timeout: float
    """Seconds that a call may ask for."""
