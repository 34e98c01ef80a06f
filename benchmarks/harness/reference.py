"""The machine on which the budgets were set, to carry them over to another one.

A message costs a kernel call or several, and those cost three times as much on one
machine as on another. The peers were measured on both, so their figures tell by how
much a scenario is dearer here; that factor, and nothing of Vestibule's own, widens or
narrows its budget.
"""

import statistics
from typing import Final

from harness.results import Results


__all__ = ["factor"]

THERE: Final[dict[str, dict[str, float]]] = {
    "deepstream": {"rpc_1": 31.0, "rpc_50": 20.7, "publish": 5.4, "fan_16": 2.5},
    "happn": {"publish": 27.8, "fan_16": 5.6},
    "nats-ws": {"rpc_1": 30.0, "rpc_50": 15.5, "publish": 3.0, "fan_16": 0.4},
    "bare": {"publish": 7.3, "fan_16": 3.5},
}
"""Server CPU microseconds a unit: two shared cores, loopback, permissions on."""

SAME_AS: Final = {"fan_1": "fan_16"}
"""Scenarios that were not measured there, and the nearest that was."""


def factor(results: Results, scenario: str) -> float | None:
    """Say how many times dearer a scenario is here; None without a peer's figure."""
    name = SAME_AS.get(scenario, scenario)
    factors = []
    for peer, figures in THERE.items():
        here = results.find(peer, name)
        if here is not None and name in figures:
            factors.append(here.server_us / figures[name])
    return statistics.median(factors) if factors else None
