"""Who logs in, from where, at what cost, and what becomes of the session."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgpack
import pytest

from handlers import Everybody
from journeys.conftest import Starting, raw_peer, until
from journeys.relay import relaying
from vestibule.client import (
    HandshakeFailed,
    Reconnect,
    SessionClosed,
    connect,
    open_session,
)
from vestibule.protocol.crypto import ReceivingKey
from vestibule.protocol.framing import split_batch
from vestibule.server import Message
from vestibule.server.directory import passwords
from vestibule.server.directory.verifier import Verifier, derive
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


LISA = {"username": "lisa", "password": "lisa's password"}
LOGIN_REFUSED = 7
PUBLIC_KEY = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="


async def refused(attempt: Awaitable[Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await attempt
    return caught.value


async def with_users(broker: MemoryBroker) -> None:
    """Make lisa, and two users that cannot log in by a password."""
    admin = await broker.admin()
    for user in (
        LISA,
        {"username": "disabled", "password": "x", "disabled": True},
        {"username": "passwordless", "public_key": PUBLIC_KEY},
    ):
        await admin.component("vestibule/security/upsert_user", user)


async def test_l2_every_refused_login_gets_the_same_bytes_for_the_same_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[bytes] = []
    work: list[tuple[int, int, int]] = []
    opening = ReceivingKey.open

    def spy(self: ReceivingKey, box: bytes) -> bytes:
        batch = opening(self, box)
        if not batch.startswith(b"finished"):
            said.extend(entry.data for entry in split_batch(batch, 100))
        return batch

    def counted(password: bytes, salt: bytes, opslimit: int, memlimit: int) -> Verifier:
        work.append((len(salt), opslimit, memlimit))
        return derive(password, salt, opslimit, memlimit)

    async with memory_broker() as broker:
        await with_users(broker)
        monkeypatch.setattr(ReceivingKey, "open", spy)
        monkeypatch.setattr(passwords, "derive", counted)
        answers: list[bytes] = []
        costs: list[tuple[tuple[int, int, int], ...]] = []
        for name in ("lisa", "unknown", "disabled", "passwordless", "disabled"):
            password = "x" if name == "disabled" and costs[2:] else "wrong"
            said.clear()
            work.clear()
            peer = await broker.connect()
            data = {"username": name, "password": password}
            assert (await refused(peer.login(data))).code == "INVALID_AUTH_DATA"
            answers += [one for one in said if one[1] == LOGIN_REFUSED]
            costs.append(tuple(work))
        assert len(answers) == 5
        assert len(set(answers)) == 1
        assert msgpack.unpackb(answers[0])[3] == "invalid credentials"
        assert set(costs) == {((16, 2, 19 * 1024 * 1024),)}


async def test_l3_of_twenty_logins_at_once_a_few_are_evaluated_and_the_rest_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def slow(*args: Any) -> Verifier:
        release.wait(10)
        return derive(*args)

    cheap = {"opslimit": 2, "memlimit": 19 * 1024 * 1024, "workers": 1, "queue": 4}
    async with memory_broker(passwords=cheap) as broker:
        await with_users(broker)
        # From one address, logins under one name would wait for each other.
        peers = [await broker.connect(address=f"192.0.2.{n}") for n in range(20)]
        for peer in peers:
            await peer.ready()
        monkeypatch.setattr(passwords, "derive", slow)
        before = broker.broker.counters["logins_evaluated"]
        loop = asyncio.get_running_loop()
        began = loop.time()
        waits, hints = [], []

        async def log_in(peer: RawPeer) -> str:
            try:
                await peer.login(LISA)
            except RequestRefused as refusal:
                waits.append(loop.time() - began)
                hints.append(refusal.details["retry_after"])
                return refusal.code
            return "admitted"

        logins = [asyncio.ensure_future(log_in(peer)) for peer in peers]
        # The rest need no thread to be refused.
        await until(lambda: sum(login.done() for login in logins) >= 14)
        release.set()
        outcomes = await asyncio.gather(*logins)
        admitted = outcomes.count("admitted")
        assert admitted in (5, 6)
        assert outcomes.count("BUSY") == 20 - admitted
        assert max(waits) <= 0.1
        assert min(hints) >= 1
        counters = broker.broker.counters
        assert counters["logins_evaluated"] - before == admitted
        assert counters["logins_busy"] == 20 - admitted
        assert counters["logins_refused"] == 0


# A handler that does what it should not.


class Untrue:
    def __bool__(self) -> bool:
        raise RuntimeError("no truth here")


async def hang() -> bool:
    await asyncio.Event().wait()
    return True


async def nested() -> Any:
    return hang()


async def late() -> bool:
    await asyncio.sleep(0.5)
    return True


def raising() -> bool:
    raise ValueError("a secret")


ANSWERS: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (raising, "MESSAGE_PERMISSION_ERROR"),
    "hangs": (hang, "MESSAGE_PERMISSION_ERROR"),
    "none": (lambda: None, "MESSAGE_DENIED"),
    "one": (lambda: 1, "MESSAGE_DENIED"),
    "yes": (lambda: "yes", "MESSAGE_DENIED"),
    "untrue": (Untrue, "MESSAGE_DENIED"),
    "nested": (nested, "MESSAGE_DENIED"),
    "late": (late, "MESSAGE_PERMISSION_ERROR"),
}


async def test_p10_a_handler_that_fails_denies_that_message_and_delays_nobody_else() -> (
    None
):
    def decide(name: str, message: Message) -> Any:
        answer = ANSWERS.get(message.name) if name == "lisa" else None
        return True if answer is None else answer[0]()

    timeout = {"timeout": 0.2}
    async with memory_broker(Everybody(decide), handler=timeout) as broker:
        lisa, other, hearer = [
            await broker.login({"username": name})
            for name in ("lisa", "other", "hearer")
        ]
        await hearer.subscribe("*")
        answered: list[tuple[str, str]] = []

        async def attempt(name: str) -> None:
            code = (await refused(lisa.publish(name))).code
            answered.append((name, code))

        attempts = [asyncio.ensure_future(attempt(name)) for name in ANSWERS]
        await asyncio.sleep(0)
        allowed = asyncio.ensure_future(lisa.publish("good"))
        loop = asyncio.get_running_loop()
        times = []
        while not allowed.done():
            began = loop.time()
            await other.publish("beside")
            times.append(loop.time() - began)
            await asyncio.sleep(0.01)
        await asyncio.gather(*attempts)
        assert answered == [(name, code) for name, (_, code) in ANSWERS.items()]
        # Whoever waited for the handler would have waited 0.2 s, twice.
        assert len([one for one in times if one > 0.1]) <= 1
        names = [hearer.notices.get_nowait() for _ in range(hearer.notices.qsize())]
        assert [getattr(one, "name", "") for one in names].count("good") == 1
        assert {getattr(one, "name", "") for one in names} == {"good", "beside"}
        assert broker.broker.counters["handler_failures"] == len(ANSWERS)


# Where a connection comes from.


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ((), "10.9.9.9", "127.0.0.1"),
        (("127.0.0.1",), "6.6.6.6, 10.9.9.9", "10.9.9.9"),
        (("10.0.0.0/8",), "10.9.9.9", "127.0.0.1"),
    ],
    ids=["r4", "r5", "another proxy"],
)
async def test_r4_r5_only_a_trusted_proxy_says_whose_connection_it_is(
    starting: Starting, proxies: tuple[str, ...], forwarded: str, address: str
) -> None:
    handler = Everybody()
    async with (
        starting(handler, trusted_proxies=proxies) as broker,
        open_session(
            broker.url,
            LISA,
            server_key=broker.server_key,
            headers={"X-Forwarded-For": forwarded},
        ),
    ):
        pass
    ((connection, _),) = handler.logins
    assert connection.remote_address == address


async def test_r6_a_web_page_is_admitted_only_from_an_allowed_origin(
    starting: Starting,
) -> None:
    handler = Everybody()
    good, evil = "https://app.example", "http://evil.example"
    async with starting(handler, allowed_origins=[good]) as broker:
        key = broker.server_key
        with pytest.raises(HandshakeFailed) as caught:
            async with connect(broker.url, server_key=key, headers={"Origin": evil}):
                pass
        assert caught.value.code == "UPGRADE_REFUSED"
        assert caught.value.details["status"] == 403
        async with open_session(
            broker.url, LISA, server_key=key, headers={"Origin": good}
        ) as session:
            assert session.username == "lisa"
        assert [connection.origin for connection, _ in handler.logins] == [good]


# Coming back, and not.


async def test_r70_after_a_cut_the_handler_is_asked_again_and_subscriptions_live(
    starting: Starting,
) -> None:
    handler = Everybody()
    told: list[Any] = []
    async with starting(handler) as broker, relaying(broker) as relay:
        publisher = await raw_peer(broker)
        await publisher.login({"username": "publisher"})
        async with (
            open_session(
                relay.url,
                LISA,
                server_key=broker.server_key,
                reconnect=Reconnect(first=0.01),
                on_client_data=told.append,
            ) as session,
            session.events.subscribe("n") as events,
        ):
            first = session.session_id
            await publisher.publish("n", 1)
            heard = aiter(events)
            assert (await anext(heard)).data == 1
            relay.cut()
            await until(lambda: session.session_id != first)
            await until(lambda: broker.subscriptions == 1 and len(broker.sessions) == 2)
            await publisher.publish("n", 2)
            assert (await anext(heard)).data == 2
            assert events.gaps == 1
            assert not events.suspended
        asked = [data["username"] for _, data in handler.logins]
        assert asked == ["publisher", "lisa", "lisa"]
        assert handler.logins[1][1] == handler.logins[2][1]
        assert told == [], "its client data is what it was"
        publisher.close()


async def test_r71_a_revoked_session_does_not_come_back(starting: Starting) -> None:
    async with (
        starting() as broker,
        connect(
            broker.url, server_key=broker.server_key, reconnect=Reconnect(first=0.01)
        ) as connection,
    ):
        directory = broker.directory
        group = {"name": "G", "permissions": {"events": {"n": {}}}}
        await directory.upsert_group(group, by="_ADMIN")
        await directory.add_user({**LISA, "groups": {"G": True}}, by="_ADMIN")
        session = await connection.login(LISA)
        async with session.events.subscribe("n") as events:
            disabled = {"username": "lisa", "disabled": True}
            await directory.update_user(disabled, by="_ADMIN")
            with pytest.raises(SessionClosed) as caught:
                await anext(events)
            assert caught.value.reason == "revoked"
        assert await session.wait_closed() == "revoked"
        await asyncio.sleep(0.1)
        assert connection.state == "closed"
        assert broker.counters["sessions_admitted"] == 1
        assert not broker.sessions
