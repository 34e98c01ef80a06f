"""The broker as a whole: starting, following changes, stopping; nothing left behind."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers import Everybody
from vestibule.protocol import messages
from vestibule.server import (
    Broker,
    Config,
    ConnectionData,
    Identity,
    Message,
    PermissionHandler,
)
from vestibule.server.config_source import ConfigError
from vestibule.server.directory import Directory
from vestibule.server.session import Session
from vestibule.server.testing import (
    MemoryBroker,
    PeerClosed,
    RequestRefused,
    memory_broker,
)


LISA = {"username": "lisa", "password": "sesame"}
CHEAP = {"opslimit": 2, "memlimit": 19 * 1024 * 1024}


def config(folder: Path, **settings: Any) -> Config:
    return Config(
        **{
            "data": str(folder / "data"),
            "listen": {"host": "127.0.0.1", "port": 0},
            "http": None,
            "passwords": CHEAP,
            "shutdown": {"drain": 0.2, "spread": 0.1},
            **settings,
        }
    )


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def refuses_connections(url: str) -> bool:
    host, port = url.removeprefix("ws://").split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) != 0


# Starting.


@pytest.mark.parametrize("which", ["listen", "http"])
async def test_a_start_that_finds_a_port_taken_leaves_nothing_behind(
    tmp_path: Path, taken: int, which: str
) -> None:
    there = {"host": "127.0.0.1", "port": taken}
    broker = Broker(config(tmp_path, **{which: there}))
    with pytest.raises(ConfigError, match=f"{which}: cannot listen on 127.0.0.1"):
        await broker.start()
    assert not (tmp_path / "data").exists()
    if which == "http":
        assert refuses_connections(broker.url)
    await broker.stop()


async def test_a_failed_first_start_is_followed_by_a_first_start(
    tmp_path: Path, taken: int
) -> None:
    there = {"host": "127.0.0.1", "port": taken}
    with pytest.raises(ConfigError):
        await Broker(config(tmp_path, listen=there)).start()
    async with Broker(config(tmp_path)) as broker:
        assert broker.first_password is not None


async def test_a_failed_later_start_keeps_what_is_there(
    tmp_path: Path, taken: int
) -> None:
    async with Broker(config(tmp_path)) as broker:
        key = broker.server_key
    there = {"host": "127.0.0.1", "port": taken}
    with pytest.raises(ConfigError):
        await Broker(config(tmp_path, listen=there)).start()
    async with Broker(config(tmp_path)) as broker:
        assert broker.server_key == key
        assert broker.first_password is None


class NoHandler:
    pass


async def test_a_handler_that_is_none_stops_the_start_before_anything_is_made(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="NoHandler"):
        await Broker(config(tmp_path), NoHandler()).start()
    assert not (tmp_path / "data").exists()


async def test_a_broker_is_started_once(tmp_path: Path) -> None:
    async with Broker(config(tmp_path)) as broker:
        with pytest.raises(RuntimeError, match="once"):
            await broker.start()
    with pytest.raises(RuntimeError, match="once"):
        await broker.start()


async def test_ports_of_a_started_broker_are_real(tmp_path: Path) -> None:
    http = {"host": "127.0.0.1", "port": 0}
    async with Broker(config(tmp_path, http=http)) as broker:
        assert not broker.url.endswith(":0")
        assert broker.http_url is not None
        assert broker.server_key.startswith("vsk1_")
    assert refuses_connections(broker.url)


# Status and stopping.


async def test_the_status_follows_storage_and_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Broker(config(tmp_path)) as broker:
        assert broker.status == "ok"
        monkeypatch.setattr(type(broker.directory), "storage_failed", True)
        assert broker.status == "storage"
    assert broker.status == "stopping"


async def test_stopping_twice_and_at_once_waits_for_the_one_stop() -> None:
    async with memory_broker(Everybody()) as broker:
        peer = await broker.login({"username": "lisa"})
        first = asyncio.ensure_future(broker.broker.stop())
        await asyncio.sleep(0)
        await broker.broker.stop()
        await first
        assert len(broker.broker.sessions) == 0
        await broker.broker.wait_stopped()
        assert await peer.wait_closed() == "shutting_down"


async def test_a_broker_that_never_started_stops(tmp_path: Path) -> None:
    await Broker(config(tmp_path)).stop()


async def test_a_stop_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()

    class Hangs(PermissionHandler):
        async def can_perform_action(self, username: str, message: object) -> bool:
            await asyncio.Event().wait()
            return True

        def is_valid_user(self, connection: object, auth_data: dict[str, Any]) -> Any:
            return auth_data.get("username")

    async with memory_broker(Hangs()) as broker:
        peer = await broker.login({"username": "lisa"})
        peer.send(messages.Publish(peer.next_id(), "x", messages.NIL))
        await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before


class Slowly:
    """Holds a change of the directory up until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        upsert = Directory.upsert_user

        async def slow(directory: Directory, user: Any, **how: Any) -> Any:
            self.begun.set()
            await self.go_on.wait()
            return await upsert(directory, user, **how)

        monkeypatch.setattr(Directory, "upsert_user", slow)


