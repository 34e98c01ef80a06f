"""Vestibule by its own client, `vestibule.client`."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from harness.clients.base import PASSWORD, Client, Denials, user
from harness.plan import Plan


__all__ = ["GROUP", "VestibuleClient", "VestibuleDriver", "driver"]

PATIENCE_SECONDS = 60.0
SETTLE_SECONDS = 0.2
GROUP: Final = {
    "name": "member",
    "permissions": {
        "events": {
            "ev/*": {"actions": ["publish", "subscribe"]},
            "readonly/*": {"actions": ["subscribe"]},
        },
        "methods": {"rpc/*": {"actions": ["call", "provide"]}},
    },
}


class Held:
    """A context manager entered and left by one task of its own.

    Scenarios open and close from different tasks, and a context manager that holds a
    task group or a timeout must be left by the task that entered it.
    """

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.tasks = tasks
        self.over = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def enter(self, manager: AbstractAsyncContextManager[Any]) -> Any:
        """Enter it and give what it gives; raises what entering raises."""
        entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.task = self.tasks.create_task(self.hold(manager, entered))
        return await entered

    async def hold(
        self, manager: AbstractAsyncContextManager[Any], entered: asyncio.Future[Any]
    ) -> None:
        """Stay inside until `leave`."""
        try:
            async with manager as value:
                entered.set_result(value)
                await self.over.wait()
        except Exception as problem:
            if entered.done():
                raise
            entered.set_exception(problem)

    async def leave(self) -> None:
        """Leave it; returns when it is left."""
        self.over.set()
        if self.task is not None:
            await self.task


class VestibuleClient:
    """One session of the client library."""

    def __init__(
        self, session: Any, held: Held, tasks: asyncio.TaskGroup, payload: str
    ) -> None:
        self.session = session
        self.tasks = tasks
        self.held = [held]
        self.payload = payload

    async def close(self) -> None:
        """Leave what was entered, last first."""
        for held in reversed(self.held):
            await held.leave()

    async def enter(self, manager: AbstractAsyncContextManager[Any]) -> Any:
        """Enter something that lives as long as this client."""
        held = Held(self.tasks)
        value = await held.enter(manager)
        self.held.append(held)
        return value

    async def provide_echo(self, name: str) -> None:
        """Answer calls with their data."""
        await self.enter(self.session.rpc.provide(name, echo))

    async def call(self, name: str) -> None:
        """Call and wait."""
        await self.session.rpc.call(name, self.payload, timeout=PATIENCE_SECONDS)

    async def subscribe(self, name: str, on_event: Callable[[], None]) -> None:
        """Subscribe, with a task that empties the iterator."""
        await self.enter(reading(self.session.events.subscribe(name), on_event))

    async def publish(self, name: str) -> None:
        """Publish without waiting for an answer."""
        await self.session.events.publish(name, self.payload, ack=False)


def echo(data: object) -> object:
    """Answer with what was asked."""
    return data


@asynccontextmanager
async def reading(
    subscription: AbstractAsyncContextManager[Any], on_event: Callable[[], None]
) -> AsyncIterator[None]:
    """Hold a subscription and call `on_event` for each of its events."""

    async def read(events: Any) -> None:
        async for _event in events:
            on_event()

    async with subscription as events, asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(read(events))
        yield
        reader.cancel()


class VestibuleDriver:
    """Makes sessions of one broker."""

    def __init__(self, url: str, encryption: str, plan: Plan) -> None:
        self.url = url
        self.encryption = encryption
        self.users = plan.users
        self.payload = "x" * plan.payload
        self.library = importlib.import_module("vestibule.client")
        self.tasks = asyncio.TaskGroup()

    def name(self, path: str) -> str:
        """Names are the harness's own."""
        return path

    async def prepare(self) -> None:
        """Make the group and the users, as the administrator."""
        await self.tasks.__aenter__()
        admin = await self.login("_ADMIN", PASSWORD)
        security = admin.session.exchange.security
        await security.upsert_group(GROUP)
        for number in range(self.users):
            name = user(number, self.users)
            groups = {GROUP["name"]: True}
            account = {"username": name, "password": PASSWORD, "groups": groups}
            await security.upsert_user(account)
        await admin.close()

    async def connect(self, number: int) -> Client:
        """Log in by password."""
        return await self.login(user(number, self.users), PASSWORD)

    async def login(
        self, username: str, password: str, **options: object
    ) -> VestibuleClient:
        """Open a session."""
        held = Held(self.tasks)
        manager = self.library.open_session(
            self.url,
            {"username": username, "password": password},
            encryption=self.encryption,
            reconnect=None,
            **options,
        )
        return VestibuleClient(
            await held.enter(manager), held, self.tasks, self.payload
        )

    async def denials(self) -> list[str]:
        """Try a wrong password, and what the group does not grant."""
        seen = Denials()
        got: list[str] = []
        refused = await self.refused(self.login("u0", "wrong"))
        seen.expect("password", denied=refused)
        writer = await self.login("u0", PASSWORD)
        reader = await self.login("u1", PASSWORD)
        await reader.subscribe("readonly/x", lambda: got.append("denied"))
        await reader.subscribe("ev/x", lambda: got.append("allowed"))
        events = writer.session.events
        refused = await self.refused(events.publish("readonly/x", self.payload))
        seen.expect("publish", denied=refused)
        await writer.publish("readonly/x")  # unasked for, it must not go through either
        await events.publish("ev/x", self.payload)
        await asyncio.sleep(SETTLE_SECONDS)
        seen.expect("delivery", denied=got == ["allowed"])
        refused = await self.refused(reader.subscribe("closed/x", lambda: None))
        seen.expect("subscribe", denied=refused)
        seen.expect("call", denied=await self.refused(writer.call("closed/rpc")))
        await writer.close()
        await reader.close()
        return seen.seen

    async def refused(self, attempt: Awaitable[object]) -> bool:
        """Say whether an attempt was refused by the gate or at the login."""
        try:
            await attempt
        except (self.library.MessageDenied, self.library.LoginRefused):
            return True
        return False

    async def close(self) -> None:
        """End the tasks; all clients are closed by now."""
        await self.tasks.__aexit__(None, None, None)


def driver(options: Mapping[str, str], plan: Plan) -> VestibuleDriver:
    """Make a driver for `options["url"]` and `options["encryption"]`."""
    return VestibuleDriver(options["url"], options["encryption"], plan)
