"""Sessions that change while they live, by the client, over a real socket."""

import asyncio
import time

import pytest

from journeys.conftest import Starting
from journeys.stores import Stores
from vestibule.client import (
    Allow,
    AuthenticationRequest,
    LoginRefused,
    MessageDenied,
    SessionClosed,
    connect,
)


async def test_s77_s78_s81_one_connection_is_one_user_after_the_other(
    starting: Starting,
) -> None:
    async with starting(name="hub") as broker, Stores.of(broker) as stores:
        await stores.store("A@a [S R]", "B@b [S R]")
        await stores.users("add principal 'lisa' 'pw-lisa' ['A']")
        await stores.users("add principal 'bob' 'pw-bob' ['B']")
        async with connect(broker.url, server_key=broker.server_key) as connection:
            session = await connection.login(
                {"username": "lisa", "password": "pw-lisa"}
            )
            token = session.token
            before = await session.security.get_session_properties()
            assert not await session.security.re_authenticate("bob", "wrong")
            assert session.security.get_principal() == "lisa"
            assert session.token == token
            async with session.events.subscribe("a/*") as heard:
                assert await session.security.re_authenticate("bob", "pw-bob")
                assert heard.suspended
                assert session.security.get_principal() == "bob"
                assert session.token not in (None, token)
                after = await session.security.get_session_properties()
                assert after == {**before, "$Principal": "bob"}
                with pytest.raises(MessageDenied):
                    async with session.events.subscribe("a/x"):
                        pass
                await session.security.change_principal("lisa", "pw-lisa")
                await stores.admin.events.publish("a/x", 1)
                event = await anext(aiter(heard))
                assert event.data == 1
            with pytest.raises(LoginRefused) as caught:
                await session.security.change_principal("bob", "wrong")
            assert caught.value.code == "INVALID_AUTH_DATA"
            assert session.security.get_principal() == "lisa"


async def test_s84_a_revoked_session_is_told_why_and_logs_in_again(
    starting: Starting,
) -> None:
    async with starting(name="hub") as broker, Stores.of(broker) as stores:
        await stores.store("A@n [S R]")
        lisa = await stores.user("A", name="lisa")
        async with lisa.events.subscribe("n/*") as heard:
            waiting = asyncio.ensure_future(anext(aiter(heard)))
            await asyncio.sleep(0)
            began = time.monotonic()
            await stores.security.revoke_authentication(lisa.session_id)
            await stores.admin.events.publish("n/x", "too late")
            assert await lisa.wait_closed() == "revoked"
            assert time.monotonic() - began < 1
            with pytest.raises(SessionClosed, match="revoked"):
                await waiting
        again = await stores.login({"username": "lisa", "password": "lisa"})
        assert again.session_id != lisa.session_id


async def test_s61_s62_an_anonymous_session_lives_as_long_as_it_is_allowed(
    starting: Starting,
) -> None:
    async with starting(name="hub") as broker, Stores.of(broker) as stores:
        async with connect(broker.url, server_key=broker.server_key) as connection:
            with pytest.raises(LoginRefused, match="ANONYMOUS_DISABLED"):
                await connection.login({})
        await stores.users("allow anonymous connections ['C']")
        await stores.store("C@n [U]")
        async with connect(broker.url, server_key=broker.server_key) as connection:
            session = await connection.login({})
            assert session.security.get_principal() == ""
            assert session.token is None
            await session.events.publish("n", 1)
            await stores.users("deny anonymous connections")
            assert await session.wait_closed() == "revoked"


async def test_s82_a_session_ends_at_its_time_though_it_idles(
    starting: Starting,
) -> None:
    chain = ["directory", "control:after"]
    async with (
        starting(name="hub", authenticators=chain) as broker,
        Stores.of(broker) as stores,
    ):

        def soon(request: AuthenticationRequest) -> Allow:
            return Allow({"$ExpiryTime": str(int(time.time() * 1000) + 1_000)})

        await stores.security.set_authenticator("after", soon)
        async with connect(broker.url, server_key=broker.server_key) as connection:
            session = await connection.login({"username": "guest"})
            own = await session.security.get_session_properties()
            assert int(own["$ExpiryTime"]) > time.time() * 1000
            async with asyncio.timeout(3):
                assert await session.wait_closed() == "expired"
            assert time.time() * 1000 >= int(own["$ExpiryTime"])
