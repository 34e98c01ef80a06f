"""What strangers, logins and sessions may cost: each key with its bounds and reason.

`docs/configuration.md` is generated from here.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from vestibule.server.config_fields import (
    DAY,
    HOUR,
    MEBIBYTE,
    MILLION,
    Section,
    count,
    number,
    seconds,
    size,
)
from vestibule.server.machine import cores, memory_bytes


__all__ = [
    "MEMLIMIT_FLOOR",
    "OPSLIMIT_FLOOR",
    "Limits",
    "Lockout",
    "Passwords",
    "Quarantine",
]

OPSLIMIT_FLOOR: Final = 2
"""Fewer passes of Argon2id than this are a configuration error."""

MEMLIMIT_FLOOR: Final = 19 * 1024 * 1024
"""Less memory for Argon2id than this is a configuration error."""


class Quarantine(Section):
    """What a connection may do, cost and take before its login is accepted."""

    request_bytes: int = size(
        8_192,
        "longest upgrade request: one with a generous cookie",
        least=1_024,
        most=65_536,
    )
    handshake_timeout: float = seconds(
        5.0,
        "from the accept to a whole ClientHello: a slow mobile network needs 2; a "
        "silent stranger is gone after 5",
        most=HOUR,
    )
    timeout: float = seconds(
        30.0,
        "from the accept to the admission: a person types a password, a handler asks a "
        "service",
        most=HOUR,
    )
    message_bytes: int = size(
        32_768,
        "longest message: login data of 16 KiB, its envelope and padding",
        least=1_024,
        most=MEBIBYTE,
    )
    total_bytes: int = size(
        131_072,
        "all that a stranger may send: the request, a hello and three of the largest "
        "logins",
        least=4_096,
        most=16 * MEBIBYTE,
    )
    frames: int = count(
        64,
        "data frames: a hello, three attempts of two records, pings between",
        least=2,
        most=65_536,
    )
    control_frames: int = count(
        64, "WebSocket pings and pongs of cautious proxies", most=65_536
    )
    write_buffer_bytes: int = size(
        262_144,
        "unsent answers: one read's worth; a peer that does not read cannot make it "
        "grow",
        least=4_096,
        most=16 * MEBIBYTE,
    )
    max_attempts: int = count(3, "logins of a connection: mistyping, not guessing")
    max_connections: int = count(
        1_000, "strangers at a time: at 128 KiB each, 128 MB at the very worst"
    )
    max_per_address: int = count(
        50,
        "strangers at a time from one address: a household or a small office "
        "reconnecting; test loads set more",
    )
    evict_after: float = seconds(
        1.0,
        "age from which a stranger may lose its place to a new one: an honest login "
        "takes milliseconds, so holding all places takes 1,000 new connections a "
        "second",
        least=0.0,
        most=HOUR,
    )
    max_failures_per_address: int = count(
        30, "failed logins from one address within the window: one trying many names"
    )
    failure_window: float = seconds(
        300.0, "how long a failed login counts for its address", most=7 * DAY
    )

    @model_validator(mode="after")
    def _a_login_fits(self) -> "Quarantine":
        if self.total_bytes < self.request_bytes + self.message_bytes:
            raise ValueError(
                "total_bytes must hold request_bytes and message_bytes together"
            )
        return self


class Lockout(Section):
    """Guessing at one name from one address."""

    enabled: StrictBool = Field(
        default=True,
        description="`false` is named `lockout_off` in a warning at the start and told "
        "to every session",
    )
    attempts: int = count(
        4, "failures that lock: with the interval, 576 guesses a day and address"
    )
    interval: float = seconds(
        600.0, "from the last counted failure to the next attempt", most=7 * DAY
    )


def _default_workers(values: dict[str, Any]) -> int:
    """Give the smaller of cores and a quarter of memory over memlimit, at least 1."""
    memlimit = values.get("memlimit") or MEMLIMIT_FLOOR
    return max(1, min(cores(), memory_bytes() // 4 // memlimit))


class Passwords(Section):
    """How passwords are hashed (Argon2id) and how many at a time."""

    opslimit: int = count(
        2,
        "passes; with the default memory about 40 ms. Clients compute at most 10",
        least=OPSLIMIT_FLOOR,
        most=10,
    )
    memlimit: int = size(
        64 * MEBIBYTE,
        "memory of one hash, which is what makes guessing expensive. Clients take at "
        "most 1 GiB",
        least=MEMLIMIT_FLOOR,
        most=1024 * MEBIBYTE,
    )
    min_length: int = number(
        1, "bytes", "shortest password that may be set: the operator's choice", 1, 1_024
    )
    workers: int = Field(
        default_factory=_default_workers,
        ge=1,
        le=256,
        strict=True,
        description="threads that hash; as many as there are cores, but never more "
        "than take a quarter of the memory",
        json_schema_extra={
            "unit": "",
            "least": 1,
            "most": 256,
            "default": "cores, or a quarter of the memory / memlimit if that is less",
        },
    )
    queue: int = count(
        64, "logins that wait for a thread: about 3 s on one core, then BUSY"
    )


def _off(value: Any) -> Any:
    return None if value == "off" else value


class Limits(Section):
    """What one admitted session may cost."""

    message_bytes: int = size(
        1_048_576,
        "longest record on the wire, in both directions; opening one takes about a "
        "millisecond",
        least=1_024,
        most=64 * MEBIBYTE,
    )
    batch_messages: int = count(
        4_096, "messages in a record: a batch is handled in a few turns", most=65_536
    )
    fragments: int = count(
        16,
        "frames of one WebSocket message: for proxies that fragment, not fragments by "
        "the thousand",
        most=1_024,
    )
    data_depth: int = count(
        64, "containers inside each other in a message", least=4, most=128
    )
    data_nodes: int = count(
        100_000,
        "values in a message: far above real data; 100,000 empty lists are about 8 MB "
        "when decoded",
        least=100,
        most=10 * MILLION,
    )
    outbox_bytes: int = size(
        8_388_608,
        "unsent deliveries; above, the session ends as a slow reader: a second of 1 KB "
        "messages at 8,000 a second",
        least=4_096,
        most=1024 * MEBIBYTE,
    )
    write_timeout: float = seconds(
        10.0, "a peer that takes no byte in this time is a slow reader too", most=HOUR
    )
    turn_messages: int = count(
        256,
        "messages of one session between two turns of another: about 10 ms of work",
        most=65_536,
    )
    waiting_messages: int = count(
        4_096,
        "undecided requests, above which a session is not read further: one full "
        "record ahead, so that answers behind them get through",
    )
    waiting_bytes: int = size(
        1_048_576,
        "the same in bytes",
        least=1_024,
        most=1024 * MEBIBYTE,
    )
    messages_per_second: Annotated[int | None, BeforeValidator(_off)] = Field(
        default=None,
        ge=1,
        le=MILLION,
        strict=True,
        description="rate above which a session is read more slowly; `off` by default, "
        "because fairness comes from the turn; operators who sell rates set it",
        json_schema_extra={
            "unit": "messages a second",
            "least": 1,
            "most": MILLION,
            "default": "off",
        },
    )
    subscriptions: int = count(
        10_000, "subscriptions of a session: a busy gateway; each costs about 1 KB"
    )
    providers: int = count(1_000, "names that a session provides, likewise")
    pending_calls: int = count(1_000, "open calls of a session, likewise")
    bulk_items: int = count(1_000, "patterns of one request, likewise")
    remembered_names: int = count(
        10_000,
        "names for which a pattern's subscription keeps the handler's answer; above, "
        "the least recent is asked again",
    )
    sessions_per_user: int = count(
        100, "sessions of one user: its devices, or a small service"
    )
    tokens_per_user: int = count(
        1_000,
        "session tokens of one user that are remembered; beyond, the oldest that no "
        "session is using is forgotten",
        least=2,
    )
