"""What the audit trail tells of a broker that people use, and what it never tells."""

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journeys.conftest import ADMIN_PASSWORD, Starting, until
from journeys.test_secrets import log as log  # noqa: PLC0414 - a fixture
from trails import stored
from vestibule.client import (
    LoginRefused,
    MessageDenied,
    RequestFailed,
    VestibuleError,
    connect,
    open_session,
)
from vestibule.server import Broker
from vestibule.server.config import ConfigError
from vestibule.server.trail import Database, TrailError, verify, writer as trail_writer


ADMIN = {"username": "_ADMIN", "password": ADMIN_PASSWORD}
LISA = {"username": "lisa", "password": "sesame"}


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Give what lines of a kind say, with their columns."""
    return [
        {**line._asdict(), "fields": json.loads(line.fields)}
        for line in stored(folder)
        if line.kind == kind
    ]


async def refused_login(broker: Broker, data: dict[str, Any]) -> str:
    async with connect(broker.url, server_key=broker.server_key) as connection:
        with pytest.raises(LoginRefused) as refused:
            await connection.login(data)
    return str(refused.value.code)


async def test_who_logged_in_was_refused_and_changed_what(
    starting: Starting, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    async with starting(name="hub") as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            security = admin.exchange.security
            await security.add_group({"name": "staff"})
            await security.add_user({**LISA, "groups": {"staff": True}})
            prohibition = {"events": {"news/*": {"authorized": False}}}
            await security.add_group_permissions("staff", prohibition)
            await refused_login(broker, {**LISA, "password": "wrong"})
            async with open_session(broker.url, LISA, server_key=key) as lisa:
                for name in ("/news/x/", "weather"):
                    with pytest.raises(MessageDenied):
                        await lisa.events.publish(name, 1)
                lisa_id = lisa.session_id
            await until(lambda: len(broker.sessions) == 1)
            answer = await security.query_audit(username="lisa", verdict="denied")
            found = {line["action"]: line for line in answer["lines"]}
            assert set(found) == {"event.publish", "login"}
            rows = await security.query_audit(session_id=lisa_id)
            assert [line["kind"] for line in rows["lines"]] == [
                "session_ended",
                "message_denied",
                "message_denied",
                "login_accepted",
            ]
            denied = rows["lines"][1:3][::-1]
    # The path is the one that was decided, and the grant the one that decided.
    assert [line["path"] for line in denied] == ["news/x", "weather"]
    assert denied[0]["fields"]["grant"] == {
        "holder": "group:staff",
        "section": "events",
        "pattern": "news/*",
        "action": "publish",
        "authorized": False,
    }
    assert denied[1]["fields"]["grant"] is None
    changes = [
        line["fields"]["differences"] for line in told(folder, "directory_changed")
    ]
    assert [row["name"] for (row,) in changes] == ["staff", "lisa", "staff"]
    assert changes[1][0]["after"] == {"groups": ["staff"], "password": "set"}
    assert changes[2][0]["before"] == {}
    assert set(changes[2][0]["after"]) == {"permissions"}
    assert stored(folder)[-1].kind == "broker_stopped"
    assert verify(folder, []).faults == []


async def test_whoever_may_not_see_security_may_not_ask(starting: Starting) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            await admin.exchange.security.add_user(LISA)
        async with open_session(broker.url, LISA, server_key=key) as lisa:
            with pytest.raises(MessageDenied):
                await lisa.exchange.security.query_audit()


async def test_a_change_is_on_disk_in_the_trail_before_it_is_acknowledged(
    starting: Starting, tmp_path: Path
) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            for number in range(20):
                await admin.exchange.security.add_group({"name": f"g{number}"})
                last = told(tmp_path / "data", "directory_changed")[-1]
                assert last["fields"]["groups"] == [f"g{number}"]


async def test_a_script_is_kept_with_its_author_and_its_outcome_without_passwords(
    starting: Starting, tmp_path: Path
) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            security = admin.exchange.security
            await security.update_authentication_store(
                'add principal "lisa" "SCRIPT-MARK" ["CLIENT"]'
            )
            with pytest.raises(RequestFailed):
                await security.update_authentication_store(
                    'set password "nobody" "SCRIPT-MARK"'
                )
    good, bad = told(tmp_path / "data", "script_applied")
    assert (good["user"], good["action"], good["verdict"]) == (
        "_ADMIN",
        "script",
        "allowed",
    )
    assert "***" in good["fields"]["script"]
    assert '"lisa"' in good["fields"]["script"]
    assert (bad["verdict"], bad["fields"]["outcome"]) == ("denied", "SCRIPT_FAILED")
    for path in (tmp_path / "data").glob("audit.*"):
        assert b"SCRIPT-MARK" not in path.read_bytes()


async def test_two_brokers_do_not_share_a_folder(
    starting: Starting, tmp_path: Path
) -> None:
    async with starting() as broker:
        before = sorted(path.name for path in (tmp_path / "data").iterdir())
        with pytest.raises(ConfigError, match="is in use: a broker runs on it"):
            async with starting():
                raise AssertionError
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before
        async with open_session(broker.url, ADMIN, server_key=broker.server_key):
            """It goes on."""
    async with starting():
        """The folder is free again."""


async def test_a_broker_does_not_start_on_a_trail_that_was_tampered_with(
    starting: Starting, tmp_path: Path
) -> None:
    async with starting():
        """A trail is begun."""
    other = Database.open(tmp_path / "data" / "audit.db", write=True)
    with other.transaction():
        other.cut(1)
    other.close()
    with pytest.raises(ConfigError, match=r"audit\.db: was changed: line 1: is missin"):
        async with starting():
            raise AssertionError


# While the trail cannot be written


Switch = Callable[[bool], None]


@pytest.fixture
def disk_full(monkeypatch: pytest.MonkeyPatch) -> Switch:
    state = {"full": False}
    append = Database.append

    def fail(self: Database, lines: Any) -> None:
        if state["full"]:
            raise TrailError("database or disk is full")
        append(self, lines)

    monkeypatch.setattr(Database, "append", fail)
    monkeypatch.setattr(trail_writer, "_RETRY", 0.02)
    return lambda full: state.update(full=full)


async def test_by_default_a_broker_goes_on_and_says_so(
    starting: Starting, tmp_path: Path, disk_full: Switch
) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            await admin.exchange.security.query_audit()
            disk_full(True)  # noqa: FBT003 - it is, or is not
            await admin.exchange.security.add_user(LISA)
            assert broker.status == "storage"
            async with open_session(broker.url, LISA, server_key=key):
                """She comes in."""
            assert told(tmp_path / "data", "directory_changed") == []
            disk_full(False)  # noqa: FBT003 - it is, or is not
            await until(lambda: broker.status == "ok")
            assert len(told(tmp_path / "data", "directory_changed")) == 1
        assert broker.counters["audit_lost"] == 0
    assert verify(tmp_path / "data", []).faults == []


async def test_or_it_lets_nobody_in_and_changes_nothing(
    starting: Starting, disk_full: Switch
) -> None:
    async with starting(audit={"on_failure": "refuse"}) as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            security = admin.exchange.security
            await security.query_audit()
            disk_full(True)  # noqa: FBT003 - it is, or is not
            # Its line cannot be written, which is how it is noticed.
            await security.add_user(LISA)
            with pytest.raises(RequestFailed) as failed:
                await security.add_group({"name": "g"})
            assert failed.value.code == "STORAGE_FAILED"
            assert await refused_login(broker, LISA) == "BUSY"
            assert await security.get_group("g") is None
            disk_full(False)  # noqa: FBT003 - it is, or is not
            await until(lambda: broker.status == "ok")
            await security.add_group({"name": "g"})
        async with open_session(broker.url, LISA, server_key=key):
            """She comes in."""


# What is never told


async def test_d39_the_administrators_password_is_that_of_the_first_start(
    starting: Starting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            await admin.exchange.security.add_user(LISA)
            await admin.exchange.security.change_own_password(
                ADMIN_PASSWORD, "changed-mark"
            )
    monkeypatch.setenv("VESTIBULE_ADMIN_PASSWORD", "another-mark")
    changed = {"username": "_ADMIN", "password": "changed-mark"}
    async with starting() as broker:
        for password in (ADMIN_PASSWORD, "another-mark"):
            wrong = {"username": "_ADMIN", "password": password}
            assert await refused_login(broker, wrong) == "INVALID_AUTH_DATA"
        async with open_session(broker.url, changed, server_key=key) as admin:
            users = await admin.exchange.security.list_users()
            assert [user["username"] for user in users] == ["_ADMIN", "lisa"]
    for path in (tmp_path / "data").iterdir():
        for mark in (b"changed-mark", b"another-mark", ADMIN_PASSWORD.encode()):
            assert mark not in path.read_bytes(), path


MARKS = {
    "first": "FIRST-MARK-11aa",
    "second": "SECOND-MARK-22bb",
    "wrong": "WRONG-MARK-33cc",
    "hint": "HINT-MARK-44dd",
}


def forms(mark: str) -> set[bytes]:
    """Give the shapes in which a secret could stand."""
    raw = mark.encode()
    digests = {hashlib.new(name, raw).digest() for name in ("sha1", "sha256", "md5")}
    digests.add(hashlib.blake2b(raw, digest_size=32).digest())
    texts = {raw.hex(), base64.b64encode(raw).decode(), *(d.hex() for d in digests)}
    return {raw, *digests, *(text.encode() for text in texts)}


async def test_d110_s1_no_password_hash_token_or_key_is_in_log_and_trail(
    starting: Starting, log: io.StringIO, tmp_path: Path
) -> None:
    asyncio.get_running_loop().set_debug(True)
    secrets: list[tuple[str, bytes]] = []
    lisa = {"username": "lisa", "password": MARKS["first"]}
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            security = admin.exchange.security
            await security.add_user({**lisa, "public_key": bytes(range(32))})
            secrets += hashes(broker)
            await refused_login(broker, {**lisa, "password": MARKS["wrong"]})
            await refused_login(broker, {"username": MARKS["wrong"], "password": "x"})
            await refused_login(broker, {"token": f"vst_{MARKS['wrong']}"})
            async with open_session(broker.url, lisa, server_key=key) as session:
                token = session.token
                assert token is not None
                secrets += [("token", form) for form in forms(token)]
                own = session.exchange.security
                with pytest.raises(VestibuleError):
                    await own.change_own_password(MARKS["wrong"], MARKS["second"])
                await own.change_own_password(MARKS["first"], MARKS["second"])
            secrets += hashes(broker)
            again = {"username": "lisa", "password": MARKS["second"]}
            async with open_session(broker.url, again, server_key=key) as session:
                await security.update_user({**again, "password": MARKS["first"]})
                await session.wait_closed()
            with pytest.raises(VestibuleError):
                await security.update_authentication_store(
                    f'add principal "bob" "{MARKS["hint"]}" ["nope" oops'
                )
            await security.delete_user("lisa")
        answer = str([line.fields for line in stored(tmp_path / "data")])
        assert '"password":"changed"' in answer
    secrets += [(name, form) for name, mark in MARKS.items() for form in forms(mark)]
    for name in ("identity.key", "audit.key"):
        text = (tmp_path / "data" / name).read_bytes().split()[-1]
        secrets.append((name, text))
    places = {
        path.name: path.read_bytes()
        for path in (tmp_path / "data").iterdir()
        if path.name in {"audit.db", "audit.head"} or path.name.startswith("audit.db-")
    }
    places["log"] = log.getvalue().encode()
    assert b"login_refused" in places["log"]
    assert b"login_refused" in places["audit.db"]
    found = [
        (name, place)
        for name, form in secrets
        for place, content in places.items()
        if form in content
    ]
    assert found == []


def hashes(broker: Broker) -> list[tuple[str, bytes]]:
    """Give the parts of lisa's stored verifier, and her public key in text."""
    user = broker.directory.user("lisa")
    assert user is not None
    assert user.password is not None
    public = base64.b64encode(bytes(range(32)))
    parts = [part for part in user.password.text.split("$") if len(part) > 20]
    assert parts
    return [("key", public), *(("hash", part.encode()) for part in parts)]


async def test_a_revoked_token_is_told_by_its_public_name(
    starting: Starting, tmp_path: Path
) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with open_session(broker.url, ADMIN, server_key=key) as admin:
            security = admin.exchange.security
            await security.add_user(LISA)
            async with open_session(broker.url, LISA, server_key=key):
                (row,) = await security.list_sessions(criteria={"username": "lisa"})
                await security.revoke_token(row["token_id"], "lost")
    (line,) = told(tmp_path / "data", "token_revoked")
    assert line["user"] == "_ADMIN"
    assert line["fields"] == {"family": row["token_id"], "reason": "lost"}
