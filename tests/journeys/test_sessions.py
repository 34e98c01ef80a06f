"""Whole stories over a real socket, encrypted: who gets in, who may, who loses it."""

import asyncio
from typing import Any

import pytest

from handlers import Everybody
from journeys.conftest import ADMIN_PASSWORD, Starting, raw_peer
from vestibule.client import (
    ConnectionClosed,
    LoginRefused,
    MessageDenied,
    Session,
    SessionClosed,
    connect,
    open_session,
)
from vestibule.server import Broker


def as_admin(broker: Broker, **options: Any) -> Any:
    return open_session(
        broker.url,
        {"username": "_ADMIN", "password": ADMIN_PASSWORD},
        server_key=broker.server_key,
        **options,
    )


def as_user(broker: Broker, name: str, **options: Any) -> Any:
    return open_session(
        broker.url,
        {"username": name, "password": f"{name}'s password"},
        server_key=broker.server_key,
        **options,
    )


async def make_user(admin: Session, name: str, **more: Any) -> None:
    user = {"username": name, "password": f"{name}'s password", **more}
    await admin.exchange.security.upsert_user(user)


async def make_group(admin: Session, name: str, permissions: dict[str, Any]) -> None:
    group = {"name": name, "permissions": permissions}
    await admin.exchange.security.upsert_group(group, overwrite_permissions=True)


NEWS = {"events": {"news/*": {"actions": ["publish", "subscribe"]}}}


async def test_refused_then_admitted(starting: Starting) -> None:
    async with (
        starting() as broker,
        connect(broker.url, server_key=broker.server_key) as connection,
    ):
        with pytest.raises(LoginRefused) as caught:
            await connection.login({"username": "_ADMIN", "password": "wrong"})
        assert caught.value.code == "INVALID_AUTH_DATA"
        assert caught.value.reason == "invalid credentials"
        session = await connection.login(
            {"username": "_ADMIN", "password": ADMIN_PASSWORD}
        )
        assert session.username == "_ADMIN"
        assert session.insecure == ()


async def test_denied_and_allowed(starting: Starting) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await make_group(admin, "readers", NEWS)
        await make_user(admin, "lisa", groups={"readers": True})
        async with as_user(broker, "lisa") as lisa:
            await lisa.events.publish("news/sport", {"score": 3})
            with pytest.raises(MessageDenied) as caught:
                await lisa.events.publish("weather", None)
            assert caught.value.code == "MESSAGE_DENIED"
            assert caught.value.name == "weather"
        explained = await admin.exchange.security.explain(
            "lisa", "events.publish", "news/sport"
        )
        assert explained["allowed"] is True
        assert explained["grant"]["holder"] == "group:readers"


async def test_silence_ends_in_time(starting: Starting) -> None:
    async with (
        starting(quarantine={"timeout": 0.2}) as broker,
        connect(broker.url, server_key=broker.server_key) as connection,
    ):
        assert await connection.wait_closed() == "login_timeout"
        with pytest.raises(ConnectionClosed) as caught:
            await connection.login({"username": "x", "password": "y"})
        assert (caught.value.code, caught.value.reason) == (
            "IS_CLOSED",
            "login_timeout",
        )


async def test_too_many_attempts_close_the_connection(starting: Starting) -> None:
    async with (
        starting() as broker,
        connect(broker.url, server_key=broker.server_key) as connection,
    ):
        codes = []
        for _ in range(3):
            with pytest.raises(LoginRefused) as caught:
                await connection.login({"username": "zoe", "password": "y"})
            codes.append(caught.value.code)
        assert codes[-1] == "TOO_MANY_AUTH_ATTEMPTS"
        assert await connection.wait_closed() == "too_many_auth_attempts"


async def test_r72_a_slow_reader_ends_alone(starting: Starting) -> None:
    handler = Everybody()
    limits = {"outbox_bytes": 1_000_000}
    async with starting(handler, limits=limits) as broker:
        slow = await raw_peer(broker)
        await slow.login({"username": "slow"})
        await slow.subscribe("n")
        async with (
            as_user(broker, "fast") as fast,
            as_user(broker, "pub") as pub,
            fast.events.subscribe("n") as events,
        ):
            slow.stop_reading()
            payload = "x" * 50_000
            for number in range(400):
                await pub.events.publish("n", [number, payload])
            heard = aiter(events)
            for number in range(400):
                assert (await anext(heard)).data[0] == number
        assert broker.counters["slow_readers"] == 1
        slow.cut()


