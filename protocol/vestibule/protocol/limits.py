"""What bounds one connection on the wire: each limit with its unit and its reason."""

from dataclasses import dataclass
from typing import Final


__all__ = ["MAX_ID", "WireLimits"]

_MIN_QUARANTINE_MESSAGE_BYTES: Final = 1024
_MIN_BATCH_MESSAGES: Final = 3
_MAX_ANNOUNCED: Final = 2**32 - 1
_MAX_REKEY_RECORDS: Final = 2**20
_MAX_REKEY_BYTES: Final = 2**30
_MAX_REKEY_SECONDS: Final = 900.0

MAX_ID: Final = 2**53 - 1
"""The largest request id: what a double holds exactly, so every language can count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireLimits:
    """The limits that the protocol core itself enforces or announces.

    The first six travel in the ServerHello. Times are in the unit of the name. Values
    that no connection could work with are a `ValueError`.
    """

    quarantine_message_bytes: int = 32_768
    """Longest message before admission: login data of 16 KiB, envelope, padding."""

    message_bytes: int = 1_048_576
    """Longest record (its box) after admission, in both directions."""

    batch_messages: int = 4_096
    """Most messages in one record; a batch is handled in a few turns.

    At least 3: a padded login that changes keys.
    """

    quarantine_timeout_ms: int = 30_000
    """From the accept to the admission: a person types a password."""

    login_attempts: int = 3
    """Logins that a connection may try: mistyping, not guessing."""

    heartbeat_ms: int = 30_000
    """Silence after which an admitted end pings: below the idle time of proxies."""

    data_depth: int = 64
    """Containers inside each other in one message, its own array counted."""

    data_nodes: int = 100_000
    """Values in one message: 100,000 empty lists are about 8 MB when decoded."""

    quarantine_waiting_bytes: int = 131_072
    """What waits unopened while a login is decided (quarantine.total_bytes)."""

    rekey_records: int = 2**20
    """Records of one epoch; only smaller values are taken."""

    rekey_bytes: int = 2**30
    """Bytes of one epoch's boxes; only smaller values are taken."""

    rekey_seconds: float = 900.0
    """Age of an epoch at which its next record changes keys; only smaller values."""

    def __post_init__(self) -> None:
        announced = {
            "quarantine_message_bytes": _MIN_QUARANTINE_MESSAGE_BYTES,
            "message_bytes": self.quarantine_message_bytes,
            "batch_messages": _MIN_BATCH_MESSAGES,
            "quarantine_timeout_ms": 1,
            "login_attempts": 1,
            "heartbeat_ms": 1,
        }
        for name, least in announced.items():
            self._check(name, least, _MAX_ANNOUNCED)
        for name in ("data_depth", "data_nodes", "quarantine_waiting_bytes"):
            self._check(name, 1, _MAX_ANNOUNCED)
        # Two records: the server's first epoch begins with the proof, which cannot
        # change keys itself.
        self._check("rekey_records", 2, _MAX_REKEY_RECORDS)
        self._check("rekey_bytes", 1024, _MAX_REKEY_BYTES)
        self._check("rekey_seconds", 0, _MAX_REKEY_SECONDS)

    def _check(self, name: str, least: float, most: float) -> None:
        if not least <= getattr(self, name) <= most:
            raise ValueError(f"{name} is not from {least} to {most}")
