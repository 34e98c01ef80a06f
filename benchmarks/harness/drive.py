"""The Python driver: one process, one peer's clients, the scenarios it is told.

    python -m harness.drive MODULE OPTIONS PLAN SCENARIO…

OPTIONS and PLAN are JSON; MODULE stands in `harness.clients` and has `driver(options,
plan)`. It runs in whatever interpreter has the peer's client library.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Sequence

from harness.clients.base import Driver
from harness.control import Control
from harness.plan import Plan
from harness.scenarios import RUNS, Bench


__all__ = ["main"]

LIMIT_SECONDS = 3_600.0


async def drive(driver: Driver, plan: Plan, scenarios: Sequence[str]) -> None:
    """Prepare, check that denials are denials, and run the scenarios."""
    control = Control()
    async with asyncio.timeout(LIMIT_SECONDS):
        await driver.prepare()
        control.say({"checked": await driver.denials()})
        bench = Bench(driver, plan, control)
        for scenario in scenarios:
            await RUNS[scenario](bench)
        await driver.close()


def main(arguments: Sequence[str]) -> None:
    """Run the driver; uvloop where it is installed, as it costs the client less."""
    module, options, plan, *scenarios = arguments
    sizes = Plan(**json.loads(plan))
    maker = importlib.import_module(f"harness.clients.{module}").driver

    async def run() -> None:
        await drive(maker(json.loads(options), sizes), sizes, scenarios)

    try:
        uvloop = importlib.import_module("uvloop")
    except ModuleNotFoundError:
        asyncio.run(run())
    else:
        uvloop.run(run())


if __name__ == "__main__":
    main(sys.argv[1:])
