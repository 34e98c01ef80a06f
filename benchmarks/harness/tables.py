"""Results as Markdown tables, scenarios down and peers across."""

from collections.abc import Callable, Iterable, Sequence

from harness.peers import PEERS
from harness.plan import SCENARIOS, Scenario, Stage
from harness.results import Results, Row


__all__ = ["all_tables", "cost_table", "latency_table", "line", "rate_table", "ratios"]

DASH = "-"
OURS = "vestibule"


def line(row: Row) -> str:
    """Say one row in one line."""
    if row.kib_per_connection is not None:
        spent = f"{row.kib_per_connection} KiB a session"
    else:
        spread = f"{row.server_us_low} to {row.server_us_high}"
        spent = f"{row.server_us} us ({spread}), {row.rate:,.0f}/s"
    return (
        f"{row.peer} {row.scenario}: {spent}, p50 {row.p50_us} p99 {row.p99_us}, server "
        f"{row.server_util} client {row.client_util} others {row.other_util}, "
        f"pace {row.pace_ms} ms, {row.repeats} repeats, "
        f"limited by {row.limited_by} {row.note}"
    )


def number(value: float) -> str:
    """Write with about three digits."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cost(scenario: Scenario, row: Row) -> float:
    """Give what the scenario is about: KiB for idle sessions, else microseconds."""
    if scenario.stage is Stage.IDLE:
        return row.kib_per_connection or 0.0
    return row.server_us


def unit(scenario: Scenario) -> str:
    """Say what a cost is counted in."""
    return ("KiB per " if scenario.stage is Stage.IDLE else "us per ") + scenario.unit


def measured(results: Results) -> tuple[list[Scenario], list[str]]:
    """Give scenarios and peers that have a row, in the order of the report."""
    scenarios = {scenario for _, scenario in results.rows}
    peers = {peer for peer, _ in results.rows}
    return (
        [each for each in SCENARIOS.values() if each.name in scenarios],
        sorted(peers, key=list(PEERS).index),
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay a table out."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def by_peer(
    results: Results,
    show: Callable[[Scenario, Row], str],
    *,
    budgets: bool = False,
    units: Callable[[Scenario], str] = unit,
) -> str:
    """Show one thing of each row."""
    scenarios, peers = measured(results)
    lines = []
    for scenario in scenarios:
        cells = [scenario.title, units(scenario)]
        if budgets:
            cells.append(budget(scenario))
        rows = [results.find(peer, scenario.name) for peer in peers]
        cells += [show(scenario, row) if row is not None else DASH for row in rows]
        lines.append(cells)
    head = ["scenario", "unit", *(["budget"] if budgets else []), *peers]
    return table(head, lines)


def budget(scenario: Scenario) -> str:
    """Write what Vestibule may spend."""
    allowed = scenario.budget_kib or scenario.budget_us
    if allowed is None:
        return DASH
    return ("hash + " if scenario.stage is Stage.LOGIN else "") + number(allowed)


def cost_table(results: Results) -> str:
    """Server CPU a message, and memory an idle session."""
    return by_peer(results, lambda each, row: number(cost(each, row)), budgets=True)


def ratios(results: Results) -> str:
    """Each peer's cost over Vestibule's: above 1, Vestibule is cheaper."""

    def show(scenario: Scenario, row: Row) -> str:
        ours = results.find(OURS, scenario.name)
        if ours is None or not cost(scenario, ours):
            return DASH
        return f"{cost(scenario, row) / cost(scenario, ours):.2f}"

    return by_peer(results, show)


def rate_table(results: Results) -> str:
    """Units a second, with a star where the client was the limit."""

    def show(scenario: Scenario, row: Row) -> str:
        if scenario.stage is Stage.IDLE:
            return DASH
        return number(row.rate) + {"client": "*", "waiting": "~"}.get(
            row.limited_by, ""
        )

    return by_peer(results, show, units=lambda _each: "per second")


def latency_table(results: Results) -> str:
    """Median and 99th percentile."""

    def show(_scenario: Scenario, row: Row) -> str:
        if row.p50_us is None or row.p99_us is None:
            return DASH
        return f"{number(row.p50_us)} / {number(row.p99_us)}"

    return by_peer(results, show, units=lambda _each: "us, p50 / p99")


def all_tables(results: Results) -> str:
    """Put the tables of a run below one another."""
    parts = {
        "Server CPU a unit": cost_table,
        "Rates (* limited by the client, ~ by waiting)": rate_table,
        "Latency": latency_table,
    }
    return "\n".join(f"### {title}\n\n{show(results)}" for title, show in parts.items())
