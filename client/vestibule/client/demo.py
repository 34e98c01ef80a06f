"""`vestibule demo`: a story told against a real broker, which it starts and ends.

Every step says what should happen, does it, and stops the story if it went otherwise.
The broker is a process of its own with a free port and a temporary folder.
"""

import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed as WebSocketClosed
from websockets.typing import Subprotocol

from vestibule import client
from vestibule.protocol import codec
from vestibule.protocol.crypto import parse_server_key
from vestibule.protocol.errors import CloseCode
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.messages import Publish


__all__ = ["play"]

_PATIENCE: Final = 20.0
"""Seconds that any one step may take; a step takes milliseconds."""

_STAFF: Final = {
    "events": {"news/*": {"actions": ["publish", "subscribe"]}},
    "methods": {"add": {"actions": ["call", "provide"]}},
}


class StoryFailed(Exception):  # noqa: N818 - what happened
    """A step did not go as told."""


def play() -> int:
    """Play the story; 0 if each step went as told, else 1."""
    try:
        asyncio.run(_story())
    except StoryFailed as problem:
        _say(f"  ✗ not as told: {problem}")
        return 1
    except (client.VestibuleError, OSError, TimeoutError) as problem:
        _say(f"  ✗ not as told: {type(problem).__name__}: {problem}")
        return 1
    _say("\nEvery step went as told.")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _step(told: str) -> None:
    _say(f"\n• {told}")


def _so(result: str) -> None:
    _say(f"  ✓ {result}")


def _expect(right: bool, otherwise: str) -> None:  # noqa: FBT001 - the claim itself
    if not right:
        raise StoryFailed(otherwise)


async def _story() -> None:
    with tempfile.TemporaryDirectory(prefix="vestibule-demo-") as folder:
        _say("A broker starts on a free port, with its data in a temporary folder.")
        async with _broker(folder) as facts:
            url, key = facts["url"], facts["server_key"]
            _so(f"it listens on {url}")
            _so(f"its key, which every client here pins, is {key}")
            async with asyncio.timeout(_PATIENCE):
                await _quarantine(url, key)
            credentials = {"username": "_ADMIN", "password": facts["password"]}
            async with client.open_session(url, credentials, server_key=key) as admin:
                await _with_users(url, key, admin)
        _so("the broker said goodbye to everybody and ended with status 0")
        _step("What happened stands in its audit log, the refused publish for one:")
        _audited(folder)


