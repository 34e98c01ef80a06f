"""What a large directory costs: its start, its memory, a change, a first decision.

    python benchmarks/directory.py [users groups rules]

Without arguments 100,000 users in 10 groups each, 1,000 groups, 100,000 rules.
Prints one JSON object a line; nothing is a budget yet.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from vestibule.protocol.actions import DELIVERY, Action, Section, Topic
from vestibule.protocol.names import parse_name
from vestibule.server.config_limits import Passwords
from vestibule.server.directory import Directory
from vestibule.server.directory.draft import Change
from vestibule.server.directory.model import Entry, Group, Model, User
from vestibule.server.directory.rows import operations
from vestibule.server.directory.store import Store
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.secret import Secret


HEAR = DELIVERY[Topic.EVENT, Action.SUBSCRIBE]
MEMBERSHIPS = 10
CHANGES = 100
DECISIONS = 1_000


def show(what: str, value: float, unit: str) -> None:
    """Print one figure."""
    print(json.dumps({"id": what, "value": round(value, 3), "unit": unit}), flush=True)


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


def filled(model: Model, users: int, groups: int, rules: int) -> Model:
    """Give a model with so many more of each, as one change would leave it."""
    allow = Entry(allowed=frozenset({"subscribe"}))
    each = rules // groups
    more_groups = {
        f"g{at}": Group(
            name=f"g{at}",
            rules={Section.EVENTS: {f"a{at}/b{one}/*": allow for one in range(each)}},
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
    """Give the groups of a user, spread evenly."""
    for at in range(MEMBERSHIPS):
        yield f"g{(user * MEMBERSHIPS + at * 7919) % groups}"


async def fill(folder: Path, users: int, groups: int, rules: int) -> None:
    """Write a large directory, past the calls that make one user at a time."""
    directory = await opened(folder)
    before = directory.policy.model
    await directory.close()
    after = filled(before, users, groups, rules)
    change = Change(
        before=before,
        after=after,
        users=frozenset(after.users) - frozenset(before.users),
        groups=frozenset(after.groups) - frozenset(before.groups),
    )
    store = await Store.open(folder / "directory.db")
    start = time.perf_counter()
    await store.write(operations(change), before=before.epoch, after=after.epoch)
    show("write", time.perf_counter() - start, "s")
    await store.close()


async def measure(folder: Path, groups: int) -> None:
    """Start on what was filled, and use it."""
    before, start = rss(), time.perf_counter()
    directory = await opened(folder)
    show("start", time.perf_counter() - start, "s")
    show("memory", rss() - before, "MiB")
    show("file", (folder / "directory.db").stat().st_size / 2**20, "MiB")

    cold = []
    for at in range(DECISIONS):
        group = next(memberships(at, groups))
        name = parse_name(f"a{group[1:]}/b1/x")
        begun = time.perf_counter()
        directory.policy.subject(f"u{at}", None).decide(HEAR, name)
        cold.append(time.perf_counter() - begun)
    show("first decision about a user, median", statistics.median(cold) * 1e6, "us")

    taken = []
    permissions: dict[str, Any] = {"events": {"new/*": {}}}
    for at in range(CHANGES):
        begun = time.perf_counter()
        await directory.add_group_permissions(f"g{at}", permissions, by="_ADMIN")
        taken.append(time.perf_counter() - begun)
    show("change of a group, median", statistics.median(taken) * 1e3, "ms")
    taken = []
    for at in range(CHANGES):
        begun = time.perf_counter()
        await directory.link_group("g0", f"u{at}", by="_ADMIN")
        taken.append(time.perf_counter() - begun)
    show("change of a user, median", statistics.median(taken) * 1e3, "ms")

    begun = time.perf_counter()
    await directory.who_can("events.subscribe", "a1/b1/x")
    show("who_can", time.perf_counter() - begun, "s")
    await directory.close()


def main() -> None:
    """Fill in one process, start in another, so that memory is the start's alone."""
    users, groups, rules = map(int, sys.argv[1:4] or (100_000, 1_000, 100_000))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        child = os.fork()
        if child == 0:
            asyncio.run(fill(folder, users, groups, rules))
            os._exit(0)
        os.waitpid(child, 0)
        asyncio.run(measure(folder, groups))


if __name__ == "__main__":
    main()