async def test_r33_revoked_while_subscribed(starting: Starting) -> None:
    told: list[tuple[str, str | None, tuple[str, ...]]] = []

    def on_state(state: str, code: str | None, patterns: tuple[str, ...]) -> None:
        told.append((state, code, patterns))

    async with starting() as broker, as_admin(broker) as admin:
        await make_group(admin, "readers", NEWS)
        await make_user(admin, "lisa", groups={"readers": True})
        async with (
            as_user(broker, "lisa") as lisa,
            lisa.events.subscribe("news/*", on_state=on_state) as news,
        ):
            heard = aiter(news)
            await admin.events.publish("news/1", 1)
            assert (await anext(heard)).data == 1
            await make_group(admin, "readers", {})
            await admin.events.publish("news/2", 2)
            waiting = asyncio.ensure_future(anext(heard))
            await lisa_hears_nothing(waiting)
            assert news.suspended
            assert news.suspended_patterns == ("news/*",)
            assert told == [("suspended", "PERMISSION_REVOKED", ("news/*",))]
            await make_group(admin, "readers", NEWS)
            await admin.events.publish("news/3", 3)
            assert (await waiting).data == 3
            assert news.gaps == 1
            assert told[1:] == [("resumed", None, ("news/*",))]


async def lisa_hears_nothing(waiting: "asyncio.Future[Any]") -> None:
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done


async def listen(session: Session, listening: asyncio.Event, into: list[int]) -> None:
    async with session.events.subscribe("n/**") as events:
        listening.set()
        async for event in events:
            into.append(event.data)  # noqa: PERF401 - it ends by an exception


@pytest.mark.parametrize(
    ("reason", "method", "argument"),
    [
        ("user_deleted", "delete_user", "lisa"),
        ("password_changed", "update_user", {"username": "lisa", "password": "p2"}),
        ("revoked", "update_user", {"username": "lisa", "disabled": True}),
    ],
)
async def test_p1_nothing_published_after_the_answer_reaches_a_revoked_session(
    starting: Starting, reason: str, method: str, argument: Any
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await make_group(admin, "readers", {"events": {"n/**": {"deep": False}}})
        await make_user(admin, "lisa", groups={"readers": True})
        async with as_user(broker, "lisa", reconnect=None) as lisa:
            heard: list[int] = []
            listening = asyncio.Event()
            listener = asyncio.ensure_future(listen(lisa, listening, heard))
            await listening.wait()
            for number in range(100):
                await admin.events.publish("n/x", number, ack=False)
            await admin.exchange["security"][method](argument)
            for number in range(100, 200):
                await admin.events.publish("n/x", number, ack=False)
            assert await asyncio.wait_for(lisa.wait_closed(), 1) == reason
            with pytest.raises(SessionClosed):
                await listener
            assert all(number < 100 for number in heard)
            with pytest.raises(SessionClosed) as caught:
                await lisa.events.publish("n/x")
            assert caught.value.reason == reason


async def test_a_restart_finds_everything_still_there(starting: Starting) -> None:
    async with starting() as broker:
        key = broker.server_key
        async with as_admin(broker) as admin:
            await make_group(admin, "readers", NEWS)
            await make_user(admin, "lisa", groups={"readers": True})
    async with starting() as broker:
        assert broker.server_key == key
        assert broker.first_password is None
        async with as_user(broker, "lisa") as lisa:
            await lisa.events.publish("news/sport")
            with pytest.raises(MessageDenied):
                await lisa.events.publish("weather")


async def test_d39_a_later_administrator_password_changes_nothing(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with starting():
        pass
    monkeypatch.setenv("VESTIBULE_ADMIN_PASSWORD", "another")
    async with starting() as broker, as_admin(broker) as admin:
        assert admin.username == "_ADMIN"


async def test_f7_stopping_says_goodbye_to_every_session(starting: Starting) -> None:
    async with starting(Everybody()) as broker:
        peers = []
        for number in range(20):
            peer = await raw_peer(broker)
            await peer.login({"username": f"user{number}"})
            peers.append(peer)
        await broker.stop()
        reasons = [await asyncio.wait_for(peer.wait_closed(), 2) for peer in peers]
        assert reasons == ["shutting_down"] * 20
        waits = {peer.retry_after_ms for peer in peers}
        assert all(0 <= wait <= 100 for wait in waits)
        assert len(waits) > 1
