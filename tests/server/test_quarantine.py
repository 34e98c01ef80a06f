"""Quarantine and login, told against a whole broker in memory."""

import asyncio
from collections import Counter
from typing import Any, get_args

import pytest
from msgspec import Raw

from handlers import Everybody
from vestibule.protocol import messages
from vestibule.protocol.codec import encode
from vestibule.server import (
    ConnectionData,
    Identity,
    InvalidCredentials,
    PermissionHandler,
)
from vestibule.server.quarantine import Door
from vestibule.server.testing import (
    ManualClock,
    MemoryBroker,
    PeerClosed,
    RawPeer,
    RequestRefused,
    memory_broker,
)


class OnlyLisa(PermissionHandler):
    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> str:
        del connection
        if auth_data == {"user": "LisaA", "password": "sesame"}:
            return "LisaA"
        raise InvalidCredentials("invalid credentials")


WRONG = {"user": "LisaA", "password": "wrong"}
RIGHT = {"user": "LisaA", "password": "sesame"}


async def refused(peer: RawPeer, auth_data: dict[str, Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await peer.login(auth_data)
    return caught.value


EXAMPLES: dict[str, Any] = {
    "id": 7,
    "name": "n",
    "data": Raw(b"\xc0"),
    "patterns": ["n"],
    "session_id": "00" * 16,
    "request": 7,
    "call": 7,
    "message": "m",
    "code": "c",
    "caller": Raw(b"\x80"),
    "origin": Raw(b"\x80"),
    "kind": "event",
    "names": ["n"],
    "epoch": 1,
    "kinds": ["upsert-user"],
    "ticket": bytes(32),
    "ttl_ms": 1,
    "scheme": "plain",
    "fields": Raw(b"\x80"),
    "token": None,
    "ask": 1,
}
"""A plausible value for each field of the table of messages."""


@pytest.mark.parametrize(
    "kind", [*get_args(messages.AnyRequest), *get_args(messages.AnyNotice)]
)
async def test_q7_no_message_of_the_table_has_an_effect_in_quarantine(
    kind: type[messages.Message],
) -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        peer = await broker.connect()
        await peer.ready()
        epoch = broker.broker.directory.policy.epoch
        required = [field for field in kind.__struct_fields__ if field in EXAMPLES]
        message = kind(**{field: EXAMPLES[field] for field in required})
        login = {"username": "lisa"}
        peer.send_raw(encode(message))
        peer.initiator.login("plain", {"auth_data": login})
        assert await peer.wait_closed() == "invalid_auth_msg"
        assert peer.close_code == 4401
        assert handler.logins == []
        assert handler.asked == []
        assert broker.broker.counters["sessions_admitted"] == 0
        assert broker.broker.directory.policy.epoch == epoch


async def test_r2_the_handler_learns_whom_it_is_asked_about() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        peer = await broker.connect(
            address="192.0.2.7", headers={"Referer": "http://x/"}
        )
        data = {"username": "lisa", "password": "sesame"}
        await peer.login(data)
        ((connection, auth_data),) = handler.logins
        assert connection.remote_address == "192.0.2.7"
        assert connection.headers["REFERER"] == connection.referer == "http://x/"
        assert connection.session_id == peer.initiator.session_id
        assert connection.origin is None
        assert auth_data == data


async def test_r3_who_does_nothing_is_ended_in_time() -> None:
    async with memory_broker(OnlyLisa(), quarantine={"timeout": 0.1}) as broker:
        peer = await broker.connect()
        assert await peer.wait_closed() == "login_timeout"
        assert broker.broker.counters["quarantine_timeouts"] == 1
        with pytest.raises(PeerClosed):
            await peer.login(RIGHT)


async def test_a_login_under_way_is_refused_when_its_time_is_over() -> None:
    cancelled = asyncio.Event()

    class Hangs(PermissionHandler):
        async def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> str:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return "never"

    async with memory_broker(Hangs(), quarantine={"timeout": 0.1}) as broker:
        peer = await broker.connect()
        refusal = await refused(peer, RIGHT)
        assert refusal.code == "AUTHENTICATION_TIMEOUT"
        assert await peer.wait_closed() == "login_timeout"
        assert cancelled.is_set()


async def test_r8_r9_a_wrong_login_may_be_followed_by_a_right_one() -> None:
    async with memory_broker(OnlyLisa()) as broker:
        peer = await broker.connect()
        refusal = await refused(peer, WRONG)
        assert (refusal.code, refusal.message) == (
            "INVALID_AUTH_DATA",
            "invalid credentials",
        )
        assert refusal.details["attempts_left"] == 2
        assert (await peer.login(RIGHT))["username"] == "LisaA"


async def test_r10_r12_the_third_wrong_login_is_the_last() -> None:
    async with memory_broker(OnlyLisa()) as broker:
        peer = await broker.connect()
        codes = [(await refused(peer, WRONG)).code for _ in range(3)]
        assert codes == ["INVALID_AUTH_DATA"] * 2 + ["TOO_MANY_AUTH_ATTEMPTS"]
        assert await peer.wait_closed() == "too_many_auth_attempts"
        assert peer.close_code == 4402
        with pytest.raises(PeerClosed):
            await peer.login(RIGHT)


async def test_r13_client_data_reaches_the_client_and_server_data_stays() -> None:
    class Both(Everybody):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Identity:
            return Identity(
                "lisa", client_data={"theme": 1}, server_data={"role": "admin"}
            )

    handler = Both(lambda _, message: message.session.server_data["role"] == "admin")
    async with memory_broker(handler) as broker:
        peer = await broker.connect()
        accepted = await peer.login({})
        assert accepted["client_data"] == {"theme": 1}
        assert "admin" not in repr(accepted)
        await peer.publish("x")


async def test_r15_the_chain_goes_on_only_when_a_member_abstains() -> None:
    class Chooses(PermissionHandler):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> None:
            if auth_data["username"] == "eve":
                raise InvalidCredentials("not eve")

    async with memory_broker(Chooses()) as broker:
        admin = await broker.admin()
        for name in ("bob", "eve"):
            user = {"username": name, "password": "right"}
            await admin.component("vestibule/security/upsert_user", user)
        await broker.login({"username": "bob", "password": "right"})
        peer = await broker.connect()
        refusal = await refused(peer, {"username": "eve", "password": "right"})
        assert (refusal.code, refusal.message) == ("INVALID_AUTH_DATA", "not eve")


@pytest.mark.parametrize("answer", [True, 5, "", b"bob", "_ADMIN", "a/b", "a" * 129])
async def test_r16_nonsense_admits_nobody(answer: Any) -> None:
    class Nonsense(PermissionHandler):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Any:
            return answer

    async with memory_broker(Nonsense()) as broker:
        refusal = await refused(await broker.connect(), RIGHT)
        assert (refusal.code, refusal.message) == ("INVALID_AUTH_DATA", "login failed")


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "zoe"])
async def test_r14_any_unknown_name_is_refused_alike(name: str) -> None:
    async with memory_broker() as broker:
        peer = await broker.connect()
        refusal = await refused(peer, {"username": name, "password": "x"})
        assert (refusal.code, refusal.message) == (
            "INVALID_AUTH_DATA",
            "invalid credentials",
        )


