"""Session tokens in a broker in memory: issued, taken, refused, limited, revoked."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from token_broker import BOB, LISA, own, profile, running
from vestibule.protocol import messages
from vestibule.server import Broker, Config
from vestibule.server.directory.store import StoreError
from vestibule.server.testing import (
    ManualClock,
    MemoryBroker,
    PeerClosed,
    RequestRefused,
)


ELSEWHERE = "192.0.2.7"


async def test_d52_a_token_logs_in_and_stays_the_same() -> None:
    async with running() as hub:
        peer, token = await hub.login(LISA)
        peer.close()
        await peer.wait_closed()
        again, same = await hub.login({"token": token})
        assert same == token
        assert (await own(again, "get_own_user"))["username"] == "lisa"


async def test_a_token_is_a_prefix_and_32_random_bytes_and_no_two_are_equal() -> None:
    async with running() as hub:
        tokens = {(await hub.login(LISA))[1] or "" for _ in range(3)}
    assert len(tokens) == 3
    assert {(len(one), one[:4]) for one in tokens} == {(4 + 43, "vst_")}


async def test_garbled_and_unknown_tokens_are_wrong_passwords() -> None:
    async with running(lockout={"attempts": 2, "interval": 60}) as hub:
        _, token = await hub.login(LISA)
        assert token is not None
        for wrong in ("vst_", "vst_" + "A" * 43, token[:-1], token + "A", "vst_\ud800"):
            if wrong.isascii():
                refusal = await hub.refused({"token": wrong})
                assert refusal.code == "INVALID_AUTH_DATA"
                assert refusal.message == "invalid credentials"
        # They are nobody's failures: no name is locked by them.
        await hub.login(LISA)


async def test_a_token_and_the_name_of_another_are_wrong() -> None:
    async with running() as hub:
        _, token = await hub.login(LISA)
        refusal = await hub.refused({"token": token, "username": "bob"})
        assert refusal.code == "INVALID_AUTH_DATA"
        await hub.login({"token": token, "username": "lisa"})


async def test_d53_a_token_expires_with_its_profile() -> None:
    async with running(profiles=profile(ttl=2)) as hub:
        _, token = await hub.login(LISA)
        hub.wall.advance(1.9)
        await hub.login({"token": token})
        hub.wall.advance(0.2)
        assert await hub.code(token) == "TOKEN_EXPIRED"


async def test_a_token_makes_new_sessions_no_longer_than_token_ttl() -> None:
    async with running(profiles=profile(token_ttl="1 hour", ttl="2 hours")) as hub:
        _, token = await hub.login(LISA)
        hub.wall.advance(3_601)
        assert await hub.code(token) == "TOKEN_EXPIRED"
        tokens = hub.memory.broker._parts.tokens
        assert token is not None
        found = tokens.find(token, address="127.0.0.1", login_type="http")
        assert isinstance(found, tuple)
        hub.wall.advance(3_600)
        late = tokens.find(token, address="127.0.0.1", login_type="http")
        assert not isinstance(late, tuple)
        assert late.code == "TOKEN_EXPIRED"


async def test_without_a_ttl_a_token_lives_for_a_day() -> None:
    async with running() as hub:
        _, token = await hub.login(LISA)
        hub.wall.advance(24 * 3600 - 1)
        await hub.login({"token": token})
        hub.wall.advance(2)
        assert await hub.code(token) == "TOKEN_EXPIRED"


async def test_a_wall_clock_that_goes_back_revives_no_revoked_token() -> None:
    async with running(profiles=profile(ttl=60)) as hub:
        peer, token = await hub.login(LISA)
        await own(peer, "revoke_own_token")
        hub.wall.advance(-3_600)
        assert await hub.code(token) == "TOKEN_REVOKED"


async def test_d54_a_token_is_known_where_it_was_given() -> None:
    async with running() as hub, running() as other:
        _, token = await hub.login(LISA)
        assert await other.code(token) == "INVALID_AUTH_DATA"


@pytest.mark.parametrize("locked", [True, False])
async def test_d54_a_locked_token_is_taken_by_the_broker_that_gave_it(
    *, locked: bool
) -> None:
    async with running(profiles=profile(lock_token_to_broker=locked)) as hub:
        directory = hub.memory.broker.directory
        user = directory.user("lisa")
        assert user is not None
        _, theirs = await directory.tokens.issue(
            user, login_type="websocket", profile="short", broker_key=bytes(32)
        )
        _, ours = await hub.login(LISA)
        await hub.login({"token": ours})
        if locked:
            assert await hub.code(theirs.reveal()) == "TOKEN_ORIGIN"
        else:
            await hub.login({"token": theirs.reveal()})


async def test_d55_where_tokens_do_not_log_in_none_is_given_and_none_is_taken() -> None:
    async with running(profiles=profile(token_logins=False)) as hub:
        _, token = await hub.login(LISA)
        assert token is None
        directory = hub.memory.broker.directory
        user = directory.user("lisa")
        assert user is not None
        _, older = await directory.tokens.issue(
            user, login_type="websocket", profile="short", broker_key=bytes(32)
        )
        assert await hub.code(older.reveal()) == "TOKEN_LOGIN_DISALLOWED"


async def test_a_token_of_another_kind_of_login_makes_no_session() -> None:
    async with running() as hub:
        directory = hub.memory.broker.directory
        user = directory.user("lisa")
        assert user is not None
        _, token = await directory.tokens.issue(
            user, login_type="http", profile="default-http", broker_key=bytes(32)
        )
        assert await hub.code(token.reveal()) == "TOKEN_TYPE_MISMATCH"


async def test_a_token_of_a_profile_that_is_gone_has_expired() -> None:
    async with running() as hub:
        directory = hub.memory.broker.directory
        user = directory.user("lisa")
        assert user is not None
        _, token = await directory.tokens.issue(
            user, login_type="websocket", profile="gone", broker_key=bytes(32)
        )
        assert await hub.code(token.reveal()) == "TOKEN_EXPIRED"


async def test_d57_a_session_that_leaves_with_its_family_leaves_the_token_good() -> (
    None
):
    async with running() as hub:
        family, token = await hub.family(3)
        leaving = family[0]
        await leaving.request(messages.Leave(leaving.next_id(), end_children=True))
        assert await leaving.wait_closed() == "client"
        assert [await one.wait_closed() for one in family[1:]] == ["parent_closed"] * 2
        await hub.login({"token": token})


async def test_a_session_that_leaves_with_its_token_takes_the_family_along() -> None:
    async with running() as hub:
        family, token = await hub.family(2)
        await family[0].request(messages.Leave(family[0].next_id(), revoke_token=True))
        assert await family[0].wait_closed() == "client"
        assert await family[1].wait_closed() == "token_revoked"
        assert await hub.code(token) == "TOKEN_REVOKED"


async def test_d44_a_new_password_of_ones_own_brings_a_new_token() -> None:
    async with running() as hub:
        first, token = await hub.login(LISA)
        lisa, _ = await hub.login({"token": token})
        other, _ = await hub.login(LISA)
        assert await own(lisa, "change_own_password", "sesame", "open") is None
        assert await other.wait_closed() == "password_changed"
        assert await first.wait_closed() == "password_changed"
        notice = lisa.notices.get_nowait()
        assert isinstance(notice, messages.TokenReplaced)
        assert notice.token not in {token, None}
        assert (await own(lisa, "get_own_user"))["username"] == "lisa"
        assert await hub.code(token) == "TOKEN_REVOKED"
        await hub.login({"token": notice.token})


async def test_d109_another_password_ends_tokens_and_the_same_one_does_not() -> None:
    async with running() as hub:
        lisa, token = await hub.login(LISA)
        await hub.security("update_user", {"username": "lisa", "password": "sesame"})
        await hub.login({"token": token})
        await hub.security("update_user", {"username": "lisa", "password": "open"})
        assert await lisa.wait_closed() == "password_changed"
        assert await hub.code(token) == "TOKEN_REVOKED"
        (row,) = await hub.security("list_revoked_tokens")
        assert row["reason"] == "password_changed"


async def test_d71_a_user_made_anew_inherits_no_token() -> None:
    async with running() as hub:
        _, token = await hub.login(LISA)
        await hub.security("delete_user", "lisa")
        assert await hub.code(token) == "TOKEN_REVOKED"
        await hub.security("add_user", {"username": "lisa", "password": "sesame"})
        assert await hub.code(token) == "TOKEN_REVOKED"


async def test_disabling_ends_tokens_for_good() -> None:
    async with running() as hub:
        _, token = await hub.login(LISA)
        for disabled in (True, False):
            await hub.security(
                "update_user", {"username": "lisa", "disabled": disabled}
            )
            assert await hub.code(token) == "TOKEN_REVOKED"


async def test_a_token_that_no_disk_took_is_not_given_and_the_login_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as hub:
        book = hub.memory.broker.directory.tokens

        async def failing(operations: object) -> None:
            raise StoreError("full")

        with monkeypatch.context() as broken:
            broken.setattr(book, "_write", failing)
            lisa, token = await hub.login(LISA)
            assert token is None
            assert (await own(lisa, "get_own_user"))["username"] == "lisa"
        _, token = await hub.login(LISA)
        await hub.login({"token": token})


async def test_a_revocation_that_no_disk_took_is_in_force_and_stored_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running("bob") as hub:
        family, token = await hub.family(2)
        book = hub.memory.broker.directory.tokens

        async def failing(operations: object) -> None:
            raise StoreError("full")

        with monkeypatch.context() as broken:
            broken.setattr(book, "_write", failing)
            with pytest.raises(RequestRefused) as refusal:
                await own(family[0], "revoke_own_token")
            assert refusal.value.code == "STORAGE_FAILED"
            assert refusal.value.details == {"in_memory": True}
            assert [await one.wait_closed() for one in family] == ["token_revoked"] * 2
            assert await hub.code(token) == "TOKEN_REVOKED"
            assert book._unwritten
        # The next token takes it along.
        await hub.login(BOB)
        assert not book._unwritten


async def test_d49_sessions_end_at_the_end_of_their_profile() -> None:
    async with running(profiles=profile(ttl=0.2)) as hub:
        family, _ = await hub.family(2)
        ends = await asyncio.gather(*(peer.wait_closed() for peer in family))
        assert ends == ["expired"] * 2
        # Nothing is left to watch once nobody is there.
        assert len(hub.memory.broker._parts.tokens._families) == 1


async def test_d49_silence_ends_a_session_and_any_of_its_family_breaks_it() -> None:
    async with running(profiles=profile(idle=0.3)) as hub:
        (silent, busy), token = await hub.family(2)
        for _ in range(5):
            await asyncio.sleep(0.1)
            await own(busy, "get_own_user")
        assert silent.end_reason is None
        ends = [await one.wait_closed() for one in (silent, busy)]
        assert ends == ["idle", "idle"]
        assert await hub.code(token) == "TOKEN_EXPIRED"


async def test_d49_what_is_denied_is_no_sign_of_life() -> None:
    async with running(profiles=profile(idle=0.2)) as hub:
        lisa, _ = await hub.login(LISA)

        async def go_on() -> None:
            while True:
                with pytest.raises(RequestRefused):
                    await own(lisa, "list_users")
                await asyncio.sleep(0.02)

        with pytest.raises(PeerClosed) as closed:
            await go_on()
        assert closed.value.reason == "idle"


async def test_no_timer_of_a_session_that_left_fires() -> None:
    async with running(profiles=profile(ttl=0.2)) as hub:
        lisa, _ = await hub.login(LISA)
        lisa.close()
        assert await lisa.wait_closed() == "client"
        deadlines = hub.memory.broker._parts.tokens._deadlines
        await asyncio.sleep(0.25)
        assert len(deadlines) == 0


async def test_a_message_too_many_is_refused_and_ends_the_session() -> None:
    async with running(profiles=profile(usage=3)) as hub:
        (first, second), token = await hub.family(2)
        await own(first, "get_own_user")
        await own(second, "get_own_user")
        with pytest.raises(RequestRefused):
            await own(first, "list_users")  # what is denied is not counted
        await own(first, "get_own_user")
        with pytest.raises(RequestRefused) as refusal:
            await own(first, "get_own_user")
        assert refusal.value.code == "USAGE_LIMIT"
        assert await first.wait_closed() == "usage_limit"
        with pytest.raises(RequestRefused) as refusal:
            await own(second, "get_own_user")
        assert refusal.value.code == "USAGE_LIMIT"
        assert await hub.code(token) == "TOKEN_EXPIRED"


async def test_a_message_about_many_names_counts_once() -> None:
    limits = profile(usage=2, name="counted")
    async with running(profiles=limits) as hub:
        await hub.security("add_group_permissions", "G", {"events": {"n/*": {}}})
        lisa, _ = await hub.login(LISA)
        assert await lisa.subscribe("n/a", "n/b", "n/c") == [None] * 3
        assert await lisa.subscribe("n/d") == [None]
        answers = await lisa.subscribe("n/e", "n/f")
        assert [answer[0] for answer in answers] == ["USAGE_LIMIT"] * 2
        assert await lisa.wait_closed() == "usage_limit"


async def test_d62_right_credentials_from_a_wrong_address_lock_nobody() -> None:
    async with running(profiles=profile(addresses=["127.0.0.0/8"])) as hub:
        for _ in range(10):
            refusal = await hub.refused(LISA, address=ELSEWHERE)
            assert refusal.code == "INVALID_AUTH_DATA"
            assert refusal.message == "invalid credentials"
        _, token = await hub.login(LISA)
        for _ in range(10):
            assert await hub.code(token, address=ELSEWHERE) == "INVALID_AUTH_DATA"
        await hub.login({"token": token})


async def test_d63_the_administrator_logs_in_from_inside_alone() -> None:
    async with running(admin_network_logins=False) as hub:
        assert (await own(hub.admin, "get_own_user"))["username"] == "_ADMIN"
        await hub.login(LISA)


async def test_d64_a_profile_leaves_of_the_rights_what_it_names() -> None:
    narrow = {"methods": {"c/m1": {}}, "events": {"n/*": {"actions": ["*"]}}}
    profiles = [
        {"name": "g", "match": {"groups": ["G"]}, "permissions": narrow},
        {"name": "bob", "match": {"usernames": ["bob"]}, "permissions": narrow},
    ]
    async with running("bob", profiles=profiles) as hub:
        rights = {"methods": {"c/*": {}}, "events": {"**": {"actions": ["*"]}}}
        await hub.security("add_group_permissions", "G", rights)
        lisa, _ = await hub.login(LISA)
        bob, _ = await hub.login(BOB)
        codes = {}
        for peer, name in ((lisa, "lisa"), (bob, "bob")):
            for method in ("hub/c/m1", "hub/c/m2"):
                with pytest.raises(RequestRefused) as refusal:
                    await peer.call(method)
                codes[name, method[-2:]] = refusal.value.code
        assert codes == {
            ("lisa", "m1"): "NO_RPC_PROVIDER",
            ("lisa", "m2"): "TOKEN_LIMITED",
            ("bob", "m1"): "MESSAGE_DENIED",
            ("bob", "m2"): "MESSAGE_DENIED",
        }
        await lisa.publish("n/a")
        with pytest.raises(RequestRefused) as refusal:
            await lisa.publish("m/a")
        assert refusal.value.code == "TOKEN_LIMITED"


async def test_d64_deliveries_are_narrowed_like_messages() -> None:
    narrow = {
        "events": {
            "n/**": {"actions": ["subscribe"], "deep": False},
            "n/x": {"authorized": False},
        }
    }
    async with running(profiles=profile(permissions=narrow)) as hub:
        rights = {"events": {"**": {"actions": ["*"]}}}
        await hub.security("add_group_permissions", "G", rights)
        lisa, _ = await hub.login(LISA)
        assert await lisa.subscribe("**") == [None]
        assert (await lisa.subscribe("m/*"))[0][0] == "TOKEN_LIMITED"
        for name in ("m/a", "n/x", "n/a"):
            await hub.admin.publish(name)
        event = await lisa.notices.get()
        assert isinstance(event, messages.Event)
        assert event.name == "n/a"


async def test_d118_no_profile_lifts_a_prohibition() -> None:
    allow = {"events": {"n/*": {"actions": ["*"]}}}
    async with running(profiles=profile(permissions=allow)) as hub:
        await hub.security("add_group_permissions", "G", allow)
        await hub.security(
            "add_user_permissions", "lisa", {"events": {"n/a": {"authorized": False}}}
        )
        lisa, _ = await hub.login(LISA)
        await lisa.publish("n/b")
        with pytest.raises(RequestRefused) as refusal:
            await lisa.publish("n/a")
        assert refusal.value.code == "MESSAGE_DENIED"


async def test_the_templates_of_a_profile_are_filled_with_the_user() -> None:
    mine = {"events": {"u/{username}/{application_data.t}": {"actions": ["publish"]}}}
    async with running(profiles=profile(permissions=mine)) as hub:
        await hub.security(
            "add_group_permissions", "G", {"events": {"**": {"actions": ["*"]}}}
        )
        red = {"username": "lisa", "application_data": {"t": "red"}}
        await hub.security("update_user", red)
        lisa, _ = await hub.login(LISA)
        await lisa.publish("u/lisa/red")
        for name in ("u/bob/red", "u/lisa/blue"):
            with pytest.raises(RequestRefused) as refusal:
                await lisa.publish(name)
            assert refusal.value.code == "TOKEN_LIMITED"
        await hub.security(
            "update_user", {"username": "lisa", "application_data": {"t": "blue"}}
        )
        await lisa.publish("u/lisa/blue")


async def test_who_has_very_many_tokens_loses_the_oldest_that_is_not_used() -> None:
    async with running(limits={"tokens_per_user": 2}) as hub:
        used, oldest = await hub.login(LISA)
        unused, older = await hub.login(LISA)
        unused.close()
        await unused.wait_closed()
        await hub.login(LISA)
        await hub.login({"token": oldest})
        assert await hub.code(older) == "INVALID_AUTH_DATA"
        assert used.end_reason is None


async def test_another_login_of_a_session_leaves_the_family_of_the_first() -> None:
    async with running("bob") as hub:
        (first, second), token = await hub.family(2)
        await second.reauthenticate(BOB)
        notices = [second.notices.get_nowait() for _ in range(second.notices.qsize())]
        (replaced,) = [n for n in notices if isinstance(n, messages.TokenReplaced)]
        assert replaced.token not in {None, token}
        await own(first, "revoke_own_token")
        assert await first.wait_closed() == "token_revoked"
        assert (await own(second, "get_own_user"))["username"] == "bob"
        again, _ = await hub.login({"token": replaced.token})
        assert (await own(again, "get_own_user"))["username"] == "bob"


async def test_what_is_over_for_a_day_is_forgotten() -> None:
    async with running(profiles=profile(ttl=60)) as hub:
        lisa, token = await hub.login(LISA)
        lisa.close()
        await lisa.wait_closed()
        tokens = hub.memory.broker._parts.tokens
        hub.wall.advance(24 * 3600)
        tokens._keep_house()
        assert await hub.code(token) == "TOKEN_EXPIRED"
        hub.wall.advance(61)
        tokens._keep_house()
        assert await hub.code(token) == "INVALID_AUTH_DATA"


async def test_p1_nothing_published_after_a_revocation_is_heard() -> None:
    async with running() as hub:
        await hub.security("add_group_permissions", "G", {"events": {"n/*": {}}})
        family, _ = await hub.family(2)
        for peer in family:
            assert await peer.subscribe("n/**") == [None]
        (token_id,) = {
            row["token_id"]
            for row in await hub.security(
                "list_sessions", criteria={"username": "lisa"}
            )
        }
        for number in range(100):
            await hub.admin.publish("n/x", number)
        await hub.security("revoke_token", token_id)
        for number in range(100, 200):
            await hub.admin.publish("n/x", number)
        for peer in family:
            assert await peer.wait_closed() == "token_revoked"
            heard = [peer.notices.get_nowait() for _ in range(peer.notices.qsize())]
            assert len(heard) <= 100


async def test_a_changed_profile_applies_to_tokens_that_exist(tmp_path: Path) -> None:
    wall = ManualClock(1_900_000_000.0)

    def config(**limits: Any) -> Config:
        return Config(
            data=tmp_path / "data",
            http=None,
            passwords={"opslimit": 2, "memlimit": 19 * 1024 * 1024},
            shutdown={"drain": 0.2, "spread": 0.1},
            profiles=profile(**limits),
        )

    async def told(broker: Broker, token: str | None) -> str:
        peer = await MemoryBroker(broker).connect()
        try:
            await peer.login({"token": token})
        except RequestRefused as refusal:
            return refusal.code
        return ""

    token = None
    async with Broker(config(ttl=60), wall=wall, listen=False) as broker:
        await broker.directory.add_user(LISA, by="_ADMIN")
        peer = await MemoryBroker(broker).connect()
        token = (await peer.login(LISA))["token"]
    wall.advance(50)
    for limits, code in (
        ({"ttl": 40}, "TOKEN_EXPIRED"),
        ({"ttl": 60}, ""),
        ({"ttl": 60, "addresses": ["10.0.0.0/8"]}, "INVALID_AUTH_DATA"),
        ({"ttl": 60, "token_logins": False}, "TOKEN_LOGIN_DISALLOWED"),
    ):
        async with Broker(config(**limits), wall=wall, listen=False) as broker:
            assert await told(broker, token) == code


async def test_use_is_remembered_over_a_restart(tmp_path: Path) -> None:
    config = Config(
        data=tmp_path / "data",
        http=None,
        passwords={"opslimit": 2, "memlimit": 19 * 1024 * 1024},
        shutdown={"drain": 0.2, "spread": 0.1},
        profiles=profile(usage=2),
    )
    token = None
    for allowed in (1, 1, 0):
        async with Broker(config, listen=False) as broker:
            if token is None:
                await broker.directory.add_user(LISA, by="_ADMIN")
            peer = await MemoryBroker(broker).connect()
            data = LISA if token is None else {"token": token}
            if not allowed:
                with pytest.raises(RequestRefused) as refusal:
                    await peer.login(data)
                assert refusal.value.code == "TOKEN_EXPIRED"
                return
            token = (await peer.login(data))["token"]
            await peer.component("vestibule/security/get_own_user")
