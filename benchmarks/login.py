"""What a login costs the broker, by each scheme, next to a handshake without one.

    python benchmarks/login.py [--short] [--number N] [--json]

Starts `vestibule serve` on a core of its own and connects, logs in and is cut off, N
times for each scheme; the broker's CPU time is read from outside. Coming back by key or
ticket may take 1 ms, SCRAM 0.5 ms more than a handshake. Then 500 passwords a second
are tried while a witness works. Exits with 1 where a budget is passed. Times are those of a
machine whose `pace_ms` is 2.1; on a slower one they may be as much longer as plain
Python is. The ratio to a bare handshake holds on any.
"""

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias

from harness import cores, machine
from harness.meter import Meter
from hostile import logins
from hostile.ground import MIB, Finding, Ground, Server
from vestibule.protocol.crypto import parse_server_key
from vestibule.protocol.scram import (
    PasswordKeys,
    ScramExchange,
    canonical_password,
    password_keys,
)
from vestibule.protocol.signatures import SigningKey, key_login, ticket_login
from vestibule.server.testing import RawPeer


__all__ = ["main"]

PACE_MS = 2.1
"""Of the machine on which the budgets were set (`harness.machine.pace`)."""
RECONNECTING_US = 1_000.0
SCRAM_US = 500.0
LAG_MS = 20.0
AT_ONCE = 20
SETTLE_SECONDS = 0.3
"""What the broker does behind an answer, as writing its audit trail, is counted."""
WARMING = 0.1
"""Of the number, before anything is measured."""

MANY = 1_000_000
SETTINGS = {
    "quarantine": {"max_per_address": MANY, "max_connections": MANY},
    "limits": {"sessions_per_user": MANY},
    "passwords": {"memlimit": 19 * MIB, "opslimit": 2},
}


@dataclass
class User:
    """A user that comes again and again, with what it has to log in by."""

    username: str
    password: str
    key: SigningKey = field(default_factory=SigningKey.generate)
    resume: SigningKey = field(default_factory=SigningKey.generate)
    ticket: bytes = b""
    hashed: PasswordKeys | None = None
    """A hash is the load's work, and its salt does not change: it is made once."""


Login: TypeAlias = Callable[[RawPeer, User], Awaitable[None]]


async def nothing(peer: RawPeer, user: User) -> None:
    """Shake hands."""
    del user
    await peer.ready()


async def by_key(peer: RawPeer, user: User) -> None:
    """Log in by key."""
    await peer.ready()
    signature = user.key.sign(key_login(peer.exporter, user.username))
    await peer.present(
        "key",
        {
            "username": user.username,
            "public_key": user.key.public,
            "signature": signature,
        },
    )


async def by_ticket(peer: RawPeer, user: User) -> None:
    """Come back by ticket, and get the next one; the first time by key."""
    await peer.ready()
    asking = {"resume_key": user.resume.public}
    if user.ticket:
        signature = user.resume.sign(ticket_login(peer.exporter, user.ticket))
        fields = {"ticket": user.ticket, "signature": signature, **asking}
        accepted = await peer.present("ticket", fields)
    else:
        signature = user.key.sign(key_login(peer.exporter, user.username))
        accepted = await peer.present(
            "key",
            {
                "username": user.username,
                "public_key": user.key.public,
                "signature": signature,
                **asking,
            },
        )
    user.ticket = accepted["ticket"]


async def by_scram(peer: RawPeer, user: User) -> None:
    """Prove the password."""
    await peer.ready()
    nonce = bytes(32)
    challenge = await peer.present(
        "scram", {"username": user.username, "client_nonce": nonce}
    )
    exchange = ScramExchange(
        username=user.username,
        client_nonce=nonce,
        exporter=peer.exporter,
        **challenge,
    )
    if user.hashed is None:
        user.hashed = password_keys(
            canonical_password(user.password),
            exchange.salt,
            exchange.opslimit,
            exchange.memlimit,
        )
    await peer.prove({"proof": exchange.proof(user.hashed)})


SCHEMES: dict[str, Login] = {
    "handshake": nothing,
    "key": by_key,
    "ticket": by_ticket,
    "scram": by_scram,
}


async def users(server: Server, number: int) -> list[User]:
    """Make users with a password and a key each."""
    made = []
    async with server.admin() as admin:
        for at in range(number):
            login = await server.add_user(admin, f"u{at}")
            user = User(login["username"], login["password"])
            public = base64.b64encode(user.key.public).decode()
            facts = {"username": user.username, "public_key": public}
            await admin.exchange.security.update_user(facts)
            made.append(user)
    return made