@asynccontextmanager
async def _broker(folder: str) -> AsyncIterator[dict[str, str]]:
    """Run `vestibule serve` as a process; give what it announces."""
    password = secrets.token_urlsafe(12)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VESTIBULE_")
    }
    environment |= {
        "VESTIBULE_ADMIN_PASSWORD": password,
        "VESTIBULE_DATA": str(Path(folder, "data")),
        "VESTIBULE_HTTP": "null",
        "VESTIBULE_LISTEN": "127.0.0.1:0",
        "VESTIBULE_LOG__LEVEL": "ERROR",
        "VESTIBULE_SHUTDOWN__SPREAD": "0",
    }
    with _log_of(folder).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vestibule.client", "serve", "--json"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    output = process.stdout
    if output is None:
        raise StoryFailed("there is no pipe to the broker")
    try:
        async with asyncio.timeout(_PATIENCE):
            announced = await output.readline()
        if not announced:
            problem = _log_of(folder).read_text("utf-8").strip()
            raise StoryFailed(f"the broker did not start: {problem}")
        yield {**json.loads(announced), "password": password}
        process.terminate()
        async with asyncio.timeout(_PATIENCE):
            status = await process.wait()
        _expect(status == 0, f"the broker ended with status {status}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _log_of(folder: str) -> Path:
    return Path(folder, "broker.log")


def _audited(folder: str) -> None:
    lines = _log_of(folder).read_text("utf-8").splitlines()
    told = [line for line in lines if "kind=message_denied" in line]
    _expect(len(told) == 1, f"the audit log has {len(told)} refused messages")
    _so(told[0])


async def _quarantine(url: str, key: str) -> None:
    _step(
        "A stranger publishes right behind a login with a wrong password. In quarantine"
        "\n  nothing but a login counts: its connection should end for that."
    )
    code = await _publish_in_quarantine(url, key)
    _expect(code == CloseCode.INVALID_AUTH_MSG, f"the broker ended it with {code}")
    _so(f"refused with {CloseCode.INVALID_AUTH_MSG.name}, and the connection is closed")

    _step("_ADMIN with a wrong password should not get in.")
    wrong = {"username": "_ADMIN", "password": "guess"}
    try:
        async with client.open_session(url, wrong, server_key=key, reconnect=None):
            pass
    except client.LoginRefused as refused:
        _expect(refused.code == "INVALID_AUTH_DATA", f"refused with {refused.code}")
        _so(f"refused with {refused.code}: {refused.reason}")
    else:
        raise StoryFailed("the login was accepted")


async def _publish_in_quarantine(url: str, key: str) -> int | None:
    """Send a login that will be refused, and a publish with it; give the close code.

    No client does this, so it is done by hand with the protocol core.
    """
    clock = asyncio.get_running_loop().time
    core = Initiator([parse_server_key(key)])
    async with connect_websocket(
        url, subprotocols=[Subprotocol("vestibule.1")], compression=None
    ) as socket:
        for hello in core.outgoing(clock()):
            await socket.send(hello)
        core.receive(await socket.recv(decode=False), clock())
        wrong = {"username": "_ADMIN", "password": "guess"}
        core.login("plain", {"auth_data": wrong})
        publish = Publish(core.next_id(), "news/x", codec.encode_body("hi"))
        core.queue(codec.encode(publish))
        for record in core.outgoing(clock()):
            await socket.send(record)
        try:
            while True:
                core.receive(await socket.recv(decode=False), clock())
        except WebSocketClosed:
            return socket.close_code


async def _with_users(url: str, key: str, admin: client.Session) -> None:
    _step("_ADMIN logs in with the right one, makes the group staff, lisa and bob.")
    security = admin.exchange.security
    await security.add_group({"name": "staff", "permissions": _STAFF})
    people = {name: secrets.token_urlsafe(12) for name in ("lisa", "bob")}
    for name, password in people.items():
        await security.add_user(
            {"username": name, "password": password, "groups": {"staff": True}}
        )
    _so("staff may publish and hear news/*, and provide and call add")

    def login(name: str) -> Any:
        credentials = {"username": name, "password": people[name]}
        return client.open_session(url, credentials, server_key=key)

    async with login("lisa") as lisa, login("bob") as bob:
        _so(f"{lisa.username} and {bob.username} log in")
        await _events(admin, lisa, bob)
        await _calls(lisa, bob)
        await _taken_away(admin, lisa, bob)


async def _next(events: Any) -> Any:
    async with asyncio.timeout(_PATIENCE):
        return await anext(aiter(events))


async def _events(
    admin: client.Session, lisa: client.Session, bob: client.Session
) -> None:
    _step("bob subscribes to news/*, lisa publishes news/sport. bob should hear it.")
    async with bob.events.subscribe("news/*") as news:
        await lisa.events.publish("news/sport", {"score": 3})
        event = await _next(news)
    _expect(event.data == {"score": 3}, f"bob heard {event!r}")
    _so(f"bob heard {event.name} {event.data}")

    _step("lisa publishes plans/secret, which nothing allows her.")
    try:
        await lisa.events.publish("plans/secret", "psst")
    except client.MessageDenied as denied:
        _so(f"denied with {denied.code}; lisa learns no more than that")
    else:
        raise StoryFailed("it was published")
    _step("_ADMIN asks why, and why the other one was allowed.")
    for path, allowed in (("plans/secret", False), ("news/sport", True)):
        why = await admin.exchange.security.explain("lisa", "events.publish", path)
        _expect(why["allowed"] is allowed, f"explain says {why}")
        verdict = "allowed" if allowed else "denied"
        grant = why["grant"]
        by = f"{grant['holder']} {grant['pattern']}" if grant else "no grant matches"
        _so(f"events.publish {path}: {verdict}, {by} ({why['reason']})")


async def _calls(lisa: client.Session, bob: client.Session) -> None:
    _step("bob provides add, lisa calls it with 1 and 2.")
    async with bob.rpc.provide("add", lambda data: data["a"] + data["b"]):
        total = await lisa.rpc.call("add", {"a": 1, "b": 2}, timeout=5)
    _expect(total == 1 + 2, f"lisa got {total!r}")
    _so(f"lisa got {total}")


async def _taken_away(
    admin: client.Session, lisa: client.Session, bob: client.Session
) -> None:
    security = admin.exchange.security
    hear = {"events": {"news/*": {"actions": ["subscribe"]}}}
    suspended, resumed = asyncio.Event(), asyncio.Event()

    def on_state(state: str, code: str | None, patterns: tuple[str, ...]) -> None:
        del code, patterns
        (suspended if state == "suspended" else resumed).set()

    async with (
        asyncio.timeout(_PATIENCE),
        bob.events.subscribe("news/*", on_state=on_state) as news,
    ):
        _step("While bob is subscribed, _ADMIN takes staff's right to hear news/*.")
        await security.remove_group_permissions("staff", hear)
        await suspended.wait()
        _expect(news.suspended, "the subscription is not suspended")
        _so("bob's subscription is suspended, and he was told")
        await lisa.events.publish("news/hidden", "not for bob")
        _so("lisa published news/hidden meanwhile")

        _step("The right comes back. bob should hear the next event and not the last.")
        await security.add_group_permissions("staff", hear)
        await resumed.wait()
        await lisa.events.publish("news/again", "for bob")
        event = await _next(news)
        _expect(event.name == "news/again", f"bob heard {event.name}")
        _expect(news.gaps == 1, f"gaps is {news.gaps}")
        _so(
            f"bob heard {event.name}; gaps is {news.gaps}; news/hidden never reached him"
        )
