"""Whole stories of resume tickets: given, used once, void, and come back by."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from handlers import Everybody
from journeys.conftest import Starting, raw_peer, until
from journeys.raw_logins import (
    BAD,
    LISA,
    OTHER,
    Raw,
    came_back,
    code_of,
    raw,
    with_lisa,
)
from journeys.relay import relaying
from vestibule.client import (
    open_session,
)
from vestibule.server import Broker
from vestibule.server.directory import passwords
from vestibule.server.directory.verifier import Verifier
from vestibule.server.testing import (
    ManualClock,
    MemoryBroker,
    PeerClosed,
    RequestRefused,
    memory_broker,
)


# Tickets.


async def test_w37_a_ticket_makes_a_new_session_and_replaces_the_old() -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        first = await raw(broker)
        accepted = await first.plain()
        assert accepted["ticket_ttl_ms"] == 3_600_000
        second = await raw(broker)
        again = await second.ticket(accepted["ticket"], first.resume)
        assert again["username"] == "lisa"
        assert again["ticket"] != accepted["ticket"]
        assert await first.peer.wait_closed() == "replaced"
        assert list(broker.broker.sessions) == [second.peer.initiator.session_id]
        third = await raw(broker)
        assert await code_of(third.ticket(accepted["ticket"], first.resume)) == BAD
        # The new ticket is under the new key.
        assert await code_of(third.ticket(again["ticket"], first.resume)) == BAD
        assert await code_of(
            (await raw(broker)).ticket(again["ticket"], second.resume)
        ) == ("admitted")


async def test_w38_a_bad_signature_uses_no_ticket_up() -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        first = await raw(broker)
        ticket = (await first.plain())["ticket"]
        stranger = await raw(broker)
        assert await code_of(stranger.ticket(ticket, OTHER)) == BAD
        assert await code_of(stranger.ticket(ticket, first.resume)) == "admitted"


async def test_a_replaced_session_does_not_count_as_one_too_many() -> None:
    async with memory_broker(limits={"sessions_per_user": 1}) as broker:
        await with_lisa(broker.broker)
        first = await raw(broker)
        ticket = (await first.key())["ticket"]
        assert await code_of((await raw(broker)).key()) == "LIMIT_EXCEEDED"
        again = (await raw(broker)).ticket(ticket, first.resume)
        assert await code_of(again) == "admitted"


Cause = Callable[[MemoryBroker, Raw], Awaitable[Any]]


async def logged_out(broker: MemoryBroker, owner: Raw) -> None:
    owner.peer.close()
    await owner.peer.wait_closed()


async def another_password(broker: MemoryBroker, owner: Raw) -> None:
    user = {"username": "lisa", "password": "another"}
    await broker.broker.directory.update_user(user, by="_ADMIN")
    assert await owner.peer.wait_closed() == "password_changed"


async def disabled(broker: MemoryBroker, owner: Raw) -> None:
    directory = broker.broker.directory
    await directory.update_user({"username": "lisa", "disabled": True}, by="_ADMIN")
    await directory.update_user({"username": "lisa", "disabled": False}, by="_ADMIN")


async def deleted(broker: MemoryBroker, owner: Raw) -> None:
    await broker.broker.directory.delete_user("lisa", by="_ADMIN")


async def made_again(broker: MemoryBroker, owner: Raw) -> None:
    await deleted(broker, owner)
    await with_lisa(broker.broker)


async def used(broker: MemoryBroker, owner: Raw) -> None:
    await (await raw(broker)).ticket(owner.given, owner.resume)


@pytest.mark.parametrize(
    "cause", [logged_out, another_password, disabled, deleted, made_again, used]
)
async def test_l4_w39_a_void_ticket_is_a_wrong_password(cause: Cause) -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        owner = await raw(broker)
        owner.given = (await owner.key())["ticket"]
        await cause(broker, owner)
        stranger = await raw(broker)
        with pytest.raises(RequestRefused) as refused:
            await stranger.ticket(owner.given, owner.resume)
        assert (refused.value.code, refused.value.message) == (
            BAD,
            "invalid credentials",
        )
        assert set(refused.value.details) == {"attempts_left"}


async def test_l4_a_session_that_was_cut_off_is_taken_up_for_a_while() -> None:
    clock = ManualClock()
    settings: dict[str, Any] = {"resume": {"ticket_ttl": 60}}
    async with memory_broker(clock=clock, **settings) as broker:
        await with_lisa(broker.broker)
        for seconds, outcome in ((59.0, "admitted"), (60.0, BAD)):
            owner = await raw(broker)
            ticket = (await owner.key())["ticket"]
            owner.peer.cut()
            await until(lambda: not broker.broker.sessions)
            clock.advance(seconds)
            again = await raw(broker)
            assert await code_of(again.ticket(ticket, owner.resume)) == outcome
            again.peer.close()
            await again.peer.wait_closed()


async def test_l4_ten_at_once_and_one_is_admitted() -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        owner = await raw(broker)
        ticket = (await owner.key())["ticket"]
        peers = [await raw(broker, f"192.0.2.{n}") for n in range(10)]
        codes = await asyncio.gather(
            *(code_of(one.ticket(ticket, owner.resume)) for one in peers)
        )
        assert sorted(codes) == [BAD] * 9 + ["admitted"]


async def test_a_session_that_changes_its_own_password_gets_another_ticket() -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        owner, second = await raw(broker), await raw(broker)
        old = [(await one.key())["ticket"] for one in (owner, second)]
        change = "vestibule/security/change_own_password"
        await owner.peer.component(change, "sesame", "another")
        replaced = owner.peer.notices.get_nowait()
        # Before the answer; and her other session is over.
        assert await second.peer.wait_closed() == "password_changed"
        stranger = await raw(broker)
        for ticket, key in ((old[0], owner.resume), (old[1], second.resume)):
            assert await code_of(stranger.ticket(ticket, key)) == BAD
        ticket = getattr(replaced, "ticket", b"")
        assert await code_of(stranger.ticket(ticket, owner.resume)) == "admitted"


async def test_nobody_but_users_of_the_directory_gets_a_ticket() -> None:
    async with memory_broker(Everybody()) as broker:
        stranger = await raw(broker)
        accepted = await stranger.plain()
        assert accepted["username"] == "lisa"
        assert "ticket" not in accepted
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        peer = await broker.connect()
        assert "ticket" not in await peer.login(LISA), "who asks for none gets none"


# Coming back, with the client.


def schemes_of(broker: Broker) -> list[str]:
    return [session.authenticator for session in broker.sessions.values()]


async def test_a_client_that_was_cut_off_comes_back_by_ticket(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with starting() as broker, relaying(broker) as relay:
        await with_lisa(broker)
        async with open_session(
            relay.url,
            LISA,
            server_key=broker.server_key,
            keep_login_data=False,
        ) as session:
            first = session.session_id

            def hashed(*args: Any) -> Verifier:
                raise AssertionError("no password is sent")

            monkeypatch.setattr(passwords, "derive", hashed)
            for _ in range(2):
                before = session.session_id
                relay.cut()
                await until(partial(came_back, session, before))
            assert session.session_id != first
            assert await session.exchange.security.get_own_user()
            assert list(broker.sessions) == [session.session_id]


async def test_w39_after_a_restart_the_login_data_are_sent(starting: Starting) -> None:
    port = {"listen": {"host": "127.0.0.1", "port": 0}}
    async with starting(**port) as broker:
        await with_lisa(broker)
        number = int(broker.url.rpartition(":")[2])
        connecting = open_session(broker.url, LISA, server_key=broker.server_key)
        session = await connecting.__aenter__()
        before = session.session_id
    try:
        async with starting(listen={"host": "127.0.0.1", "port": number}) as broker:
            await until(lambda: came_back(session, before))
            # The ticket of the broker that is gone was refused, and then the password
            # was right.
            assert broker.counters["logins_refused"] == 1
            assert broker.counters["sessions_admitted"] == 1
            assert schemes_of(broker) == ["directory"]
    finally:
        await connecting.__aexit__(None, None, None)


async def test_a_client_comes_back_with_the_password_that_it_has_set(
    starting: Starting,
) -> None:
    async with starting() as broker, relaying(broker) as relay:
        await with_lisa(broker)
        async with open_session(
            relay.url, LISA, scram=True, server_key=broker.server_key
        ) as session:
            security = session.exchange.security
            await security.change_own_password("sesame", "another")
            before = session.session_id
            relay.cut()
            await until(lambda: came_back(session, before))
            assert broker.counters["logins_refused"] == 0
            # And without a ticket, by what it has kept.
            before = session.session_id
            session.connection._lifecycle.resumption.refused()
            relay.cut()
            await until(lambda: came_back(session, before))
            assert broker.counters["logins_refused"] == 0


async def test_a_raw_peer_over_a_socket_is_told_of_its_ticket(
    starting: Starting,
) -> None:
    async with starting() as broker:
        await with_lisa(broker)
        peer = Raw(await raw_peer(broker))
        accepted = await peer.scram()
        assert set(accepted) >= {"ticket", "ticket_ttl_ms", "server_signature"}
        with suppress(PeerClosed):
            peer.peer.close()
