"""The scenarios and their sizes: one table for the drivers of both languages."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final


__all__ = ["DEFAULT", "SCENARIOS", "SHORT", "Plan", "Scenario", "Stage"]


class Stage(StrEnum):
    """Scenarios of one stage share a server; each stage starts a new one."""

    LOGIN = "login"
    """Passwords are stored as the peer's documentation says."""
    LOAD = "load"
    IDLE = "idle"
    """A server that has served nobody else, so that only connections add memory."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is measured, in which unit, and what Vestibule may spend on it."""

    name: str
    stage: Stage
    title: str
    unit: str
    budget_us: float | None = None
    """Server CPU microseconds a unit, encryption on. Of a login, besides the hash."""
    budget_kib: float | None = None


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("login_seq", Stage.LOGIN, "Login, one at a time", "login", 500),
        Scenario("login_conc", Stage.LOGIN, "Login, 100 at once", "login", 500),
        Scenario("rpc_1", Stage.LOAD, "RPC, 1 caller", "call", 30),
        Scenario("rpc_50", Stage.LOAD, "RPC, 50 callers", "call", 20),
        Scenario("publish", Stage.LOAD, "Publish 1 to 1, window 256", "event", 4),
        Scenario("fan_16", Stage.LOAD, "Fan-out 1 to 100, window 16", "delivery", 2),
        Scenario("fan_1", Stage.LOAD, "Fan-out 1 to 100, window 1", "delivery", 5),
        Scenario("idle", Stage.IDLE, "1,000 idle sessions", "session", budget_kib=25),
    )
}
"""In the order of the report. `idle` may lie between 12 and 53 KiB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of a run. A driver gets it as JSON and adds none of its own."""

    warm_seconds: float
    """Before each measure: compilers get warm, and the rate found sets the count."""
    seconds: float
    """About how long one measure lasts."""
    repeats: int
    """Of these the lower quartile by server CPU is kept: what disturbs only adds."""
    logins: int = 100
    callers: int = 50
    window: int = 256
    subscribers: int = 100
    fan_window: int = 16
    idle: int = 1_000
    idle_settle_seconds: float = 3.0
    payload: int = 128
    users: int = 200
    """Accounts of every server; connection n logs in as user n modulo this."""
    note: str = ""
    """Stands in every row."""

    def as_json(self) -> dict[str, float | str]:
        """Give the sizes by name."""
        return asdict(self)


DEFAULT: Final = Plan(warm_seconds=3.0, seconds=1.0, repeats=7)
SHORT: Final = Plan(
    warm_seconds=0.5,
    seconds=0.5,
    repeats=1,
    logins=30,
    idle=200,
    note="a short run, for a look",
)
"""Whether everything runs, in a minute a peer."""
