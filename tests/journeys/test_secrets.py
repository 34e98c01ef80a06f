"""No secret is told: not in logs, audit lines, errors, reprs, arguments, answers."""

import asyncio
import base64
import hashlib
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from journeys.conftest import Starting
from vestibule.client import (
    LoginRefused,
    MessageDenied,
    RemoteError,
    ScriptError,
    Session,
    VestibuleError,
    connect,
    open_session,
)
from vestibule.server import (
    ConnectionData,
    InvalidCredentials,
    Message,
    PermissionHandler,
    logs,
)
from vestibule.server.keyfile import IDENTITY_FILE


MARKS = {
    "admin": "ADMIN-MARK-5e1f",
    "first": "FIRST-MARK-77aa",
    "second": "SECOND-MARK-90cd",
    "third": "THIRD-MARK-31f0",
    "wrong": "WRONG-MARK-1b2e",
    "handler": "HANDLER-MARK-4c4c",
    "body": "BODY-MARK-8d8d",
}


def forms(mark: str) -> set[str]:
    """Give the shapes in which a secret could be told."""
    raw = mark.encode()
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    digests = {hashlib.new(name, raw).hexdigest() for name in ("md5", "sha1", "sha256")}
    return {mark, mark.lower(), raw.hex(), *encoded, *digests}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Give everything that is logged, at the lowest level, of all libraries."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("DEBUG", "json", stream)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("vestibule").setLevel(logging.NOTSET)
    structlog.reset_defaults()


class Raising(PermissionHandler):
    """Raises with login data and bodies in the text, as careless handlers do."""

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> None:
        if auth_data.get("kind") == "raise":
            raise ValueError(f"cannot use {auth_data}")
        if auth_data.get("kind") == "refuse":
            raise InvalidCredentials("no")

    def can_perform_action(self, username: str, message: Message) -> bool:
        if message.name == "raise":
            raise RuntimeError(f"{username} sent {message.data}")
        return True


async def test_s1_no_secret_is_told(
    starting: Starting,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
    tmp_path: Path,
) -> None:
    asyncio.get_running_loop().set_debug(True)
    told: list[str] = []

    def tell(*things: object) -> None:
        for thing in things:
            told.extend([repr(thing), str(thing)])
            if isinstance(thing, BaseException):
                told.extend(traceback.format_exception(thing))
            if isinstance(thing, VestibuleError):
                told.extend([repr(vars(thing)), repr(thing.details)])

    monkeypatch.setenv("VESTIBULE_ADMIN_PASSWORD", MARKS["admin"])
    async with starting(Raising()) as broker:
        url, key = broker.url, broker.server_key
        admin_data = {"username": "_ADMIN", "password": MARKS["admin"]}
        async with open_session(url, admin_data, server_key=key) as admin:
            security = admin.exchange.security
            lisa = {"username": "lisa", "password": MARKS["first"]}
            tell(await security.upsert_user(lisa))
            for data in (
                {"username": "lisa", "password": MARKS["wrong"]},
                {"username": MARKS["wrong"], "password": MARKS["wrong"]},
                {"kind": "raise", "token": MARKS["handler"]},
                {"kind": "refuse", "code": MARKS["handler"]},
                {"password": [MARKS["handler"]]},
            ):
                async with connect(url, server_key=key, reconnect=None) as connection:
                    with pytest.raises(LoginRefused) as refused:
                        await connection.login(data)
                    tell(refused.value, connection, connection.__dict__)
            async with open_session(url, lisa, server_key=key) as session:
                with pytest.raises(MessageDenied) as denied:
                    await session.events.publish("raise", MARKS["body"])
                tell(denied.value, session, session.connection, session.events)
                async with (
                    admin.rpc.provide("fail", fail),
                    session.events.subscribe("n") as heard,
                ):
                    with pytest.raises(RemoteError) as failed:
                        await session.rpc.call("fail", MARKS["body"])
                    tell(failed.value, heard)
                own = session.exchange.security
                with pytest.raises(VestibuleError) as wrong:
                    await own.change_own_password(MARKS["wrong"], MARKS["second"])
                tell(wrong.value)
                await own.change_own_password(MARKS["first"], MARKS["second"])
            tell(await security.get_user("lisa"), await security.list_users())
            tell(await security.list_groups(), admin, security)
            tell(*await scripts(admin))
        tell(broker, broker.config, broker.directory, broker.first_password)
        tell(*broker.sessions.values(), dict(broker.counters))
        tell(broker.directory.user("lisa"), broker.directory.policy)

    told.append(arguments())
    logged = log.getvalue()
    assert "login_refused" in logged
    assert "message_denied" in logged
    assert "'***'" in logged
    assert "lisa" in "".join(told)
    everything = "\n".join([*told, logged])
    found = [
        (name, form)
        for name, mark in [*MARKS.items(), *identity_lines(tmp_path / "data")]
        for form in forms(mark)
        if form in everything
    ]
    assert found == []


async def scripts(admin: Session) -> list[object]:
    """Say secrets in scripts that are applied, fail, or are none; give all answers."""
    security = admin.security
    builder = security.system_authentication_script_builder()
    builder.add_principal("bob", MARKS["third"], ["A"])
    told: list[object] = [builder, security]
    told.append(await security.update_authentication_store(builder.build()))
    for script in (
        builder.build(),
        f"verify password 'bob' '{MARKS['wrong']}'",
        f"set password 'bob' '{MARKS['third']}",
        f"set pasword 'bob' '{MARKS['third']}' ; '{MARKS['wrong']}'",
        f"{MARKS['third']} set password",
        f"add principal '{MARKS['third']}",
    ):
        with pytest.raises(ScriptError) as refused:
            await security.update_authentication_store(script)
        told += [refused.value, *refused.value.reports]
    told.append(await security.get_system_authentication_configuration())
    told.append(await security.re_authenticate("bob", MARKS["wrong"]))
    with pytest.raises(LoginRefused) as refusal:
        await security.change_principal("nobody", {"password": MARKS["wrong"]})
    return [*told, refusal.value]


def identity_lines(folder: Path) -> list[tuple[str, str]]:
    """Give the secret lines of the identity file, as marks."""
    lines = (folder / IDENTITY_FILE).read_text().splitlines()
    return [("identity", line) for line in lines if not line.startswith("#")]


def arguments() -> str:
    """Give this process's arguments, where the system shows them."""
    path = Path("/proc/self/cmdline")
    return path.read_bytes().decode(errors="replace") if path.exists() else ""


def fail(data: object) -> None:
    del data
    raise ValueError("no reason")
