"""The component `security`: what its methods need, and whose own user is whose."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from directories import BY, Copies, Hub, copies_of, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, Component, ComponentError
from vestibule.server.directory import DirectoryChange, DirectoryError
from vestibule.server.directory.protection import GUEST_METHODS
from vestibule.server.errors import RequestError
from vestibule.server.features.security import SECURITY_METHODS, SecurityComponent


E = ErrorCode
LISA = Caller("lisa", "s1", bound=True)
ADMIN = Caller("_ADMIN", "s0", bound=True)


@pytest.fixture(scope="module")
def fresh_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "data"

    async def make() -> None:
        async with opened(folder):
            pass

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(fresh_folder: Path, tmp_path: Path) -> Copies:
    return copies_of(fresh_folder, tmp_path)


@pytest.fixture
async def hub(copy: Copies) -> AsyncIterator[Hub]:
    async with opened(copy()) as directory:
        yield Hub(directory)


class FakeLockout:
    """Locks after so many failures."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.failures: list[Caller] = []

    def locked(self, caller: Caller) -> bool:
        return self.failures.count(caller) >= self.attempts

    def failed(self, caller: Caller) -> None:
        self.failures.append(caller)


async def call(
    component: SecurityComponent,
    name: str,
    *args: Any,
    caller: Caller = LISA,
    **kwargs: Any,
) -> Any:
    """Call as the broker does."""
    method = Component.of("security", component).methods[name]
    return await method.call(caller, {"args": list(args), "kwargs": kwargs})


async def refused(awaited: Any, code: ErrorCode) -> None:
    with pytest.raises(RequestError) as refusal:
        await awaited
    assert refusal.value.code is code


def test_every_method_names_what_allows_it() -> None:
    view, modify = (
        (GlobalPermission.VIEW_SECURITY,),
        (GlobalPermission.MODIFY_SECURITY,),
    )
    viewing = {
        "get_user",
        "get_group",
        "list_users",
        "list_groups",
        "list_users_by_group",
        "list_user_names_by_group",
        "is_authorized",
        "explain",
        "who_can",
        "what_if",
    }
    changing = {
        "add_user",
        "update_user",
        "upsert_user",
        "delete_user",
        "add_user_permissions",
        "remove_user_permissions",
        "add_group",
        "update_group",
        "upsert_group",
        "delete_group",
        "add_group_permissions",
        "remove_group_permissions",
        "link_group",
        "unlink_group",
    }
    own = {"get_own_user", "update_own_user", "change_own_password"}
    assert dict(SECURITY_METHODS) == {
        **dict.fromkeys(viewing, view),
        **dict.fromkeys(changing, modify),
        **dict.fromkeys(own, ()),
    }
    assert own <= set(GUEST_METHODS)


async def test_who_may_call_what(hub: Hub) -> None:
    await hub.user("lisa")
    await hub.user("ann", "ADMINISTRATOR")
    for method, needs in SECURITY_METHODS.items():
        path = f"hub/security/{method}"
        assert hub.may("_ADMIN", "methods.call", path) == [True]
        assert hub.may("lisa", "methods.call", path) == [not needs]
        assert hub.may("ann", "methods.call", path) == [True]


async def test_d42_a_user_may_not_update_itself_as_administrators_do(hub: Hub) -> None:
    await hub.user("lisa")
    assert hub.may("lisa", "methods.call", "hub/security/update_user") == [False]
    assert hub.may("lisa", "methods.call", "hub/security/update_own_user") == [True]


