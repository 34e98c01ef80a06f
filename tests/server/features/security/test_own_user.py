"""What a user may do with itself, and what is checked first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from directories import BY, Copies, Hub, opened
from live import live, refused as live_refused
from security_calls import LISA, call, parts_of, refused
from vestibule.protocol.errors import ErrorCode
from vestibule.server.components import Caller
from vestibule.server.directory import DirectoryChange
from vestibule.server.testing import RequestRefused


E = ErrorCode


class FakeLockout:
    """Locks after so many failures."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.failures: list[Caller] = []

    def locked(self, caller: Caller) -> bool:
        return self.failures.count(caller) >= self.attempts

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        yield

    def failed(self, caller: Caller) -> None:
        self.failures.append(caller)


async def test_d41_a_new_password_needs_the_old_one(hub: Hub) -> None:
    await hub.user("lisa", password="old", custom_data=1)
    security = parts_of(hub.directory)

    for update, code in (
        ({"password": "new", "custom_data": 2}, E.MISSING_OLD_PASSWORD),
        (
            {"password": "new", "old_password": "x", "custom_data": 2},
            E.WRONG_OLD_PASSWORD,
        ),
        ({"password": "", "old_password": "old"}, E.INVALID_ARGUMENT),
        ({"password": "new", "old_password": None}, E.INVALID_ARGUMENT),
    ):
        await refused(call(security, "update_own_user", update), code)
    shown = hub.directory.get_user("lisa")
    assert shown is not None
    assert shown["custom_data"] == 1
    assert await hub.directory.verify("lisa", "old") is not None

    update = {"password": "new", "old_password": "old", "custom_data": 2}
    answer = await call(security, "update_own_user", update)
    assert answer["custom_data"] == 2
    assert "permissions" not in answer
    assert await hub.directory.verify("lisa", "old") is None
    assert await hub.directory.verify("lisa", "new") is not None


async def test_d43_custom_data_that_users_may_not_write(copy: Copies) -> None:
    async with opened(copy(), own_custom_data_updates=False) as directory:
        await Hub(directory).user("lisa", password="old", custom_data=1)
        security = parts_of(directory)
        update = {"password": "new", "old_password": "old", "custom_data": 2}

        answer = await call(security, "update_own_user", update)

        assert answer["custom_data"] == 1
        assert await directory.verify("lisa", "new") is not None
        await directory.update_user({"username": "lisa", "custom_data": 3}, by=BY)
        assert (await call(security, "get_own_user"))["custom_data"] == 3


async def test_d92_what_one_may_not_say_of_oneself(hub: Hub) -> None:
    await hub.user("lisa", custom_data=1)
    security = parts_of(hub.directory)
    before = hub.directory.get_user("lisa")
    for key in ("permissions", "groups", "user_id", "disabled", "perm", "other"):
        update = {key: {}, "custom_data": 2}
        await refused(call(security, "update_own_user", update), E.INVALID_ARGUMENT)
    await refused(call(security, "update_own_user", None), E.INVALID_ARGUMENT)
    endless = {"custom_data": float("nan")}
    await refused(call(security, "update_own_user", endless), E.INVALID_ARGUMENT)
    assert hub.directory.get_user("lisa") == before


async def test_what_is_checked_first_is_told_first(hub: Hub) -> None:
    await hub.user("lisa", password="old")
    await hub.user("bob")
    security = parts_of(hub.directory)
    everything = {"username": "bob", "groups": {}, "password": "new"}
    unbound = Caller("lisa", "s2", bound=False)
    for caller in (
        unbound,
        Caller("", "s3", bound=True),
        Caller("zoe", "s4", bound=True),
    ):
        await refused(
            call(security, "update_own_user", everything, caller=caller),
            E.OWN_USER_FORBIDDEN,
        )
    await refused(call(security, "update_own_user", everything), E.MESSAGE_DENIED)
    everything["username"] = "lisa"
    await refused(call(security, "update_own_user", everything), E.INVALID_ARGUMENT)
    del everything["groups"]
    await refused(call(security, "update_own_user", everything), E.MISSING_OLD_PASSWORD)
    for name, args in (("get_own_user", ()), ("change_own_password", ("old", "new"))):
        await refused(call(security, name, *args, caller=unbound), E.OWN_USER_FORBIDDEN)


