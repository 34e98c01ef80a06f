"""The harness's side of a driver: says when to go, and reads the meter around it.

A driver prints one JSON object a line and waits for a word where it asks for one:

    {"checked": ["publish", …]}                       what was denied, as it must be
    {"begin": "rpc_1", "units": 5000}                 waits for `go`
    {"end": "rpc_1", "wall_s": …, "client_cpu_s": …, "p50_us": …, "p99_us": …}
                                                      waits for `again` or `next`
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness import cores, launch, machine
from harness.meter import Meter, Reading
from harness.plan import SCENARIOS, Plan, Stage
from harness.results import Row


__all__ = ["Conductor", "DriverError"]

QUIET_CORES = 0.12
"""Others may use this much of the machine before a measure counts as disturbed."""
QUIET_SPAN_SECONDS = 0.4
SETTLE_SECONDS = 0.05
"""After the last answer a server may still be tidying up after it: that is counted."""
DISTURBED_TRIES = 4
SLOWED = 1.2
"""A core this much slower than at its best is shared with somebody out of sight: a
virtual machine's neighbours show in no counter of ours."""
SATURATED = 0.85
LOG_TAIL = 2_000


class DriverError(Exception):
    """A driver broke off; holds the end of its log."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}\n{log.read_text()[-LOG_TAIL:]}")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One repeat: two readings and what the driver saw between them."""

    units: int
    pace: float
    """How slow the server's core was around it, `machine.pace`."""
    before: Reading
    after: Reading
    wall_s: float
    client_cpu_s: float
    p50_us: float | None
    p99_us: float | None

    @property
    def server_cpu_s(self) -> float:
        """CPU that the server spent."""
        return self.after.server_cpu - self.before.server_cpu

    @property
    def server_us(self) -> float:
        """CPU that the server spent on one unit."""
        return self.server_cpu_s / self.units * 1e6

    @property
    def main_us(self) -> float:
        """CPU that the server's main thread spent on one unit."""
        return (self.after.main_cpu - self.before.main_cpu) / self.units * 1e6

    @property
    def other_util(self) -> float:
        """Cores that others used."""
        busy = self.after.machine_cpu - self.before.machine_cpu
        span = self.after.at - self.before.at
        return max(0.0, (busy - self.server_cpu_s - self.client_cpu_s) / span)


