"""Results as JSON lines: one machine, what each peer was, one row a measure."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self


__all__ = ["Results", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario on one peer: its lower quartile by server CPU."""

    peer: str
    scenario: str
    units: int
    """Calls, deliveries, logins or sessions in the measure."""
    wall_s: float
    rate: float
    server_us: float
    """Server CPU microseconds a unit: the figure that holds across machines."""
    server_us_low: float
    server_us_high: float
    """Of all repeats that were not disturbed."""
    main_us: float
    """Of it, the main thread's: of an event loop's login, what is not the hash."""
    server_util: float
    client_util: float
    other_util: float
    """What the rest of the machine used meanwhile, in cores."""
    limited_by: str
    """`server`, `client` (then the rate says nothing about the server), or `waiting`."""
    p50_us: float | None
    p99_us: float | None
    rss_kib: int
    kib_per_connection: float | None
    pace_ms: float
    """`machine.pace` of the server's core around it: at twice the best, at half speed."""
    repeats: int
    at: str
    note: str = ""


@dataclass(slots=True)
class Results:
    """Everything a report needs. Of several rows for one measure the last counts."""

    machine: dict[str, str] = field(default_factory=dict)
    peers: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Take a row in place of an older one."""
        self.rows[row.peer, row.scenario] = row

    def find(self, peer: str, scenario: str) -> Row | None:
        """Look a measure up."""
        return self.rows.get((peer, scenario))

    def lines(self) -> Iterable[str]:
        """Write as JSON lines."""
        yield json.dumps({"machine": self.machine})
        for name, about in self.peers.items():
            yield json.dumps({"peer": name, "about": about})
        for row in self.rows.values():
            yield json.dumps({"row": asdict(row)})

    def write(self, path: Path) -> None:
        """Replace a file by these results."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in self.lines()))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that `write` made, or several of them one behind the other."""
        results = cls()
        for line in path.read_text().splitlines():
            match json.loads(line):
                case {"machine": dict(machine)}:
                    results.machine = machine
                case {"peer": str(name), "about": dict(about)}:
                    results.peers[name] = about
                case {"row": dict(row)}:
                    results.add(Row(**row))
                case other:
                    raise ValueError(f"not a line of results: {other!r}")
        return results