async def test_an_anonymous_login_is_refused() -> None:
    async with memory_broker() as broker:
        peer = await broker.connect()
        assert (await refused(peer, {})).code == "ANONYMOUS_DISABLED"
        assert (await refused(peer, {"username": "_ANONYMOUS"})).code == (
            "ANONYMOUS_DISABLED"
        )


async def test_login_data_that_is_too_long_is_no_login() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        peer = await broker.connect()
        refusal = await refused(peer, {"username": "x", "more": "y" * 16_384})
        assert refusal.code == "INVALID_AUTH_MSG"
        assert await peer.wait_closed() == "invalid_auth_msg"
        assert handler.logins == []


async def test_r76_a_locked_name_is_refused_before_the_handler_is_asked() -> None:
    lockout = {"attempts": 2}
    async with memory_broker(OnlyLisa(), lockout=lockout) as broker:
        for _ in range(2):
            await refused(await broker.connect(), WRONG)
        refusal = await refused(await broker.connect(), RIGHT)
        assert refusal.code == "ACCOUNT_LOCKED"
        assert refusal.details["retry_after"] > 590
        other = await broker.connect(address="192.0.2.9")
        await other.login(RIGHT)


async def test_all_spellings_of_a_user_are_counted_as_one() -> None:
    lockout = {"attempts": 2}
    async with memory_broker(
        usernames_case_insensitive=True, lockout=lockout
    ) as broker:
        admin = await broker.admin()
        user = {"username": "lisa", "password": "right"}
        await admin.component("vestibule/security/upsert_user", user)
        for name in ("Lisa", "LISA"):
            wrong = {"username": name, "password": "wrong"}
            await refused(await broker.connect(), wrong)
        refusal = await refused(await broker.connect(), user)
        assert refusal.code == "ACCOUNT_LOCKED"