class Conductor:
    """Runs one driver against one server, and gives its rows as they come."""

    def __init__(
        self, peer: str, plan: Plan, *, patience: float, say: Callable[[str], None]
    ) -> None:
        """`patience`: how long to wait for a quiet machine before each measure."""
        self.peer = peer
        self.plan = plan
        self.patience = patience
        self.say = say
        self.best_pace = float("inf")

    def run(self, driver: launch.Command, server: int, log: Path) -> Iterator[Row]:
        """Run a driver to its end; raises `DriverError`."""
        meter = Meter(server)
        with log.open("w") as sink:
            process = launch.start(driver, cores.CLIENT, log=sink, talk=True)
            try:
                yield from self.listen(process, meter, log)
                if process.wait(launch.PATIENCE_SECONDS) != 0:
                    raise DriverError(f"driver ended with {process.returncode}", log)
            finally:
                launch.end(process)

    def listen(
        self, process: subprocess.Popen[str], meter: Meter, log: Path
    ) -> Iterator[Row]:
        """Answer a driver's lines until it has no more."""
        if process.stdout is None or process.stdin is None:
            raise DriverError("the driver cannot be talked to", log)
        attempts: list[Attempt] = []
        before: Reading | None = None
        units = 0
        pace = 0.0
        for line in process.stdout:
            match json.loads(line):
                case {"checked": list(checks)}:
                    denied = ", ".join(checks) or "nothing"
                    self.say(f"{self.peer}: denied, as it must be: {denied}")
                case {"begin": str(), "units": int(units)}:
                    pace = self.wait_for_quiet(meter)
                    before = meter.read()
                    tell(process.stdin, "go")
                case {"end": str(name), **seen} if before is not None:
                    time.sleep(SETTLE_SECONDS)
                    after = meter.read()
                    pace = (pace + self.server_pace()) / 2
                    attempts.append(attempt(units, pace, before, after, seen))
                    if self.wants_more(name, attempts):
                        tell(process.stdin, "again")
                        continue
                    row = self.row(name, attempts)
                    attempts = []
                    tell(process.stdin, "next")
                    yield row
                case other:
                    raise DriverError(f"the driver said {other!r}", log)

    def wants_more(self, name: str, attempts: list[Attempt]) -> bool:
        """Whether to measure once more: a repeat, or in place of a disturbed one."""
        if SCENARIOS[name].stage is Stage.IDLE:  # the sessions are there already
            return False
        disturbed = sum(not self.undisturbed(each) for each in attempts)
        return len(attempts) < self.plan.repeats + min(disturbed, DISTURBED_TRIES)

    def undisturbed(self, attempt: Attempt) -> bool:
        """Whether nobody else used the machine, seen or unseen."""
        quiet = attempt.other_util <= QUIET_CORES
        return quiet and attempt.pace <= self.best_pace * SLOWED

    def server_pace(self) -> float:
        """Try how fast the server's core is; the server rests meanwhile."""
        with cores.pinned(cores.SERVER):
            pace = machine.pace()
        self.best_pace = min(self.best_pace, pace)
        return pace

    def wait_for_quiet(self, meter: Meter) -> float:
        """Return when the rest of the machine rests, or patience ends; the pace."""
        deadline = time.perf_counter() + self.patience
        while True:
            one = meter.read()
            time.sleep(QUIET_SPAN_SECONDS)
            two = meter.read()
            busy = two.machine_cpu - one.machine_cpu
            busy -= two.server_cpu - one.server_cpu
            pace = self.server_pace()
            quiet = busy / (two.at - one.at) < QUIET_CORES
            if quiet and pace <= self.best_pace * SLOWED:
                return pace
            if time.perf_counter() >= deadline:
                return pace

    def row(self, name: str, attempts: list[Attempt]) -> Row:
        """Keep the lower quartile, of the undisturbed attempts if there are any."""
        quiet = [each for each in attempts if self.undisturbed(each)]
        usable = sorted(quiet or attempts, key=lambda each: each.server_us)
        kept = usable[len(usable) // 4]
        server_util = kept.server_cpu_s / kept.wall_s
        client_util = kept.client_cpu_s / kept.wall_s
        grown = kept.after.rss_kib - kept.before.rss_kib
        idle = SCENARIOS[name].stage is Stage.IDLE
        disturbed = "" if quiet or idle else "others used the machine meanwhile"
        return Row(
            peer=self.peer,
            scenario=name,
            units=kept.units,
            wall_s=round(kept.wall_s, 4),
            rate=round(kept.units / kept.wall_s, 1),
            server_us=round(kept.server_us, 2),
            server_us_low=round(usable[0].server_us, 2),
            server_us_high=round(usable[-1].server_us, 2),
            main_us=round(kept.main_us, 2),
            server_util=round(server_util, 2),
            client_util=round(client_util, 2),
            other_util=round(kept.other_util, 2),
            limited_by=limit(server_util, client_util),
            p50_us=kept.p50_us,
            p99_us=kept.p99_us,
            rss_kib=kept.after.rss_kib,
            kib_per_connection=round(grown / kept.units, 1) if idle else None,
            pace_ms=round(kept.pace, 2),
            repeats=len(usable),
            at=time.strftime("%H:%M:%S"),
            note=", ".join(filter(None, [self.plan.note, disturbed])),
        )


def attempt(
    units: int,
    pace: float,
    before: Reading,
    after: Reading,
    seen: Mapping[object, object],
) -> Attempt:
    """Put the meter's and the driver's halves of a repeat together."""
    match seen:
        case {
            "wall_s": float() | int() as wall,
            "client_cpu_s": float() | int() as cpu,
            "p50_us": float() | int() | None as p50,
            "p99_us": float() | int() | None as p99,
        }:
            return Attempt(units, pace, before, after, wall, cpu, p50, p99)
        case _:
            raise ValueError(f"not an end: {seen!r}")


def limit(server_util: float, client_util: float) -> str:
    """Say what kept the rate from being higher."""
    if client_util >= SATURATED and client_util > server_util:
        return "client"
    return "server" if server_util >= SATURATED else "waiting"


def tell(pipe: IO[str], word: str) -> None:
    """Say one word to a driver."""
    pipe.write(f"{word}\n")
    pipe.flush()
