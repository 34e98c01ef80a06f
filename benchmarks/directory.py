"""What a large directory costs, and a change of it while a thousand sessions listen.

    python benchmarks/directory.py [scale | changes | logins | script …] [--short]

`scale` fills and starts a directory of 100,000 users in 10 groups each, 1,000 groups and
100,000 rules, in this process. `changes` changes a group under 1,000 live subscribed
sessions of a broker, `logins` logs 200 users in at once, `script` applies 10,000
commands at once under 1,000 sessions. Prints one JSON object a line
and exits with 1 if a figure is above its limit.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from harness import machine
from hostile import changing, logins, scripting
from hostile.ground import Finding, Ground
from hostile.witness import quantile
from vestibule.protocol.actions import DELIVERY, Action, Section, Topic
from vestibule.protocol.names import parse_name
from vestibule.server.config_limits import Passwords
from vestibule.server.directory import Directory
from vestibule.server.directory.model import Entry, Group, Model, User
from vestibule.server.directory.rows import operations
from vestibule.server.directory.store import Store
from vestibule.server.directory.transition import Change
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.secret import Secret
from vestibule.server.verdict import Denied


__all__ = ["PARTS", "main"]

HEAR = DELIVERY[Topic.EVENT, Action.SUBSCRIBE]
MEMBERSHIPS = 10
RULES_A_GROUP = 100
CHANGES = 100
DECISIONS = 10_000
NAMES = 20


def rss() -> float:
    """Give the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def opened(folder: Path) -> Directory:
    """Open the directory as a broker does."""
    return await Directory.open(
        folder,
        broker_name="hub",
        components={"security": SECURITY_METHODS},
        passwords=Passwords(memlimit=19 * 2**20),
        admin_password=Secret("sesame"),
    )


def filled(model: Model, users: int, groups: int) -> Model:
    """Give a model with so many more of each, as one change would leave it."""
    allow = Entry(allowed=frozenset({"subscribe"}))
    more_groups = {
        f"g{at}": Group(
            name=f"g{at}",
            rules={
                Section.EVENTS: {
                    f"a{at}/b{one}/*": allow for one in range(RULES_A_GROUP)
                }
            },
        )
        for at in range(groups)
    }
    more_users = {
        f"u{at}": User(
            username=f"u{at}",
            user_id=f"id{at}",
            public_key=at.to_bytes(32, "big"),
            groups=frozenset({"_GUEST", *memberships(at, groups)}),
        )
        for at in range(users)
    }
    return replace(
        model,
        epoch=model.epoch + 1,
        users={**model.users, **more_users},
        groups={**model.groups, **more_groups},
    )


def memberships(user: int, groups: int) -> Iterator[str]:
    """Give the groups of a user: hardly two users have the same."""
    for at in range(MEMBERSHIPS):
        yield f"g{(user * 7919 + at * at * (user % 9973)) % groups}"


async def fill(folder: Path, users: int, groups: int) -> None:
    """Write a large directory, past the calls that make one user at a time."""
    directory = await opened(folder)
    before = directory.policy.model
    await directory.close()
    after = filled(before, users, groups)
    change = Change(
        before=before,
        after=after,
        users=frozenset(after.users) - frozenset(before.users),
        groups=frozenset(after.groups) - frozenset(before.groups),
    )
    store = await Store.open(folder / "directory.db")
    await store.write(operations(change), before=before.epoch, after=after.epoch)
    await store.close()


async def measure(folder: Path, groups: int) -> list[Finding]:
    """Start on what was filled, and use it."""
    before, start = rss(), time.perf_counter()
    directory = await opened(folder)
    findings = [
        Finding("start", time.perf_counter() - start, "s", 3),
        Finding("memory", rss() - before, "MiB", 250),
        *decisions(directory, groups),
    ]
    permissions: dict[str, Any] = {"events": {"new/*": {}}}
    taken = []
    for at in range(CHANGES):
        begun = time.perf_counter()
        await directory.add_group_permissions(f"g{at}", permissions, by="_ADMIN")
        taken.append(time.perf_counter() - begun)
    findings.append(
        Finding("change of a group, p99", quantile(taken, 99) * 1e3, "ms", 50)
    )
    taken = []
    for at in range(CHANGES):
        begun = time.perf_counter()
        await directory.link_group("g0", f"u{at}", by="_ADMIN")
        taken.append(time.perf_counter() - begun)
    findings.append(
        Finding("change of a user, p99", quantile(taken, 99) * 1e3, "ms", 50)
    )
    begun = time.perf_counter()
    await directory.who_can("events.subscribe", "a1/b1/x")
    findings.append(Finding("who_can", time.perf_counter() - begun, "s", None))
    await directory.close()
    return findings


def decisions(directory: Directory, groups: int) -> Iterator[Finding]:
    """Decide what nobody has asked before, about users whose rights are compiled."""
    first: list[float] = []
    allowed: list[float] = []
    denied: list[float] = []
    for at in range(DECISIONS // NAMES):
        group = next(memberships(at, groups))[1:]
        subject = directory.policy.subject(f"u{at}", None)
        for one in range(NAMES):
            for name, times in (
                (f"a{group}/b{one}/x", allowed if one else first),
                (f"a{group}/c{one}/x", denied),
            ):
                path = parse_name(name)
                begun = time.perf_counter()
                verdict = subject.decide(HEAR, path)
                times.append(time.perf_counter() - begun)
                # Else the figure says nothing.
                assert (type(verdict) is Denied) == (times is denied)  # noqa: S101 - as above
    for what, times, limit in (
        ("first decision about a user, median", first, None),
        ("uncached decision that allows, median", allowed, 10),
        ("uncached decision that denies, median", denied, 10),
    ):
        yield Finding(what, statistics.median(times) * 1e6, "us", limit)


async def scale(ground: Ground) -> list[Finding]:
    """Fill in one process, start in another, so that memory is the start's alone."""
    users, groups = ground.amount(100_000, 1_000), ground.amount(1_000, 50)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        await asyncio.to_thread(in_a_process, lambda: fill(folder, users, groups))
        return await measure(folder, groups)


def in_a_process(work: Callable[[], Any]) -> None:
    """Do some work in a process of its own. Blocks."""
    child = os.fork()
    if child == 0:
        asyncio.run(work())
        os._exit(0)
    os.waitpid(child, 0)


Part: TypeAlias = Callable[[Ground], Any]

PARTS: dict[str, Part] = {
    "scale": scale,
    # Stricter than the attack: it is what a change may take at most.
    "changes": partial(changing.p2, p99_ms=50),
    "logins": logins.crowd,
    "script": scripting.long_script,
}


def main(arguments: list[str]) -> int:
    """Run parts and print their findings. Gives the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true", help="does it run at all?")
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"{part}: not one of {', '.join(PARTS)}")
    well, described = True, machine.describe()
    for part in options.parts or PARTS:
        for finding in asyncio.run(PARTS[part](Ground(short=options.short))):
            well &= finding.passed
            line = {
                "id": part,
                "what": finding.what,
                "value": round(finding.value, 3),
                "unit": finding.unit,
                "limit": finding.limit,
                "passed": finding.passed,
                "machine": described,
            }
            print(json.dumps(line), flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
