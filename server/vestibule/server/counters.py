"""What the broker has counted since it started."""

from collections.abc import Iterator, Mapping
from typing import Final


__all__ = ["COUNTERS", "Counters"]

COUNTERS: Final = (
    "connections_refused",
    "quarantine_dropped",
    "quarantine_evicted",
    "quarantine_timeouts",
    "handshakes_failed",
    "records_rejected",
    "parse_errors",
    "logins_evaluated",
    "logins_refused",
    "logins_locked",
    "logins_busy",
    "sessions_admitted",
    "sessions_revoked",
    "slow_readers",
    "handler_failures",
    "messages_denied",
    "storage_failures",
    "audit_lost",
)


class Counters(Mapping[str, int]):
    """A closed set of counters from zero; reading is public, counting is not."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: Final = dict.fromkeys(COUNTERS, 0)

    def add(self, name: str) -> None:
        """Count one more of `name`.

        Raises:
            KeyError: `name` is none of `COUNTERS`.
        """
        self._values[name] += 1

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
