"""The page `docs/performance.md`, written from results."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness import reference, tables
from harness.plan import SCENARIOS, Stage
from harness.results import Results


__all__ = ["page"]

INTRODUCTION = """\
# Performance

Written by `benchmarks/compare.py --report` from one file of results; do not edit.
`benchmarks/README.md` says how each figure is taken and what can go wrong with it.

Server and clients run in processes of their own, pinned to a core each, over loopback,
without TLS. Authentication and permissions are on in every peer, logs are off, and
before anything is measured a forbidden publication, subscription, call and login were
tried and denied. Payloads are 128 bytes. **The figure that holds across machines is
the server's CPU time a message**; rates and latencies belong to this machine.
"""

AFTER_COSTS = """\
A fan-out is counted by delivery: one event to 100 subscribers is 100. `window 1` awaits
complete delivery before the next event, so nothing can be batched. Logins include the
password hash, and peers hash as differently as the table of peers says. The budget is
Vestibule's own, with encryption; memory may lie between 12 and 53 KiB a session.
"""

AFTER_BUDGETS = """\
Of a login the budget is for what the event loop spends; the hash is other threads'.
`machine` is how many times dearer the same scenario is for the peers here than on the
machine on which the budgets were set (the median of those measured on both; 1 where
there is none); the last column is the budget times that.
"""

BEFORE_FIGURES = """\
## Decisions, the directory, logins, revocation, hostile load

`policy` is what one decision costs among 1,000 rules (`benchmarks/policy.py`). `scale`,
`changes`, `logins` and `script` are parts of `benchmarks/directory.py`, `login` is
`benchmarks/login.py --number 3000`, whose limits are scaled to the machine. The other ids
are scenarios of `benchmarks/attacks.py --short`: P1 is the time from the call that
deletes, disables or re-passwords a user to the bye of its session, in which a new
password is hashed. Where nothing else is said the limits are those of the machine on
which they were set, and this one is slower.
"""

AFTER_RATES = """\
`*` the client's core was full, so the server could do more; `~` neither core was full:
the scenario waits for answers.
"""


def page(results: Results, more: Sequence[Mapping[str, Any]] = ()) -> str:
    """Write the page; `more` are rows that `attacks.py` and `policy.py` print."""
    parts = [
        INTRODUCTION,
        "## The machine\n",
        machine(results),
        "## What was measured\n",
        peers(results),
        "## Server CPU a message, memory a session\n",
        tables.cost_table(results),
        AFTER_COSTS,
        verdicts(results),
        "## Compared with Vestibule\n",
        "A peer's cost over Vestibule's: above 1, Vestibule is cheaper.\n",
        tables.ratios(results),
        "## Rates\n",
        tables.rate_table(results),
        AFTER_RATES,
        "## Latency\n",
        tables.latency_table(results),
        notes(results),
        figures(more),
    ]
    return "\n".join(part for part in parts if part)


def figures(more: Sequence[Mapping[str, Any]]) -> str:
    """Write the table of decisions, revocations and hostile load."""
    if not more:
        return ""
    rows = [
        (
            str(row["id"]),
            str(row.get("what", "")),
            f"{row['value']:,} {row['unit']}",
            "-" if row["limit"] is None else f"{row['limit']:,}",
            "" if row["limit"] is None else ("kept" if row["passed"] else "**missed**"),
        )
        for row in more
    ]
    table = tables.table(("id", "what", "measured", "limit", ""), rows)
    return f"{BEFORE_FIGURES}\n{table}"


def machine(results: Results) -> str:
    """Describe the machine."""
    about = results.machine
    return tables.table(list(about), [list(about.values())])


def peers(results: Results) -> str:
    """Describe each peer's configuration."""
    keys = ("version", "client", "transport", "passwords", "permissions")
    rows = [
        [name, *(about.get(key, "") for key in keys)]
        for name, about in results.peers.items()
    ]
    return tables.table(["peer", *keys], rows)


def verdicts(results: Results) -> str:
    """Say of each budget whether it was kept, as it stands and carried over."""
    rows = []
    for scenario in SCENARIOS.values():
        row = results.find(tables.OURS, scenario.name)
        allowed = scenario.budget_kib or scenario.budget_us
        if row is None or allowed is None:
            continue
        # Hashes are computed by other threads: what the loop spent is the rest.
        login = scenario.stage is Stage.LOGIN
        spent = row.main_us if login else tables.cost(scenario, row)
        dearer = reference.factor(results, scenario.name) or 1.0
        rows.append(
            [
                f"{scenario.title} ({tables.unit(scenario)})",
                tables.budget(scenario),
                tables.number(spent),
                f"{spent / allowed:.2f}",
                f"{dearer:.1f}",
                verdict(spent, allowed * dearer),
            ]
        )
    if not rows:
        return ""
    head = ["", "budget", "measured", "measured / budget", "machine", "on this machine"]
    return "### Budgets\n\n" + tables.table(head, rows) + "\n" + AFTER_BUDGETS


def verdict(spent: float, allowed: float) -> str:
    """Say whether what was spent was allowed."""
    return "kept" if spent <= allowed else f"**missed, {spent / allowed:.2f} times**"


def notes(results: Results) -> str:
    """List what was disturbed while it was measured."""
    return "".join(
        f"* {row.peer}, {SCENARIOS[row.scenario].title}: {row.note} "
        f"({row.other_util} cores used by others).\n"
        for row in results.rows.values()
        if row.note
    )
