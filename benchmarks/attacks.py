"""Attack a broker of one's own, and measure what it costs: docs/security.md.

    python benchmarks/attacks.py [ID …] [--short]

Starts `vestibule serve` for each scenario and prints one JSON object a line. Exits with
1 if a figure is above its limit.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from harness import machine
from hostile import changing, core, logins, revoking, strangers
from hostile.ground import Finding, Ground


__all__ = ["SCENARIOS", "main"]

Scenario: TypeAlias = Callable[[Ground], Awaitable[list[Finding]]]

SCENARIOS: Mapping[str, Scenario] = {
    "Q1": strangers.q1,
    "Q8": core.q8,
    "K5": core.k5,
    "L2": logins.l2,
    "L3": logins.l3,
    "P1": revoking.p1,
    "P2": changing.p2,
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help=", ".join(SCENARIOS))
    parser.add_argument("--short", action="store_true", help="does it run at all?")
    options = parser.parse_args(arguments)
    for one in options.ids:
        if one not in SCENARIOS:
            parser.error(f"{one}: not one of {', '.join(SCENARIOS)}")
    return options


def main(arguments: list[str]) -> int:
    """Run scenarios and print their findings. Gives the exit status."""
    options = parse(arguments)
    described = machine.describe()
    ground = Ground(short=options.short)
    well = True
    for one in options.ids or SCENARIOS:
        began = time.perf_counter()
        findings = asyncio.run(run(SCENARIOS[one], ground))
        seconds = time.perf_counter() - began
        for finding in findings:
            well &= finding.passed
            line = {
                "id": one,
                "what": finding.what,
                "value": round(finding.value, 3),
                "unit": finding.unit,
                "limit": finding.limit,
                "passed": finding.passed,
                "seconds": round(seconds, 1),
                "machine": described,
            }
            print(json.dumps(line), flush=True)
    return 0 if well else 1


async def run(scenario: Scenario, ground: Ground) -> list[Finding]:
    """Run one scenario in a loop of its own."""
    return await scenario(ground)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