async def come(server: Server, user: User, login: Login) -> None:
    """Connect, log in, and be cut off."""
    host, port = server.address
    key = parse_server_key(server.key)
    _, peer = await asyncio.get_running_loop().create_connection(
        lambda: RawPeer(key, {}), host, port
    )
    await login(peer, user)
    peer.cut()
    await peer.wait_closed()


async def storm(
    server: Server, crowd: Sequence[User], number: int, login: Login
) -> None:
    """Come so many times, as many at once as there are users."""
    left = iter(range(number))

    async def again(user: User) -> None:
        for _ in left:
            await come(server, user, login)

    async with asyncio.TaskGroup() as tasks:
        for user in crowd:
            tasks.create_task(again(user))


async def cost_of(ground: Ground, number: int, login: Login) -> tuple[float, float]:
    """Give the broker's CPU microseconds a connection: of all threads, of its loop."""
    async with AsyncExitStack() as stack:
        with cores.pinned(cores.SERVER) if cores.enough() else nullcontext():
            server = await stack.enter_async_context(ground.broker(**SETTINGS))
        crowd = await users(server, AT_ONCE)
        await storm(server, crowd, max(AT_ONCE, int(number * WARMING)), login)
        meter = Meter(server.pid)
        await asyncio.sleep(SETTLE_SECONDS)
        before = meter.read()
        await storm(server, crowd, number, login)
        await asyncio.sleep(SETTLE_SECONDS)
        after = meter.read()
    return (
        (after.server_cpu - before.server_cpu) / number * 1e6,
        (after.main_cpu - before.main_cpu) / number * 1e6,
    )


async def storms(ground: Ground, number: int) -> list[Finding]:
    """Measure every scheme, and what each costs beyond a handshake."""
    costs = {name: await cost_of(ground, number, one) for name, one in SCHEMES.items()}
    bare, _ = costs["handshake"]
    slower = max(1.0, machine.pace() / PACE_MS)
    found = [
        Finding("handshake alone", bare, "us", None),
        Finding("this machine is slower", slower, "times", None),
    ]
    for name in ("key", "ticket", "scram"):
        whole, loop = costs[name]
        limit = None if name == "scram" else RECONNECTING_US * slower
        found += [
            Finding(f"login by {name}", whole, "us", limit),
            Finding(f"login by {name}, on the loop", loop, "us", None),
            Finding(f"login by {name}, in handshakes", whole / bare, "times", None),
        ]
    more = costs["scram"][0] - bare
    limit = SCRAM_US * slower
    found.append(Finding("login by scram beyond a handshake", more, "us", limit))
    return found


async def flood(ground: Ground) -> list[Finding]:
    """Try 500 passwords a second: the loop goes on, and what is too much is BUSY."""
    found = await logins.l3(ground)
    busy = sum(one.value for one in found if one.what == "logins: BUSY")
    lag = next(one.value for one in found if one.what == "witness p99")
    return [
        *found,
        Finding("a call's way there and back, p99: the lag at most", lag, "ms", LAG_MS),
        Finding("logins that should have been BUSY", float(busy == 0), "logins", 0),
    ]


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="does it run at all?")
    parser.add_argument("--number", type=int, help="connections of each scheme")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure and print. Gives the exit status."""
    options = parse(arguments)
    described, ground = machine.describe(), Ground(short=options.short)
    number = options.number or ground.amount(10_000, 100)
    with cores.pinned(cores.CLIENT) if cores.enough() else nullcontext():
        found = asyncio.run(storms(ground, number))
    found += asyncio.run(flood(ground))
    for one in found:
        show(one, described, as_json=options.json)
    return 0 if all(one.passed for one in found) else 1


def show(one: Finding, described: dict[str, str], *, as_json: bool) -> None:
    """Print one figure."""
    if as_json:
        line = {
            "id": "login",
            "what": one.what,
            "value": round(one.value, 3),
            "unit": one.unit,
            "limit": one.limit,
            "passed": one.passed,
            "machine": described,
        }
        print(json.dumps(line), flush=True)
        return
    limit = "" if one.limit is None else f"  (at most {one.limit:g})"
    verdict = "" if one.passed else "  PASSED BY"
    print(f"{one.what:55} {one.value:10.1f} {one.unit}{limit}{verdict}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
