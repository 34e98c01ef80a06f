"""The component `security`: what its methods need, and what they are called with."""

from typing import Any

import pytest

from directories import Hub
from security_calls import ADMIN, LISA, call, parts_of, refused
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import ComponentError, methods_of
from vestibule.server.directory import DirectoryChange, DirectoryError
from vestibule.server.directory.protection import GUEST_METHODS
from vestibule.server.errors import RequestError
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.features.security.administration import ADMINISTRATION
from vestibule.server.features.security.own_user import OwnUser


E = ErrorCode


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
        "get_security_configuration",
        "get_system_authentication_configuration",
        "export_directory",
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
        "import_directory",
        "link_anonymous_group",
        "unlink_anonymous_group",
        "update_security_store",
        "update_authentication_store",
    }
    assert dict(ADMINISTRATION) == {
        **dict.fromkeys(viewing, view),
        **dict.fromkeys(changing, modify),
    }
    assert ADMINISTRATION.items() <= SECURITY_METHODS.items()


def test_what_a_rule_alone_allows_everybody_has() -> None:
    own = methods_of(OwnUser)
    assert own.keys() <= set(GUEST_METHODS)
    assert not any(method.needs for method in own.values())
    assert own.keys() <= SECURITY_METHODS.keys()


async def test_who_may_call_what(hub: Hub) -> None:
    await hub.user("lisa")
    await hub.user("ann", "ADMINISTRATOR")
    for method in ADMINISTRATION:
        path = f"hub/security/{method}"
        assert hub.may("_ADMIN", "methods.call", path) == [True]
        assert hub.may("lisa", "methods.call", path) == [False]
        assert hub.may("ann", "methods.call", path) == [True]


async def test_d42_a_user_may_not_update_itself_as_administrators_do(hub: Hub) -> None:
    await hub.user("lisa")
    assert hub.may("lisa", "methods.call", "hub/security/update_user") == [False]
    assert hub.may("lisa", "methods.call", "hub/security/update_own_user") == [True]


async def test_every_method_can_be_called(hub: Hub) -> None:
    security = parts_of(hub.directory)
    permissions: dict[str, Any] = {"methods": {"c/m": {}}}
    group, user = {"name": "G"}, {"username": "lisa", "password": "old"}
    question = ("methods.call", "hub/c/m")
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
        (
            "update_authentication_store",
            ("allow anonymous connections ['ADMINISTRATOR']",),
            {"expected_version": None},
        ),
        ("link_anonymous_group", ("CLIENT",), {}),
        ("unlink_anonymous_group", ("CLIENT",), {}),
        ("update_security_store", ("set 'A' permissions [VIEW_SESSION]",), {}),
        ("get_security_configuration", (), {}),
        ("get_system_authentication_configuration", (), {}),
        ("export_directory", (), {}),
        ("import_directory", ({"vestibule_directory": 1},), {"dry_run": True}),
    ]
    answers: dict[str, Any] = {}
    for name, args, kwargs in calls:
        caller = LISA if "own" in name else ADMIN
        answers[name] = await call(security, name, *args, caller=caller, **kwargs)
    assert answers.keys() == {*ADMINISTRATION, *methods_of(OwnUser)}
    assert answers["who_can"][1]["username"] == "lisa"
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
    component = parts_of(hub.directory)
    with pytest.raises(ComponentError) as refusal:
        await component.methods["get_user"].call(ADMIN, body)
    assert refusal.value.code is E.INVALID_ARGUMENT


async def test_arguments_behind_the_star_go_by_keyword_only(hub: Hub) -> None:
    security = parts_of(hub.directory)
    group = {"name": "G"}
    await refused(call(security, "upsert_group", group, True), E.INVALID_ARGUMENT)  # noqa: FBT003 - what is refused


async def test_the_author_of_a_change_is_the_caller(hub: Hub) -> None:
    told: list[DirectoryChange] = []

    async def listen(change: DirectoryChange) -> None:
        told.append(change)

    hub.directory.on_change(listen)
    security = parts_of(hub.directory)
    await call(security, "add_group", {"name": "G"}, caller=ADMIN)
    assert (told[0].by, told[0].session_id) == ("_ADMIN", "s0")


async def test_errors_are_what_the_router_answers_with(hub: Hub) -> None:
    security = parts_of(hub.directory)
    with pytest.raises(DirectoryError) as refusal:
        await call(security, "delete_user", "zoe", caller=ADMIN)
    assert isinstance(refusal.value, RequestError)
    assert refusal.value.details == {"user": "zoe"}