@pytest.mark.parametrize("insensitive", [True, False])
async def test_l2_spellings_do_not_tell_whether_there_is_a_user(
    *, insensitive: bool
) -> None:
    async with memory_broker(
        usernames_case_insensitive=insensitive, lockout={"attempts": 2}
    ) as broker:
        admin = await broker.admin()
        user = {"username": "lisa", "password": "right"}
        await admin.component("vestibule/security/upsert_user", user)

        async def codes(*names: str) -> list[str]:
            logins = ({"username": name, "password": "wrong"} for name in names)
            return [(await refused(await broker.connect(), one)).code for one in logins]

        known = await codes("Lisa", "LISA", "lisa", "lisa")
        unknown = await codes("Nora", "NORA", "nora", "nora")
        assert known == unknown
        assert ("ACCOUNT_LOCKED" in known) is insensitive


async def test_an_address_that_has_failed_too_often_is_turned_away() -> None:
    clock = ManualClock()
    quarantine = {"max_failures_per_address": 2}
    async with memory_broker(OnlyLisa(), clock=clock, quarantine=quarantine) as broker:
        for name in ("a", "b"):
            await refused(await broker.connect(), {"user": name})
        peer = await broker.connect()
        refusal = await refused(peer, RIGHT)
        assert refusal.code == "TOO_MANY_AUTH_ATTEMPTS"
        assert refusal.details["retry_after"] == 300
        assert await peer.wait_closed() == "too_many_auth_attempts"
        clock.advance(300)
        await broker.login(RIGHT)


async def test_r11_pipelined_logins_are_evaluated_one_at_a_time_and_three_at_most() -> (
    None
):
    class Slow(PermissionHandler):
        calls = running = most = 0

        async def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> str:
            self.calls += 1
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            raise InvalidCredentials

    handler = Slow()
    async with memory_broker(handler) as broker:
        peer = await broker.connect()
        await peer.ready()
        peer.deaf = True
        for number in range(1, 51):
            peer.send_raw(peer.login_message(number, WRONG))
        await peer.wait_closed()
        assert peer.close_code == 4402
        assert (handler.calls, handler.most) == (3, 1)


async def test_an_attempt_that_is_abandoned_counts_as_failed() -> None:
    class Hangs(PermissionHandler):
        started = asyncio.Event()

        async def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> str:
            self.started.set()
            await asyncio.Event().wait()
            return "never"

    handler = Hangs()
    async with memory_broker(handler, lockout={"attempts": 1}) as broker:
        peer = await broker.connect()
        login = asyncio.ensure_future(peer.login(RIGHT))
        await handler.started.wait()
        peer.cut()
        with pytest.raises(PeerClosed):
            await login
        await asyncio.sleep(0)
        refusal = await refused(await broker.connect(), RIGHT)
        assert refusal.code == "ACCOUNT_LOCKED"


# Logins that are evaluated side by side.


