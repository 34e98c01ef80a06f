"""P1: a session whose user loses the right to one."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from hostile.ground import Finding, Ground, Server
from hostile.witness import quantile
from vestibule.client import Session, SessionClosed, open_session


__all__ = ["p1"]

Revoke: TypeAlias = Callable[[Any, str], Awaitable[Any]]

WAYS: dict[str, Revoke] = {
    "user_deleted": lambda security, name: security.delete_user(name),
    "password_changed": lambda security, name: security.update_user(
        {"username": name, "password": "another"}
    ),
    "revoked": lambda security, name: security.update_user(
        {"username": name, "disabled": True}
    ),
}
"""By the end reason that each gives."""

EVENTS = 20


class Hearing:
    """One revoked session: what it heard, and when its end came."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.live = asyncio.Event()
        self.reason = ""
        self.ended = 0.0

    async def until_the_end(self, session: Session) -> None:
        """Hear events until the session ends."""
        try:
            async with session.events.subscribe("n/**") as events:
                self.live.set()
                async for event in events:
                    self.heard.append(event.data)
        except SessionClosed as end:
            self.reason = end.reason
        self.ended = time.perf_counter()


async def revoked(
    server: Server, admin: Session, name: str, revoke: Revoke
) -> tuple[Hearing, float]:
    """Revoke one session while events are published; gives when it was asked for."""
    login = await server.add_user(admin, name, "hearers")
    hearing = Hearing()
    async with (
        open_session(
            server.url, login, server_key=server.key, reconnect=None
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(hearing.until_the_end(session))
        await hearing.live.wait()
        for number in range(EVENTS):
            await admin.events.publish("n/x", number, ack=False)
        began = time.perf_counter()
        await revoke(admin.exchange.security, name)
        for number in range(EVENTS, 2 * EVENTS):
            await admin.events.publish("n/x", number, ack=False)
    return hearing, began


async def p1(ground: Ground) -> list[Finding]:
    """Take the right away in each way that this version has, again and again."""
    rounds = ground.amount(100, 5)
    late = wrong = 0
    times: dict[str, list[float]] = {reason: [] for reason in WAYS}
    async with ground.broker() as server, server.admin() as admin:
        await server.add_group(admin, "hearers", events={"n/**": {}})
        for number in range(rounds):
            for reason, revoke in WAYS.items():
                hearing, began = await revoked(
                    server, admin, f"{reason}{number}", revoke
                )
                late += sum(event >= EVENTS for event in hearing.heard)
                wrong += hearing.reason != reason
                times[reason].append((hearing.ended - began) * 1e3)
    p99 = quantile([one for taken in times.values() for one in taken], 99)
    return [
        Finding("events after the answer", late, "events", 0),
        Finding("sessions with another end", wrong, "sessions", 0),
        Finding("from call to bye, p99", p99, "ms", 100),
        *(
            Finding(f"median, {reason}", statistics.median(taken), "ms", None)
            for reason, taken in times.items()
        ),
    ]
