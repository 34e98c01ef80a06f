"""P2: a group changes under a thousand sessions that hear by its right."""

import asyncio
import contextlib
import statistics
from contextlib import AsyncExitStack
from typing import Any

from hostile.changer import changing
from hostile.ground import MIB, Finding, Ground, Server
from hostile.witness import quantile
from vestibule.client import Session, SessionClosed, open_session


__all__ = ["GROUP", "QUICK", "USERS", "all_heard", "hearers", "p2", "told"]

USERS = 10
ADD, REMOVE = "add_group_permissions", "remove_group_permissions"
GROUP = "hearers"
HEARING: dict[str, Any] = {"events": {"n/*": {}}}
PROHIBITION: dict[str, Any] = {"events": {"n/b": {"authorized": False}}}
QUICK: dict[str, Any] = {"memlimit": 19 * MIB, "opslimit": 2}
"""Passwords that are cheap to check: logins are not what is measured."""


class Hearer:
    """One session with a subscription, and what came by it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.live = asyncio.Event()
        self.over = False
        self._last = asyncio.Condition()

    async def listen(self, session: Session) -> None:
        """Hear until the session is closed."""
        with contextlib.suppress(SessionClosed):
            async with session.events.subscribe("n/*") as events:
                self.live.set()
                async for event in events:
                    self.heard.append((event.name, event.data))
                    async with self._last:
                        self._last.notify()
        self.over = True

    async def until(self, number: int) -> None:
        """Wait until this number has come where the right stays."""
        async with self._last:
            await self._last.wait_for(lambda: ("n/a", number) in self.heard[-1:])


async def hearers(
    server: Server, admin: Session, number: int, stack: AsyncExitStack
) -> list[Hearer]:
    """Log in so many sessions, each with a subscription to `n/*`."""
    logins = [await server.add_user(admin, f"h{at}", GROUP) for at in range(USERS)]
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    made: list[Hearer] = []
    for at in range(number):
        session = await stack.enter_async_context(
            open_session(
                server.url, logins[at % USERS], server_key=server.key, reconnect=None
            )
        )
        made.append(hearer := Hearer())
        tasks.create_task(hearer.listen(session))
        await hearer.live.wait()
    return made


async def told(admin: Session, number: int) -> None:
    """Publish where the right is taken, and where it stays."""
    await admin.events.publish("n/b", number)
    await admin.events.publish("n/a", number)


async def all_heard(made: list[Hearer], number: int) -> None:
    """Wait until everybody has heard the last of what stays."""
    async with asyncio.timeout(30):
        for one in made:
            await one.until(number)


async def p2(ground: Ground, *, p99_ms: float = 150) -> list[Finding]:
    """Prohibit one name and lift it, again and again."""
    number, rounds = ground.amount(1_000, 50), ground.amount(100, 5)
    times: list[float] = []
    suspending: list[float] = []
    late = missed = 0
    settings = {"limits": {"sessions_per_user": number}, "passwords": QUICK}
    async with ground.broker(**settings) as server, server.admin() as admin:
        await server.add_group(admin, GROUP, **HEARING)
        security = admin.exchange.security
        async with AsyncExitStack() as stack:
            made = await hearers(server, admin, number, stack)
            changer = await stack.enter_async_context(changing(server))
            for at in range(2 * rounds):
                allowed = at % 2
                method = REMOVE if allowed else ADD
                times.append(await changer.call(method, GROUP, PROHIBITION))
                await told(admin, at)
                await all_heard(made, at)
                heard = sum(("n/b", at) in one.heard[-2:] for one in made)
                late += 0 if allowed else heard
                missed += number - heard if allowed else 0
            for at in range(rounds):
                suspending += [
                    await changer.call(method, GROUP, HEARING)
                    for method in (REMOVE, ADD)
                ]
                # Everybody hears again before the next is measured.
                await told(admin, 2 * rounds + at)
                await all_heard(made, 2 * rounds + at)
            await security.delete_group(GROUP)
            for at in range(USERS):
                await security.delete_user(f"h{at}")
    return [
        Finding("events after a prohibition", late, "events", 0),
        Finding("events missed after it was lifted", missed, "events", 0),
        Finding("from call to answer, median", statistics.median(times), "ms", 50),
        Finding("from call to answer, p99", quantile(times, 99), "ms", p99_ms),
        Finding(
            "suspending or resuming all, p99", quantile(suspending, 99), "ms", p99_ms
        ),
    ]
