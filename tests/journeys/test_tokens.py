"""Session tokens over a real socket: taken again, replaced, revoked, outliving restarts."""

from pathlib import Path
from typing import Any

import pytest

from journeys.conftest import ADMIN_PASSWORD, Starting, until
from journeys.relay import relaying
from vestibule.client import (
    ConnectionState,
    LoginRefused,
    MessageDenied,
    Reconnect,
    RequestFailed,
    Session,
    SessionClosed,
    connect,
    open_session,
)
from vestibule.server import Broker


LISA = {"username": "lisa", "password": "lisa's password"}


def as_admin(broker: Broker) -> Any:
    data = {"username": "_ADMIN", "password": ADMIN_PASSWORD}
    return open_session(broker.url, data, server_key=broker.server_key)


def as_lisa(broker: Broker, token: str | None = None, **options: Any) -> Any:
    data = LISA if token is None else {"token": token}
    options.setdefault("url", broker.url)
    return open_session(
        options.pop("url"), data, server_key=broker.server_key, **options
    )


async def with_lisa(admin: Session) -> None:
    await admin.exchange.security.add_user(LISA)


async def refused(broker: Broker, token: str | None) -> str:
    async with connect(broker.url, server_key=broker.server_key) as connection:
        with pytest.raises(LoginRefused) as caught:
            await connection.login({"token": token})
    return caught.value.code


