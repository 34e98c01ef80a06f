"""A change: one at a time, one epoch, told before it is acknowledged."""

import asyncio
from typing import Any

import pytest

from directories import BY, Clock, Hub, key
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import DirectoryChange, DirectoryError
from vestibule.server.directory.times import time_text


async def test_what_changes_nothing_makes_no_epoch_and_tells_nobody(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c": {}}}, custom_data={"b": 1, "a": 2})
    await hub.user("lisa", "G", password="secret")
    before = hub.directory.get_user("lisa"), hub.directory.get_group("G"), hub.epoch
    told: list[DirectoryChange] = []

    async def listen(change: DirectoryChange) -> None:
        told.append(change)

    hub.directory.on_change(listen)
    directory = hub.directory
    await hub.group("G", {"methods": {"hub/c": {}}}, custom_data={"a": 2, "b": 1})
    await directory.update_user({"username": "lisa", "password": "secret"}, by=BY)
    await directory.update_user({"username": "lisa", "groups": {"G": True}}, by=BY)
    await directory.add_user_permissions("lisa", {}, by=BY)
    linked = await directory.link_group("G", "lisa", by=BY)
    unlinked = await directory.unlink_group("CLIENT", "lisa", by=BY)

    assert linked == {"group": "G", "username": "lisa", "changed": False}
    assert unlinked == {"group": "CLIENT", "username": "lisa", "changed": False}
    assert told == []
    after = hub.directory.get_user("lisa"), hub.directory.get_group("G"), hub.epoch
    assert after == before


async def test_a_change_tells_whom_it_touched(hub: Hub) -> None:
    told: list[DirectoryChange] = []

    async def listen(change: DirectoryChange) -> None:
        assert hub.epoch == change.epoch
        told.append(change)

    hub.directory.on_change(listen)
    directory = hub.directory
    await hub.group("G")
    await hub.user("lisa", "G", password="secret")
    await hub.user("bob")
    for update in (
        {"password": "other"},
        {"disabled": True},
        {"custom_data": 1},
        {"disabled": False, "expires": "2001-01-31T09:30:00.000Z"},
        {"expires": None},
    ):
        await directory.update_user(
            {"username": "lisa", **update}, by="ann", session_id="s1"
        )
    await directory.delete_group("G", by=BY)
    await directory.delete_user("lisa", by=BY)

    assert [change.epoch for change in told] == list(range(2, 12))
    password, disabled, data, expired, freed, group, deleted = told[3:]
    assert (password.by, password.session_id) == ("ann", "s1")
    assert password.at.endswith("Z")
    assert password.password_changed == {"lisa"}
    assert disabled.disabled_users == {"lisa"}
    assert data.users == {"lisa"}
    assert data.disabled_users == frozenset()
    assert expired.disabled_users == frozenset()
    assert freed.users == {"lisa"}
    assert group.users == {"lisa"}
    assert group.groups == {"G"}
    assert deleted.deleted_users == {"lisa"}
    assert all(
        change.password_changed == frozenset()
        for change in told
        if change is not password
    )


async def test_an_expiry_in_the_past_bars_a_user(hub: Hub) -> None:
    told: list[DirectoryChange] = []

    async def listen(change: DirectoryChange) -> None:
        told.append(change)

    await hub.user("lisa")
    hub.directory.on_change(listen)
    past = {"username": "lisa", "expires": "2001-01-31T09:30:00.000Z"}
    await hub.directory.update_user(past, by=BY)
    assert told[0].disabled_users == {"lisa"}
    user = hub.directory.user("lisa")
    assert user is not None
    assert not hub.directory.may_log_in(user)


async def test_a_listener_is_awaited_before_the_answer_and_stops_nothing(
    hub: Hub,
) -> None:
    order: list[str] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def failing(_: DirectoryChange) -> None:
        order.append("failing")
        raise RuntimeError

    async def slow(_: DirectoryChange) -> None:
        order.append("slow begins")
        began.set()
        await go_on.wait()
        order.append("slow ends")

    hub.directory.on_change(failing)
    hub.directory.on_change(slow)

    async def change(name: str) -> None:
        await hub.group(name)
        order.append(f"{name} answered")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(change("G"))
        tasks.create_task(change("H"))
        await began.wait()
        # Time enough for the other to be committed, if it did not wait.
        assert await hub.directory.verify("zoe", "x") is None
        assert hub.directory.get_group("G") is not None
        assert hub.directory.get_group("H") is None
        go_on.set()
    ended = order.index("slow ends")
    assert ended < order.index("G answered")
    assert order.index("slow begins", ended) > ended
    assert order[-1] == "H answered"
    assert order.count("failing") == order.count("slow ends") == 2


async def test_modified_follows_a_users_own_facts(hub: Hub) -> None:
    await hub.group("G")
    made = await hub.user("lisa")
    assert made["created"] == made["modified"]
    await hub.directory.link_group("G", "lisa", by=BY)
    linked = hub.directory.get_user("lisa")
    assert linked is not None
    assert linked["modified"] == made["modified"]
    changed = await hub.directory.update_user(
        {"username": "lisa", "custom_data": 1}, by=BY
    )
    assert changed["modified"] > made["modified"]
    assert changed["created"] == made["created"]


async def test_p7_circles_are_refused(hub: Hub) -> None:
    names = [f"g{number}" for number in range(100)]
    for name, included in zip(names, [None, *names], strict=False):
        await hub.group(name, includes=[] if included is None else [included])
    epoch = hub.epoch
    for circle in (["g99"], ["g0"], ["CLIENT", "g50"]):
        with pytest.raises(DirectoryError) as refusal:
            await hub.group("g0", includes=circle)
        assert refusal.value.code is ErrorCode.CYCLE
        assert refusal.value.details == {"group": circle[-1]}
    with pytest.raises(DirectoryError) as refusal:
        await hub.group("new", includes=["new"])
    assert refusal.value.code is ErrorCode.CYCLE
    with pytest.raises(DirectoryError) as refusal:
        await hub.group("new", includes=["nope"])
    assert refusal.value.details == {"group": "nope"}
    assert hub.epoch == epoch


async def test_an_included_group_gains_nothing(hub: Hub) -> None:
    await hub.group("H")
    await hub.group("G", {"methods": {"c": {}}}, includes=["H"])
    await hub.user("bob", "H")
    assert hub.may("bob", "methods.call", "hub/c") == [False]


async def test_includes_are_replaced_as_a_whole(hub: Hub) -> None:
    for name in ("A", "B"):
        await hub.group(name, {"methods": {name: {}}})
    await hub.group("G", includes=["A"])
    await hub.user("lisa", "G")
    answer = await hub.group("G", includes=["B"])
    assert answer["includes"] == ["B"]
    assert hub.may("lisa", "methods.call", "hub/A", "hub/B") == [False, True]


async def test_two_passwords_at_once_are_both_set_in_some_order(hub: Hub) -> None:
    await hub.user("lisa", password="first")
    passwords = ["second", "third"]
    async with asyncio.TaskGroup() as tasks:
        for password in passwords:
            update = {"username": "lisa", "password": password}
            tasks.create_task(hub.directory.update_user(update, by=BY))
    verified = [await hub.directory.verify("lisa", one) for one in passwords]
    assert sum(user is not None for user in verified) == 1
    assert hub.epoch == 4


async def test_a_refused_call_costs_no_hash(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise AssertionError(args)

    monkeypatch.setattr("vestibule.server.directory.passwords.derive", fail)
    for user in (
        {"username": "_ANONYMOUS", "password": "x"},
        {"username": "lisa", "password": "x", "groups": {"nope": True}},
        {"username": "lisa", "password": "x", "public_key": key() + "x"},
    ):
        with pytest.raises(DirectoryError):
            await hub.directory.add_user(user, by=BY)


async def test_p5_names_that_could_widen_are_refused_and_odd_ones_are_not(
    hub: Hub,
) -> None:
    read = {"actions": ["read"]}
    paths = {"u/{username}/*": read, "t/{application_data.x}/*": read}
    await hub.group("G", {"data": paths})
    for name in (
        "*",
        "**",
        "a*",
        "a/b",
        "..",
        "a{b}",
        "a\0",
        "a\u202e",
        "a\u200d",
        "a ",
        "x" * 129,
    ):
        with pytest.raises(DirectoryError) as refusal:
            await hub.user(name, "G")
        assert refusal.value.code is ErrorCode.INVALID_NAME
    odd = ("a+b", "#", "%2f", ">", "user.name", "x" * 128)
    for name in odd:
        await hub.user(name, "G", application_data={"x": name})
    await hub.user("lisa", "G", application_data={"x": ["*", "..", "a/b"]})
    for name in odd:
        for other in odd:
            reaches = [name == other, name == other]
            paths_of = (f"u/{other}/1", f"t/{other}/1")
            assert hub.may(name, "data.read", *paths_of) == reaches
    explained = hub.directory.explain("lisa", "data.read", "t/a/1")
    assert explained["allowed"] is False
    assert [void["path"] for void in explained["void"]] == [
        "t/{application_data.x}/*"
    ] * len({void["problem"] for void in explained["void"]})
    assert explained["void"]


async def test_a_user_that_expires_is_told_like_one_disabled(
    hub: Hub, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestibule.server.directory.expiry._LONGEST", 0.001)
    told: asyncio.Queue[DirectoryChange] = asyncio.Queue()
    await hub.user("bob", expires=time_text(int(clock.seconds + 1_000) * 1000))
    await hub.user("lisa", expires=time_text(int(clock.seconds + 500) * 1000))
    later = {"username": "bob", "expires": None}
    await hub.directory.update_user(later, by=BY)
    epoch = hub.epoch
    hub.directory.on_change(told.put)

    clock.seconds += 2_000
    change = await told.get()

    assert change.disabled_users == change.users == {"lisa"}
    assert (change.epoch, change.by, change.session_id) == (epoch, "", None)
    assert hub.epoch == epoch
    assert told.empty()