async def test_application_data_of_ones_own_is_ignored(hub: Hub) -> None:
    await hub.user("lisa", application_data={"team": "red"})
    security = parts_of(hub.directory)
    update = {"application_data": {"team": "blue"}, "username": "lisa"}
    answer = await call(security, "update_own_user", update)
    assert answer["application_data"] == {"team": "red"}


async def test_wrong_old_passwords_are_counted_and_lock(hub: Hub) -> None:
    await hub.user("lisa", password="old")
    lockout = FakeLockout(2)
    security = parts_of(hub.directory, lockout=lockout)
    update = {"password": "new", "old_password": "x"}

    await refused(call(security, "update_own_user", update), E.WRONG_OLD_PASSWORD)
    await refused(
        call(security, "change_own_password", "x", "new"), E.WRONG_OLD_PASSWORD
    )
    assert lockout.failures == [LISA, LISA]
    await refused(call(security, "change_own_password", "old", "new"), E.ACCOUNT_LOCKED)
    missing = {"password": "new"}
    await refused(call(security, "update_own_user", missing), E.MISSING_OLD_PASSWORD)
    assert await hub.directory.verify("lisa", "old") is not None
    elsewhere = Caller("lisa", "s2", bound=True)
    await call(security, "change_own_password", "old", "new", caller=elsewhere)
    assert await hub.directory.verify("lisa", "new") is not None


async def test_ones_own_password_is_set_by_oneself(hub: Hub) -> None:
    told: list[DirectoryChange] = []

    async def listen(change: DirectoryChange) -> None:
        told.append(change)

    await hub.user("lisa", password="old")
    hub.directory.on_change(listen)
    security = parts_of(hub.directory)
    await call(security, "change_own_password", "old", "old")
    assert told == []
    await call(security, "change_own_password", "old", "new")
    assert told[0].password_changed == {"lisa"}
    assert (told[0].by, told[0].session_id) == ("lisa", "s1")
    for old, new in ((None, "new"), ("old", None), ("old", ""), (5, "new")):
        await refused(
            call(security, "change_own_password", old, new), E.INVALID_ARGUMENT
        )


async def test_l1_sessions_side_by_side_guess_no_more_than_one() -> None:
    async with live() as hub:
        lisas = [await hub.session_of("lisa")]
        lisas += [await hub.enter("lisa") for _ in range(7)]
        codes = await asyncio.gather(
            *(
                live_refused(lisa, "change_own_password", f"guess {number}", "new")
                for number, lisa in enumerate(lisas)
            )
        )
        assert sorted(codes) == ["ACCOUNT_LOCKED"] * 4 + ["WRONG_OLD_PASSWORD"] * 4


async def test_old_passwords_and_logins_are_counted_together_side_by_side() -> None:
    async with live() as hub:
        lisas = [await hub.session_of("lisa")]
        lisas += [await hub.enter("lisa") for _ in range(3)]
        wrong = {"username": "lisa", "password": "wrong"}

        async def login() -> str:
            with pytest.raises(RequestRefused) as caught:
                await hub.memory.login(wrong)
            return caught.value.code

        codes = await asyncio.gather(
            *(
                live_refused(one, "change_own_password", "guess", "new")
                for one in lisas
            ),
            *(login() for _ in range(4)),
        )
        assert codes.count("ACCOUNT_LOCKED") == 4


async def test_wrong_old_passwords_count_for_the_address_which_no_success_clears() -> (
    None
):
    quarantine = {"max_failures_per_address": 6}
    async with live(quarantine=quarantine) as hub:
        lisa = await hub.session_of("lisa")
        for _ in range(2):
            for _ in range(3):
                code = await live_refused(lisa, "change_own_password", "x", "n")
                assert code == "WRONG_OLD_PASSWORD"
            with suppress(RequestRefused):
                await hub.enter("lisa")
        with pytest.raises(RequestRefused, match="TOO_MANY_AUTH_ATTEMPTS"):
            await hub.enter("lisa")
