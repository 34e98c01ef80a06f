"""Logging in anew: who the session is then, what it holds, and what a refusal leaves."""

import asyncio
import base64
from typing import Any

import pytest
from msgspec import Raw

from handlers import Everybody
from live import LiveBroker, call, id_of, live, next_of, proof, told
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.signatures import SigningKey, key_login
from vestibule.server import (
    ConnectionData,
    Identity,
    InvalidCredentials,
    PermissionHandler,
)
from vestibule.server.testing import ManualClock, RawPeer, RequestRefused


STATES = (messages.Suspended, messages.Resumed)


async def turned(peer: RawPeer, auth_data: dict[str, Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await peer.reauthenticate(auth_data)
    return caught.value


async def lisa_and_bob(hub: LiveBroker) -> RawPeer:
    """Make both, trusted with K; give lisa's session."""
    await hub.system(
        "trust client proposed property 'K' if value in ['lisa' 'bob']",
        "trust client proposed property 'L' if value in ['1']",
        "add principal 'bob' 'pw-bob' ['B']",
    )
    return await hub.session_of("lisa", "A", properties={"K": "lisa", "L": "1"})


async def test_s77_a_session_becomes_somebody_else_and_stays_the_same_session() -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        before = await hub.properties(lisa)
        said = await lisa.reauthenticate({**proof("bob"), "properties": {"K": "bob"}})
        assert said == {"username": "bob", "client_data": None}
        now = await hub.properties(lisa)
        assert (now["$Principal"], now["$Roles"]) == ("bob", '"B","_GUEST"')
        assert (now["K"], "L" in now) == ("bob", False)
        for kept in ("$SessionId", "$ClientIP", "$StartTime"):
            assert now[kept] == before[kept]


async def test_s78_a_refused_login_leaves_the_session_who_it_was() -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        hub.session(lisa).expires_at = 4_000_000_000_000
        before = await hub.properties(lisa)
        assert before["$ExpiryTime"] == "4000000000000"
        for auth_data in (
            {"username": "bob", "password": "wrong"},
            {"username": "nobody", "password": "x"},
        ):
            refusal = await turned(lisa, auth_data)
            assert refusal.code == "INVALID_AUTH_DATA"
            assert refusal.message == "invalid credentials"
        assert (await turned(lisa, {})).code == "ANONYMOUS_DISABLED"
        assert await hub.properties(lisa) == before


async def test_without_a_new_expiry_the_session_no_longer_expires() -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        hub.session(lisa).expires_at = 4_000_000_000_000
        await lisa.reauthenticate(proof("bob"))
        assert "$ExpiryTime" not in await hub.properties(lisa)


async def test_what_the_session_holds_is_decided_anew_before_the_answer() -> None:
    async with live() as hub:
        await hub.security(
            "set 'A' path 'a' permissions [SELECT_TOPIC READ_TOPIC]",
            "set 'B' path 'b' permissions [SELECT_TOPIC READ_TOPIC]",
            "set 'A' permissions [REGISTER_HANDLER]",
        )
        lisa = await lisa_and_bob(hub)
        assert await lisa.subscribe("a/*") == [None]
        await lisa.request(messages.Provide(lisa.next_id(), "add"))
        await lisa.reauthenticate(proof("bob"))
        assert told(lisa, *STATES) == [
            messages.Suspended("event", ["a/*"], "PERMISSION_REVOKED"),
            messages.Suspended("rpc", ["add"], "PERMISSION_REVOKED"),
        ]
        assert await lisa.subscribe("b/*") == [None]
        await hub.admin.publish("a/x")
        await hub.admin.publish("b/x")
        assert (await next_of(lisa, messages.Event)).name == "b/x"
        await lisa.reauthenticate(proof("lisa"))
        kinds = sorted(type(one).__name__ for one in told(lisa, *STATES))
        assert kinds == ["Resumed", "Resumed", "Suspended"]


async def test_a_pending_call_ends_that_the_new_user_may_not_make() -> None:
    async with live() as hub:
        await hub.security(
            "set 'A' path 'add' permissions [SEND_TO_MESSAGE_HANDLER]",
        )
        lisa = await lisa_and_bob(hub)
        await hub.admin.request(messages.Provide(hub.admin.next_id(), "add"))
        asked = asyncio.ensure_future(lisa.call("add"))
        await next_of(hub.admin, messages.CallGiven)
        await lisa.reauthenticate(proof("bob"))
        with pytest.raises(RequestRefused, match="MESSAGE_DENIED"):
            await asked


async def test_providers_are_told_who_it_is_now() -> None:
    async with live() as hub:
        for role in "AB":
            await hub.security(
                f"set '{role}' path 'add' permissions [SEND_TO_MESSAGE_HANDLER]"
            )
        lisa = await lisa_and_bob(hub)
        await hub.admin.request(messages.Provide(hub.admin.next_id(), "add"))
        callers = []
        for name in ("lisa", "bob"):
            await lisa.reauthenticate(proof(name))
            message = messages.Call(lisa.next_id(), "add", messages.NIL)
            lisa.send(message)
            given = await next_of(hub.admin, messages.CallGiven)
            callers.append(decode_body(given.caller)["username"])
        assert callers == ["lisa", "bob"]


class Slow(PermissionHandler):
    """Lets in whoever says a name, when it is told to."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> str | None:
        name = auth_data["username"]
        if name == "_ADMIN":
            return None
        if name == "bob":
            may: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.asked.put_nowait(may)
            await may
        return str(name)


async def test_messages_behind_it_wait_and_deliveries_go_on_until_the_switch() -> None:
    handler = Slow()
    async with live(handler) as hub:
        await hub.security(
            "set 'D' default path permissions "
            "[SELECT_TOPIC READ_TOPIC UPDATE_TOPIC SEND_TO_MESSAGE_HANDLER]",
            "set roles for named sessions ['D']",
        )
        lisa = await hub.memory.login({"username": "lisa"})
        await lisa.subscribe("n/*")
        await hub.admin.request(messages.Provide(hub.admin.next_id(), "who"))
        anew = asyncio.ensure_future(lisa.reauthenticate({"username": "bob"}))
        may = await handler.asked.get()
        lisa.send(messages.Call(lisa.next_id(), "who", messages.NIL))
        await hub.admin.publish("n/x", "meanwhile")
        await next_of(lisa, messages.Event)
        assert told(hub.admin, messages.CallGiven) == []
        assert not anew.done()
        may.set_result(None)
        assert (await anew)["username"] == "bob"
        given = await next_of(hub.admin, messages.CallGiven)
        assert decode_body(given.caller)["username"] == "bob"


async def test_a_handler_is_asked_with_the_connection_of_the_session() -> None:
    class Chooses(Everybody):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Identity | None:
            if auth_data.get("username") == "eve":
                raise InvalidCredentials("not eve", {"until": 5})
            return super().is_valid_user(connection, auth_data)

    handler = Chooses()
    async with live(handler) as hub:
        lisa = await hub.memory.login({"username": "lisa"})
        given = {"username": "bob", "properties": {"a": "b"}, "server_data": 7}
        await lisa.reauthenticate(given)
        connection, auth_data = handler.logins[-1]
        assert connection.session_id == id_of(lisa)
        assert auth_data == given
        assert hub.session(lisa).view().server_data == 7
        refusal = await turned(lisa, {"username": "eve"})
        assert refusal.message == "not eve"
        assert refusal.details == {"client_data": {"until": 5}}
        lisa.close()
        await lisa.wait_closed()
        await asyncio.sleep(0)
        assert handler.left == ["bob"]


async def test_refusals_count_for_the_lockout_and_end_nothing() -> None:
    clock = ManualClock()
    async with live(clock=clock, lockout={"attempts": 3}) as hub:
        lisa = await lisa_and_bob(hub)
        wrong = {"username": "bob", "password": "wrong"}
        codes = [(await turned(lisa, wrong)).code for _ in range(4)]
        assert codes == ["INVALID_AUTH_DATA"] * 3 + ["ACCOUNT_LOCKED"]
        assert (await turned(lisa, proof("bob"))).code == "ACCOUNT_LOCKED"
        stranger = await hub.memory.connect()
        with pytest.raises(RequestRefused, match="ACCOUNT_LOCKED"):
            await stranger.login(proof("bob"))
        assert (await call(lisa, "get_session_properties"))["$Principal"] == "lisa"
        clock.advance(10_000)
        assert (await lisa.reauthenticate(proof("bob")))["username"] == "bob"


async def test_refusals_count_for_the_address_and_do_not_close_a_session() -> None:
    quarantine = {"max_failures_per_address": 2}
    async with live(clock=ManualClock(), quarantine=quarantine) as hub:
        lisa = await lisa_and_bob(hub)
        for name in ("x", "y"):
            await turned(lisa, {"username": name, "password": "wrong"})
        refusal = await turned(lisa, proof("bob"))
        assert refusal.code == "TOO_MANY_AUTH_ATTEMPTS"
        assert refusal.details["retry_after"] > 0
        assert (await call(lisa, "get_session_properties"))["$Principal"] == "lisa"


async def test_what_befalls_the_new_user_befalls_the_session_and_not_the_old() -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        await lisa.reauthenticate(proof("bob"))
        assert hub.broker._sessions.of("bob") == (hub.session(lisa),)
        await hub.system("remove principal 'lisa'")
        assert (await call(lisa, "get_session_properties"))["$Principal"] == "bob"
        await hub.system("remove principal 'bob'")
        assert await lisa.wait_closed() == "user_deleted"


async def test_a_user_has_no_more_sessions_by_logging_in_anew() -> None:
    async with live(limits={"sessions_per_user": 1}) as hub:
        lisa = await lisa_and_bob(hub)
        bob = await hub.enter("bob")
        assert (await turned(lisa, proof("bob"))).code == "LIMIT_EXCEEDED"
        # One's own session is none more.
        assert (await bob.reauthenticate(proof("bob")))["username"] == "bob"


@pytest.mark.parametrize("method", ["re_authenticate", "change_principal"])
async def test_a_rule_may_prohibit_it(method: str) -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        entry = {"authorized": False, "actions": ["call"]}
        rule = {"methods": {f"security/{method}": entry}}
        await hub.directory.add_user_permissions("lisa", rule, by="_ADMIN")
        assert (await turned(lisa, proof("bob"))).code == "MESSAGE_DENIED"
        assert hub.broker.counters["logins_refused"] == 0


@pytest.mark.parametrize(
    ("scheme", "fields", "code"),
    [
        ("scram", {"username": "bob", "client_nonce": bytes(32)}, None),
        ("ticket", {"ticket": bytes(32), "signature": bytes(64)}, None),
        ("magic", {}, None),
        ("plain", {}, "INVALID_AUTH_MSG"),
        ("plain", {"auth_data": 5}, "INVALID_AUTH_MSG"),
        ("plain", {"auth_data": {"x": "x" * 20_000}}, "INVALID_AUTH_MSG"),
        ("key", {"username": "bob"}, "INVALID_AUTH_MSG"),
    ],
)
async def test_what_is_no_login_of_a_session_is_refused(
    scheme: str, fields: dict[str, Any], code: str | None
) -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        body = Raw(encode_body(fields))
        with pytest.raises(RequestRefused) as caught:
            await lisa.request(messages.Reauthenticate(lisa.next_id(), scheme, body))
        assert caught.value.code == (code or "SCHEME_NOT_AVAILABLE")
        assert hub.session(lisa).username == "lisa"


async def test_a_key_proves_it_as_well_bound_to_this_very_connection() -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        key = SigningKey.generate()
        public = base64.b64encode(key.public).decode()
        await hub.directory.update_user(
            {"username": "bob", "public_key": public}, by="_ADMIN"
        )
        exporter = lisa.initiator.exporter
        assert exporter is not None

        async def by_key(signed: bytes) -> Any:
            fields = {
                "username": "bob",
                "public_key": key.public,
                "signature": key.sign(key_login(signed, "bob")),
            }
            body = Raw(encode_body(fields))
            return await lisa.request(
                messages.Reauthenticate(lisa.next_id(), "key", body)
            )

        with pytest.raises(RequestRefused, match="INVALID_AUTH_DATA"):
            await by_key(bytes(32))
        assert (await by_key(exporter))["username"] == "bob"


async def test_a_session_token_proves_it_as_well_and_is_kept() -> None:
    async with live() as hub:
        lisa = await lisa_and_bob(hub)
        other = await hub.memory.connect()
        token = (await other.login(proof("bob")))["token"]
        assert (await lisa.reauthenticate({"token": token}))["username"] == "bob"
        (replaced,) = told(lisa, messages.TokenReplaced)
        assert replaced.token == token
        refusal = await turned(lisa, {"token": token + "x"})
        assert refusal.code == "INVALID_AUTH_DATA"