async def test_a_change_under_way_is_answered_before_its_caller_is_told_of_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with memory_broker(shutdown={"drain": 5, "spread": 0}) as broker:
        admin = await broker.admin()
        held = Slowly(monkeypatch)
        change = asyncio.ensure_future(
            admin.component("vestibule/security/upsert_user", LISA)
        )
        await held.begun.wait()
        stop = asyncio.ensure_future(broker.broker.stop())
        await asyncio.sleep(0.01)
        held.go_on.set()
        assert (await change)["username"] == "lisa"
        await stop
        assert await admin.wait_closed() == "shutting_down"


async def test_a_change_whose_caller_has_left_has_a_second_to_end_at_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with memory_broker(shutdown={"drain": 0, "spread": 0}) as broker:
        admin = await broker.admin()
        held = Slowly(monkeypatch)
        change = asyncio.ensure_future(
            admin.component("vestibule/security/upsert_user", LISA)
        )
        await held.begun.wait()
        admin.cut()
        with pytest.raises(PeerClosed):
            await change
        stop = asyncio.ensure_future(broker.broker.stop())
        await asyncio.sleep(0.05)
        assert not stop.done()
        held.go_on.set()
        await stop
        assert broker.broker.directory.user("lisa") is not None


class Mourns(PermissionHandler):
    """Takes its time over each end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.left: list[str] = []

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Any:
        return auth_data["username"]

    async def on_client_disconnect(self, username: str) -> None:
        self.begun.set()
        await self.go_on.wait()
        self.left.append(username)


async def test_a_handler_has_a_second_to_hear_of_the_ends_of_a_stop() -> None:
    handler = Mourns()
    async with memory_broker(handler) as broker:
        await broker.login({"username": "lisa"})
        stop = asyncio.ensure_future(broker.broker.stop())
        await handler.begun.wait()
        await asyncio.sleep(0.05)
        handler.go_on.set()
        await stop
    assert handler.left == ["lisa"]


async def test_a_handler_that_takes_longer_over_an_end_does_not_hold_a_stop_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vestibule.server.broker._FINISH_SECONDS", 0.05)
    before, handler = asyncio.all_tasks(), Mourns()
    async with memory_broker(handler) as broker:
        await broker.login({"username": "lisa"})
    assert handler.begun.is_set()
    assert handler.left == []
    assert asyncio.all_tasks() == before


# Following changes.


async def upsert(broker: MemoryBroker, **user: Any) -> None:
    await broker.broker.directory.upsert_user(user, by="_ADMIN")


async def member(broker: MemoryBroker, name: str = "lisa") -> Any:
    await upsert(broker, username=name, password="sesame", groups={})
    return await broker.login({"username": name, "password": "sesame"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"disabled": True}, "revoked"),
        ({"password": "other"}, "password_changed"),
        (None, "user_deleted"),
    ],
)
async def test_a_session_bound_to_a_user_ends_with_what_befalls_the_user(
    change: dict[str, Any] | None, reason: str
) -> None:
    async with memory_broker() as broker:
        lisa, bob = await member(broker), await member(broker, "bob")
        if change is None:
            await broker.broker.directory.delete_user("lisa", by="_ADMIN")
        else:
            await upsert(broker, username="lisa", **change)
        assert [session.username for session in broker.broker.sessions.values()] == [
            "bob"
        ]
        assert await lisa.wait_closed() == reason
        assert bob.end_reason is None
        assert broker.broker.counters["sessions_revoked"] == 1


async def test_a_session_with_groups_of_its_own_outlives_the_user_of_its_name() -> None:
    class Unbound(PermissionHandler):
        def is_valid_user(self, connection: object, auth_data: dict[str, Any]) -> Any:
            return Identity("lisa", groups=["_GUEST"])

    async with memory_broker(Unbound()) as broker:
        await upsert(broker, username="lisa", password="sesame")
        peer = await broker.login({})
        await broker.broker.directory.delete_user("lisa", by="_ADMIN")
        await asyncio.sleep(0.01)
        assert peer.end_reason is None
        assert len(broker.broker.sessions) == 1


async def test_who_deletes_itself_is_answered_before_it_ends() -> None:
    async with memory_broker() as broker:
        admin = await broker.admin()
        await admin.component(
            "vestibule/security/upsert_user",
            {"username": "root", "password": "sesame", "groups": {"_ADMIN": True}},
        )
        root = await broker.login({"username": "root", "password": "sesame"})
        await root.component("vestibule/security/delete_user", "root")
        assert await root.wait_closed() == "user_deleted"


async def test_what_fails_for_one_session_is_not_left_undone_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        lisa, bob = [await broker.login({"username": name}) for name in ("lisa", "bob")]
        for peer in (lisa, bob):
            await peer.subscribe("n")
        events = broker.broker._parts.events
        decide_again = events._decide_again

        async def failing(subscription: Any) -> Any:
            if subscription.session.username == "lisa":
                raise ValueError("a fault of the broker's")
            return await decide_again(subscription)

        monkeypatch.setattr(events, "_decide_again", failing)
        handler.decide = lambda _n, _m: False
        await broker.broker.recheck()
        assert await lisa.wait_closed() == "truncated"
        assert isinstance(await bob.notices.get(), messages.Suspended)


async def test_a_feature_that_fails_at_an_end_keeps_it_from_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(session: Session) -> None:
        raise ValueError("a fault of the broker's")

    handler = Everybody()
    async with memory_broker(handler) as broker:
        lisa = await broker.login({"username": "lisa"})
        await lisa.request(messages.Provide(lisa.next_id(), "add"))
        monkeypatch.setattr(broker.broker._parts.events, "session_ended", failing)
        lisa.close()
        await lisa.wait_closed()
        bob = await broker.login({"username": "bob"})
        with pytest.raises(RequestRefused, match="NO_RPC_PROVIDER"):
            await bob.call("add")
        assert handler.left == ["lisa"]


async def test_a_recheck_of_thousands_of_long_names_tells_them_all() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        lisa = await broker.login({"username": "lisa"})
        for part in range(2):
            names = [f"{part}-{number}-{'x' * 1_000}" for number in range(700)]
            await lisa.subscribe(*names)
        handler.decide = lambda _n, _m: False
        await broker.broker.recheck()
        told = 0
        while told < 1_400:
            notice = await asyncio.wait_for(lisa.notices.get(), 2)
            assert isinstance(notice, messages.Suspended)
            told += len(notice.names)


async def test_a_recheck_of_one_user_asks_about_nobody_else() -> None:
    handler = Everybody()
    async with memory_broker(handler) as broker:
        for name in ("lisa", "bob"):
            await (await broker.login({"username": name})).subscribe("n")
        handler.asked.clear()
        await broker.broker.recheck("lisa")
        assert [name for name, _ in handler.asked] == ["lisa"]
        await broker.broker.recheck()
        assert [name for name, _ in handler.asked] == ["lisa", "lisa", "bob"]


async def test_what_is_decided_during_a_recheck_is_decided_by_the_new_mind() -> None:
    began, go_on, mind = asyncio.Event(), asyncio.Event(), [True]

    async def think(_: str, message: Message) -> bool:
        (answer,) = mind
        began.set()
        await go_on.wait()
        return answer

    async with memory_broker(Everybody(think)) as broker:
        lisa = await broker.login({"username": "lisa"})
        subscribing = asyncio.ensure_future(lisa.subscribe("n"))
        await began.wait()
        mind[0] = False
        await broker.broker.recheck()
        go_on.set()
        ((code, *_),) = await subscribing
        assert code == "MESSAGE_DENIED"
        assert broker.broker.subscriptions == 0


async def test_without_a_handler_the_chain_has_no_member_of_that_name() -> None:
    async with memory_broker(authenticators=["handler"]) as broker:
        with pytest.raises(RequestRefused, match="INVALID_AUTH_DATA"):
            await broker.admin()


async def test_limits_of_the_configuration_are_those_that_are_enforced() -> None:
    limits = {"subscriptions": 1, "providers": 1, "sessions_per_user": 1}
    async with memory_broker(Everybody(), limits=limits) as broker:
        lisa = await broker.login({"username": "lisa"})
        outcomes = await lisa.subscribe("a", "b")
        assert outcomes[1][2] == {"limit": "limits.subscriptions"}
        await lisa.request(messages.Provide(lisa.next_id(), "a"))
        more = messages.Provide(lisa.next_id(), "b")
        with pytest.raises(RequestRefused) as caught:
            await lisa.request(more)
        assert caught.value.details == {"limit": "limits.providers"}
        with pytest.raises(RequestRefused, match="LIMIT_EXCEEDED"):
            await broker.login({"username": "lisa"})


async def test_a_login_is_told_the_brokers_name_and_what_gives_up_protection() -> None:
    async with memory_broker(Everybody(), name="hub") as broker:
        peer = await broker.connect()
        fields = await peer.login({"username": "lisa"})
        assert (fields["broker"], fields["username"]) == ("hub", "lisa")
        assert fields["insecure"] == list(broker.broker.config.insecure_settings())
        assert fields["token"] is None


async def test_a_refused_message_is_counted() -> None:
    async with memory_broker(Everybody(lambda _n, _m: False)) as broker:
        lisa = await broker.login({"username": "lisa"})
        with pytest.raises(RequestRefused):
            await lisa.publish("x")
        assert broker.broker.counters["messages_denied"] == 1
