#!/usr/bin/env python3
"""Measure Vestibule and its peers over the same scenarios: see README.md."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from harness import cores, machine, report, servers, tables
from harness.conductor import Conductor, DriverError
from harness.peers import PEERS, Peer
from harness.plan import DEFAULT, SCENARIOS, SHORT, Plan, Stage
from harness.results import Results, Row


def say(text: str) -> None:
    """Tell whoever watches; results go elsewhere."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def chosen(text: str, known: Iterable[str]) -> list[str]:
    """Split names by comma; raises `ArgumentTypeError` for one that is not known."""
    names = text.split(",")
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(allowed)}")
    return names


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure Vestibule and its peers over the same scenarios.",
        epilog=f"peers: {', '.join(PEERS)}; scenarios: {', '.join(SCENARIOS)}",
    )
    add = parser.add_argument
    add("--peers", type=partial(chosen, known=PEERS), default=list(PEERS))
    add("--scenarios", type=partial(chosen, known=SCENARIOS), default=list(SCENARIOS))
    add("--json", type=Path, metavar="OUT", help="JSON lines; older rows there stay")
    add("--markdown", type=Path, metavar="OUT", help="the tables")
    add("--report", type=Path, metavar="OUT", help="a whole page: docs/performance.md")
    add("--more", type=Path, metavar="JSON", help="lines of attacks.py and policy.py")
    add("--from", type=Path, dest="source", metavar="JSON", help="measure nothing")
    add("--short", action="store_true", help="does it run? the figures are rough")
    add("--patience", type=float, default=10, help="seconds to wait for quiet")
    add(
        "--peers-dir",
        type=Path,
        default=Path("~/.cache/vestibule-peers"),
        help="where peers.sh has installed them",
    )
    return parser.parse_args(arguments)


def measure(
    peer: Peer, scenarios: Sequence[str], plan: Plan, patience: float
) -> Iterator[Row]:
    """Measure one peer, with a new server for each stage."""
    conductor = Conductor(peer.name, plan, patience=patience, say=say)
    for stage in Stage:
        wanted = [
            name
            for name in scenarios
            if SCENARIOS[name].stage is stage and name not in peer.lacks
        ]
        if not wanted:
            continue
        ports = servers.Ports.free()
        with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as scratch:
            folder = Path(scratch)
            command = peer.server(stage, folder, ports, plan)
            with servers.running(command, ports.main, folder / "server.log") as server:
                driver = peer.driver(ports, plan, wanted)
                yield from conductor.run(driver, server.pid, folder / "driver.log")


def measure_all(options: argparse.Namespace, results: Results) -> bool:
    """Measure what was asked for into `results`; says whether all of it went well."""
    plan = SHORT if options.short else DEFAULT
    peers_folder = options.peers_dir.expanduser().resolve()
    results.machine = machine.describe()
    well = True
    for name in options.peers:
        peer = PEERS[name](peers_folder)
        lacking = peer.missing()
        if lacking is not None:
            say(f"{name}: passed over, not installed: {lacking}")
            well = False
            continue
        results.peers[name] = peer.about()
        try:
            for row in measure(peer, options.scenarios, plan, options.patience):
                say(tables.line(row))
                results.add(row)
                if options.json is not None:
                    results.write(options.json)
        except (DriverError, servers.ServerError) as failure:
            say(f"{name}: {failure}")
            well = False
    return well


def main(arguments: Sequence[str]) -> int:
    """Measure, or read, and write what was asked for. Gives the exit status."""
    options = parse(arguments)
    well = True
    if options.source is not None:
        results = Results.read(options.source)
    else:
        if not cores.enough():
            say(f"cores {cores.SERVER} and {cores.CLIENT} are needed, one a side")
            return 2
        kept = options.json is not None and options.json.exists()
        results = Results.read(options.json) if kept else Results()
        # Ended politely, it leaves no server and no driver behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with cores.pinned(cores.CLIENT):
            well = measure_all(options, results)
    if options.markdown is not None:
        options.markdown.write_text(tables.all_tables(results))
    if options.report is not None:
        more = [] if options.more is None else options.more.read_text().splitlines()
        options.report.write_text(report.page(results, [json.loads(x) for x in more]))
    if options.markdown is None and options.report is None:
        sys.stdout.write(tables.all_tables(results))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