async def test_every_method_can_be_called(hub: Hub) -> None:
    security = SecurityComponent(hub.directory)
    permissions: dict[str, Any] = {"methods": {"c/m": {}}}
    group, user = {"name": "G"}, {"username": "lisa", "password": "old"}
    question = ("methods.call", "hub/c/m")
    link = {"method": "link_group", "args": ["G", "lisa"]}
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("add_group", (group,), {}),
        ("update_group", (group,), {}),
        ("upsert_group", (group,), {"overwrite_permissions": False}),
        ("add_group_permissions", ("G", permissions), {}),
        ("get_group", ("G",), {}),
        ("list_groups", ("G",), {"count": True}),
        ("add_user", (user,), {}),
        ("update_user", (user,), {}),
        ("upsert_user", (user,), {"overwrite_permissions": False}),
        ("what_if", ([link], "lisa", *question), {}),
        ("link_group", ("G", "lisa"), {}),
        ("get_user", (), {"username": "lisa"}),
        ("list_users", (), {"limit": 1}),
        ("list_users_by_group", ("G",), {}),
        ("list_user_names_by_group", ("G",), {}),
        ("is_authorized", ("lisa", {"methods": ["hub/c/m"]}), {}),
        ("explain", ("lisa", *question), {}),
        ("who_can", question, {}),
        ("add_user_permissions", ("lisa", permissions), {}),
        ("remove_user_permissions", ("lisa", permissions), {}),
        ("get_own_user", (), {}),
        ("update_own_user", ({"custom_data": 1},), {}),
        ("change_own_password", ("old", "new"), {}),
        ("unlink_group", ("G", "lisa"), {}),
        ("remove_group_permissions", ("G", permissions), {}),
        ("delete_group", ("G",), {}),
        ("delete_user", ("lisa",), {}),
    ]
    answers: dict[str, Any] = {}
    for name, args, kwargs in calls:
        caller = LISA if "own" in name else ADMIN
        answers[name] = await call(security, name, *args, caller=caller, **kwargs)
    assert answers.keys() == SECURITY_METHODS.keys()
    assert answers["who_can"][1]["username"] == "lisa"
    assert answers["what_if"]["after"]["allowed"] is True
    assert answers["is_authorized"] == {"authorized": True, "forbidden": []}
    assert answers["list_groups"] == 1
    assert answers["change_own_password"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"args": []},
        {"args": ["a", "b"]},
        {"args": ["a"], "kwargs": {"username": "a"}},
        {"args": [], "kwargs": {"name": "a"}},
        {"args": "a"},
        {"kwargs": []},
        {"argument": []},
        5,
    ],
)
async def test_a_call_that_does_not_fit_is_an_invalid_argument(
    hub: Hub, body: Any
) -> None:
    component = Component.of("security", SecurityComponent(hub.directory))
    with pytest.raises(ComponentError) as refusal:
        await component.methods["get_user"].call(ADMIN, body)
    assert refusal.value.code is E.INVALID_ARGUMENT


async def test_arguments_behind_the_star_go_by_keyword_only(hub: Hub) -> None:
    security = SecurityComponent(hub.directory)
    group = {"name": "G"}
    await refused(call(security, "upsert_group", group, True), E.INVALID_ARGUMENT)  # noqa: FBT003 - what is refused


async def test_the_author_of_a_change_is_the_caller(hub: Hub) -> None:
    told: list[DirectoryChange] = []

    async def listen(change: DirectoryChange) -> None:
        told.append(change)

    hub.directory.on_change(listen)
    security = SecurityComponent(hub.directory)
    await call(security, "add_group", {"name": "G"}, caller=ADMIN)
    assert (told[0].by, told[0].session_id) == ("_ADMIN", "s0")


async def test_d41_a_new_password_needs_the_old_one(hub: Hub) -> None:
    await hub.user("lisa", password="old", custom_data=1)
    security = SecurityComponent(hub.directory)

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
        security = SecurityComponent(directory)
        update = {"password": "new", "old_password": "old", "custom_data": 2}

        answer = await call(security, "update_own_user", update)

        assert answer["custom_data"] == 1
        assert await directory.verify("lisa", "new") is not None
        await directory.update_user({"username": "lisa", "custom_data": 3}, by=BY)
        assert (await call(security, "get_own_user"))["custom_data"] == 3


async def test_d92_what_one_may_not_say_of_oneself(hub: Hub) -> None:
    await hub.user("lisa", custom_data=1)
    security = SecurityComponent(hub.directory)
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
    security = SecurityComponent(hub.directory)
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
    security = SecurityComponent(hub.directory)
    update = {"application_data": {"team": "blue"}, "username": "lisa"}
    answer = await call(security, "update_own_user", update)
    assert answer["application_data"] == {"team": "red"}


async def test_wrong_old_passwords_are_counted_and_lock(hub: Hub) -> None:
    await hub.user("lisa", password="old")
    lockout = FakeLockout(2)
    security = SecurityComponent(hub.directory, lockout=lockout)
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
    security = SecurityComponent(hub.directory)
    await call(security, "change_own_password", "old", "old")
    assert told == []
    await call(security, "change_own_password", "old", "new")
    assert told[0].password_changed == {"lisa"}
    assert (told[0].by, told[0].session_id) == ("lisa", "s1")
    for old, new in ((None, "new"), ("old", None), ("old", ""), (5, "new")):
        await refused(
            call(security, "change_own_password", old, new), E.INVALID_ARGUMENT
        )


async def test_errors_are_what_the_router_answers_with(hub: Hub) -> None:
    security = SecurityComponent(hub.directory)
    with pytest.raises(DirectoryError) as refusal:
        await call(security, "delete_user", "zoe", caller=ADMIN)
    assert isinstance(refusal.value, RequestError)
    assert refusal.value.details == {"user": "zoe"}
