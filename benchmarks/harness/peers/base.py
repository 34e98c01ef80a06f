"""What the harness asks of a peer."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from harness.launch import Command
from harness.plan import Plan, Stage
from harness.servers import Ports


__all__ = [
    "BENCHMARKS",
    "HOST",
    "PASSWORD",
    "Peer",
    "js_driver",
    "package_version",
    "python_driver",
    "said",
]

HOST = "127.0.0.1"
PASSWORD = "password"  # noqa: S105 - every account of a benchmark has it
BENCHMARKS = Path(__file__).resolve().parents[2]


class Peer(Protocol):
    """One system in one configuration."""

    name: str
    lacks: frozenset[str]
    """Scenarios that it cannot do."""

    def missing(self) -> str | None:
        """Say what must be installed before it can run, None if nothing."""

    def about(self) -> dict[str, str]:
        """Describe version, client, transport, passwords and permissions."""

    def server(self, stage: Stage, folder: Path, ports: Ports, plan: Plan) -> Command:
        """Write the configuration into `folder` and give the server's command."""

    def driver(self, ports: Ports, plan: Plan, scenarios: Sequence[str]) -> Command:
        """Give the command of the load."""


def python_driver(
    module: str,
    options: Mapping[str, object],
    plan: Plan,
    scenarios: Sequence[str],
    python: str = sys.executable,
) -> Command:
    """Drive with `harness.clients.<module>`, in an interpreter that has the client."""
    sizes = json.dumps(plan.as_json())
    argv = [python, "-m", "harness.drive", module, json.dumps(options), sizes]
    return Command([*argv, *scenarios], BENCHMARKS)


def js_driver(
    module: str, options: Mapping[str, object], plan: Plan, scenarios: Sequence[str]
) -> Command:
    """Drive with `js/<module>.mjs`."""
    sizes = json.dumps(plan.as_json())
    argv = ["node", "harness/js/bench.mjs", module, json.dumps(options), sizes]
    return Command([*argv, *scenarios], BENCHMARKS)


def package_version(modules: Path, package: str) -> str:
    """Read the version of an installed npm package."""
    manifest = json.loads((modules / package / "package.json").read_text())
    return str(manifest["version"])


def said(*argv: str | Path) -> str:
    """Run a program and give what it printed."""
    done = subprocess.run(
        [str(part) for part in argv], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