class Deliberate(PermissionHandler):
    """Decides nothing before it may, and counts what it was asked."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.evaluated = self.running = self.most = 0

    async def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> str:
        self.evaluated += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go_on.wait()
            await asyncio.sleep(0)
        finally:
            self.running -= 1
        if auth_data == RIGHT:
            return "LisaA"
        raise InvalidCredentials


async def asking(
    broker: MemoryBroker, *logins: dict[str, Any]
) -> tuple[list[RawPeer], list[asyncio.Task[Any]]]:
    """Send logins, each from a connection of its own, until all wait for something."""
    peers = [await broker.connect() for _ in logins]
    asked = [
        asyncio.ensure_future(peer.login(login))
        for peer, login in zip(peers, logins, strict=True)
    ]
    for _ in range(30):
        await asyncio.sleep(0)
    return peers, asked


async def codes_of(asked: list[asyncio.Task[Any]]) -> Counter[str]:
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return Counter(
        one.code if isinstance(one, RequestRefused) else type(one).__name__
        for one in answers
    )


async def test_l1_wrong_logins_side_by_side_are_evaluated_as_often_as_in_a_row() -> (
    None
):
    handler = Deliberate()
    async with memory_broker(handler) as broker:
        _, asked = await asking(broker, *[WRONG] * 50)
        assert handler.evaluated == 4
        handler.go_on.set()
        codes = await codes_of(asked)
        assert codes == {"INVALID_AUTH_DATA": 4, "ACCOUNT_LOCKED": 46}
        assert handler.evaluated == 4


async def test_l1_wrong_logins_side_by_side_from_one_address_are_bounded_too() -> None:
    handler = Deliberate()
    quarantine = {"max_failures_per_address": 3}
    async with memory_broker(handler, quarantine=quarantine) as broker:
        _, asked = await asking(broker, *({"user": str(n)} for n in range(10)))
        assert handler.evaluated == 3
        handler.go_on.set()
        codes = await codes_of(asked)
        assert codes == {"INVALID_AUTH_DATA": 3, "TOO_MANY_AUTH_ATTEMPTS": 7}
        assert handler.evaluated == 3


async def test_right_logins_of_one_user_side_by_side_all_succeed() -> None:
    handler = Deliberate()
    async with memory_broker(handler) as broker:
        _, asked = await asking(broker, *[RIGHT] * 10)
        handler.go_on.set()
        await asyncio.gather(*asked)
        assert len(broker.broker.sessions) == 10
        assert (handler.evaluated, handler.most) == (10, 4)


async def test_without_a_lockout_no_login_waits_for_another() -> None:
    handler = Deliberate()
    async with memory_broker(handler, lockout={"enabled": False}) as broker:
        _, asked = await asking(broker, *[WRONG] * 10)
        assert handler.evaluated == 10
        handler.go_on.set()
        assert await codes_of(asked) == {"INVALID_AUTH_DATA": 10}


async def test_a_login_that_is_abandoned_while_it_waits_leaves_and_costs_nothing() -> (
    None
):
    handler = Deliberate()
    async with memory_broker(handler, lockout={"attempts": 1}) as broker:
        peers, (first, *waiting) = await asking(broker, RIGHT, WRONG, WRONG, RIGHT)
        for peer in peers[1:3]:
            peer.cut()
        handler.go_on.set()
        await first
        assert await codes_of(waiting) == {"PeerClosed": 2, "dict": 1}
        assert (handler.evaluated, handler.most) == (2, 1)
        assert len(broker.broker._tasks) == 0
        assert len(quarantines(broker).judge.turnstile) == 0


async def test_a_login_that_waits_has_no_longer_than_any_other() -> None:
    handler = Deliberate()
    settings: dict[str, Any] = {
        "lockout": {"attempts": 1},
        "quarantine": {"timeout": 0.2},
    }
    async with memory_broker(handler, **settings) as broker:
        early = await broker.connect()
        await early.ready()
        await asyncio.sleep(0.05)
        _, (slow,) = await asking(broker, RIGHT)
        assert (await refused(early, RIGHT)).code == "AUTHENTICATION_TIMEOUT"
        assert not slow.done()
        assert await codes_of([slow]) == {"AUTHENTICATION_TIMEOUT": 1}
        assert handler.evaluated == 1


def quarantines(broker: MemoryBroker) -> Door:
    return broker.broker._parts.listener._service.conversations.door


async def test_sessions_of_one_user_are_limited() -> None:
    async with memory_broker(Everybody(), limits={"sessions_per_user": 2}) as broker:
        for _ in range(2):
            await broker.login({"username": "lisa"})
        peer = await broker.connect()
        assert (await refused(peer, {"username": "lisa"})).code == "LIMIT_EXCEEDED"
        await peer.login({"username": "bob"})


async def test_the_handler_hears_of_each_admitted_session_that_ends() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        peer = await broker.login({"username": "lisa"})
        stranger = await broker.connect()
        stranger.cut()
        peer.close()
        assert await peer.wait_closed() == "client"
        for _ in range(5):
            await asyncio.sleep(0)
        assert handler.left == ["lisa"]