async def test_d52_d68_a_token_is_good_again_also_after_a_restart(
    starting: Starting, tmp_path: Path
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with as_lisa(broker) as lisa:
            token = lisa.token
        assert token is not None
        async with as_lisa(broker, token) as again:
            assert (again.username, again.token) == ("lisa", token)
        # While it runs: what was acknowledged lies in the files.
        files = [path.read_bytes() for path in (tmp_path / "data").iterdir()]
        assert not any(token.encode() in content for content in files)
    async with starting() as broker, as_lisa(broker, token) as lisa:
        assert lisa.token == token
        assert (await lisa.exchange.security.get_own_user())["username"] == "lisa"


async def test_d44_a_session_that_changes_its_password_goes_on_with_another_token(
    starting: Starting,
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with as_lisa(broker) as first:
            token = first.token
            assert token is not None
            async with as_lisa(broker, token) as lisa:
                changed = lisa.exchange.security.change_own_password
                assert await changed(LISA["password"], "another") is None
                assert await first.wait_closed() == "password_changed"
                assert lisa.token not in {token, None}
                await lisa.exchange.security.get_own_user()
                assert await refused(broker, token) == "TOKEN_REVOKED"
                async with as_lisa(broker, lisa.token) as by_new:
                    assert by_new.username == "lisa"


@pytest.mark.parametrize(
    ("limits", "reason"), [({"ttl": 0.4}, "expired"), ({"idle": 0.4}, "idle")]
)
async def test_d49_the_profile_ends_a_session_in_its_time(
    starting: Starting, limits: dict[str, float], reason: str
) -> None:
    profiles = [{"name": "short", "match": {"usernames": ["lisa"]}, **limits}]
    async with starting(profiles=profiles) as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with as_lisa(broker) as lisa:
            assert await lisa.wait_closed() == reason
            with pytest.raises(SessionClosed) as caught:
                await lisa.exchange.security.get_own_user()
            assert caught.value.reason == reason
            assert await refused(broker, lisa.token) == "TOKEN_EXPIRED"


async def test_d49_a_revoked_token_ends_its_session(starting: Starting) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with as_lisa(broker) as lisa:
            (row,) = await admin.exchange.security.list_sessions(
                criteria={"username": "lisa"}
            )
            await admin.exchange.security.revoke_token(row["token_id"])
            assert await lisa.wait_closed() == "token_revoked"


async def test_d56_a_child_revokes_the_token_of_the_family(starting: Starting) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with as_lisa(broker) as first:
            token = first.token
            async with as_lisa(broker, token) as child, as_lisa(broker, token) as other:
                assert await child.exchange.security.revoke_own_token() is None
                family = (first, child, other)
                ends = [await session.wait_closed() for session in family]
                assert ends == ["token_revoked"] * 3
        assert await refused(broker, token) == "TOKEN_REVOKED"


async def test_d57_a_session_takes_its_family_along_and_leaves_the_token(
    starting: Starting,
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with as_lisa(broker) as first:
            token = first.token
            async with (
                as_lisa(broker, token) as second,
                as_lisa(broker, token) as third,
            ):
                await second.close(end_children=True)
                assert await second.wait_closed() == "client"
                assert await first.wait_closed() == "parent_closed"
                assert await third.wait_closed() == "parent_closed"
        async with as_lisa(broker, token) as again:
            await again.close(revoke_token=True)
            assert await again.wait_closed() == "client"
        assert await refused(broker, token) == "TOKEN_REVOKED"
        (row,) = await admin.exchange.security.list_revoked_tokens()
        assert (row["username"], row["reason"]) == ("lisa", "client")


async def test_a_session_that_leaves_with_its_token_leaves_quietly(
    starting: Starting,
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        await admin.exchange.security.add_user_permissions(
            "lisa", {"events": {"n": {}}}
        )
        async with as_lisa(broker) as lisa, lisa.events.subscribe("n") as heard:
            await lisa.close(revoke_token=True)
            assert [event async for event in heard] == []
            await lisa.close()
            with pytest.raises(SessionClosed):
                await lisa.close(revoke_token=True)


async def test_d67_sessions_are_listed_and_ended_one_by_one(starting: Starting) -> None:
    async with (
        starting() as broker,
        as_admin(broker) as admin,
        as_admin(broker) as second,
    ):
        await with_lisa(admin)
        async with as_lisa(broker) as lisa:
            await lisa.exchange.security.get_own_user()
            (row,) = await admin.exchange.security.list_sessions(
                criteria={"username": "lisa"}
            )
            assert row["session_id"] == lisa.session_id
            assert row["last"]["action"] == "methods.call"
            assert row["last"]["path"] == "vestibule/security/get_own_user"
            assert row["last"]["allowed"] is True
            await admin.security.revoke_authentication(row["session_id"])
            assert await lisa.wait_closed() == "revoked"
            async with as_lisa(broker, lisa.token) as again:
                assert again.username == "lisa"
        assert await admin.exchange.security.list_sessions(count=True) == 2
        assert second.username == "_ADMIN"


async def test_d63_over_a_socket_the_administrator_is_refused(
    starting: Starting,
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        token = admin.token
    async with starting(admin_network_logins=False) as broker:
        async with connect(broker.url, server_key=broker.server_key) as connection:
            for password in (ADMIN_PASSWORD, "wrong"):
                with pytest.raises(LoginRefused) as caught:
                    await connection.login({"username": "_ADMIN", "password": password})
                assert caught.value.code == "ADMIN_LOCAL_ONLY"
        assert await refused(broker, token) == "ADMIN_LOCAL_ONLY"


async def test_a_session_taken_up_again_goes_on_under_its_token_and_limits(
    starting: Starting,
) -> None:
    profiles = [{"name": "few", "match": {"usernames": ["lisa"]}, "usage": 3}]
    async with starting(profiles=profiles) as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with (
            relaying(broker) as relay,
            as_lisa(broker, url=relay.url, reconnect=Reconnect(first=0.05)) as lisa,
        ):
            token, before = lisa.token, lisa.session_id
            await lisa.exchange.security.get_own_user()
            relay.cut()
            await until(lambda: lisa.session_id != before)
            await until(lambda: lisa.connection.state is ConnectionState.OPEN)
            assert lisa.token == token
            for _ in range(2):
                await lisa.exchange.security.get_own_user()
            with pytest.raises(RequestFailed) as caught:
                await lisa.exchange.security.get_own_user()
            assert caught.value.code == "USAGE_LIMIT"
            assert await lisa.wait_closed() == "usage_limit"


async def test_l4_a_token_revoked_while_its_client_is_away_voids_the_ticket(
    starting: Starting,
) -> None:
    async with starting() as broker, as_admin(broker) as admin:
        await with_lisa(admin)
        async with (
            relaying(broker) as relay,
            as_lisa(
                broker,
                url=relay.url,
                reconnect=Reconnect(first=0.5),
                keep_login_data=False,
            ) as lisa,
        ):
            (row,) = await admin.exchange.security.list_sessions(
                criteria={"username": "lisa"}
            )
            relay.cut()
            await until(lambda: lisa.connection.state is ConnectionState.RECONNECTING)
            await admin.exchange.security.revoke_token(row["token_id"])
            assert await lisa.wait_closed() == "reauthentication_failed"


async def test_d64_a_profile_narrows_calls_over_a_socket(starting: Starting) -> None:
    profiles = [
        {
            "name": "g",
            "match": {"groups": ["G"]},
            "permissions": {"methods": {"c/m1": {}}},
        }
    ]
    async with starting(profiles=profiles) as broker, as_admin(broker) as admin:
        await admin.exchange.security.add_group(
            {"name": "G", "permissions": {"methods": {"c/*": {}}}}
        )
        await admin.exchange.security.add_user({**LISA, "groups": {"G": True}})

        class C:
            def m1(self, value: int) -> int:
                return value

            def m2(self, value: int) -> int:
                return value

        async with admin.exchange.provide("c", C()), as_lisa(broker) as lisa:
            assert await lisa.exchange.c.m1(1) == 1
            with pytest.raises(MessageDenied) as caught:
                await lisa.exchange.c.m2(1)
            assert caught.value.code == "TOKEN_LIMITED"
