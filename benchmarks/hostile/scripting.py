"""A script of ten thousand commands under a thousand sessions, which notice its result."""

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

from hostile.changing import GROUP, QUICK, USERS, all_heard, hearers, told
from hostile.ground import Finding, Ground
from hostile.witness import watching


__all__ = ["long_script"]

COMMANDS = 10_000
HEARING = f"set '{GROUP}' path 'n' permissions [SELECT_TOPIC READ_TOPIC]"
DEAF_AT_B = f"set '{GROUP}' path 'n/b' permissions [SELECT_TOPIC]"


def commands(number: int) -> Iterator[str]:
    """Give a script's lines, the last of which takes a right away."""
    for at in range(number - 1):
        yield f"isolate path 'p/{at}'" if at % 2 else f"set 'r{at % 500}' permissions"
    yield DEAF_AT_B


async def long_script(ground: Ground) -> list[Finding]:
    """Apply it once, and see what it does to calls and deliveries meanwhile."""
    number, lines = ground.amount(1_000, 50), ground.amount(COMMANDS, 500)
    script = "\n".join(commands(lines))
    settings = {"limits": {"sessions_per_user": number}, "passwords": QUICK}
    async with ground.broker(**settings) as server, server.admin() as admin:
        await server.add_group(admin, GROUP)
        await admin.security.update_security_store(HEARING)
        async with AsyncExitStack() as stack:
            made = await hearers(server, admin, number, stack)
            await told(admin, 0)
            await all_heard(made, 0)
            before = sum(("n/b", 0) in one.heard for one in made)
            async with watching(server) as witness:
                began = time.perf_counter()
                await admin.security.update_security_store(script)
                took = time.perf_counter() - began
            await told(admin, 1)
            await all_heard(made, 1)
            late = sum(("n/b", 1) in one.heard for one in made)
            ended = sum(one.over for one in made)
            for at in range(USERS):
                await admin.exchange.security.delete_user(f"h{at}")
    return [
        Finding("applied in", took, "s", 2),
        Finding("sessions that did not hear before", number - before, "sessions", 0),
        Finding("events after the right was taken", late, "events", 0),
        Finding("sessions that ended", ended, "sessions", 0),
        *witness.findings(p99_ms=100),
    ]
