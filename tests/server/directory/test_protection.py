"""What belongs to the system stays, and the administrator can always administer."""

from typing import Any

import pytest

from directories import BY, Copies, Hub, key, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.protection import GUEST_METHODS
from vestibule.server.features.security import SECURITY_METHODS


NO = {"authorized": False}
OWN = [f"security/{method}" for method in GUEST_METHODS]


def permissions(**methods: Any) -> dict[str, Any]:
    return {"methods": methods}


def user(name: str = "_ADMIN", **facts: Any) -> dict[str, Any]:
    return {"username": name, **facts}


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("delete_user", ("_ADMIN",), {}, "_ADMIN"),
    ("update_user", (user(disabled=True),), {}, "_ADMIN"),
    ("update_user", (user(expires="2031-01-31T09:30:00.000Z"),), {}, "_ADMIN"),
    ("update_user", (user(permissions=permissions(a={})),), {}, "_ADMIN"),
    ("update_user", (user(groups={"CLIENT": True}),), {}, "_ADMIN"),
    ("upsert_user", (user(groups={"_ADMIN": False}),), {}, "_ADMIN"),
    (
        "upsert_user",
        (user(groups={}),),
        {"overwrite_memberships": True},
        "_ADMIN",
    ),
    ("add_user_permissions", ("_ADMIN", permissions(a=NO)), {}, "_ADMIN"),
    ("link_group", ("CLIENT", "_ADMIN"), {}, "_ADMIN"),
    ("link_group", ("_GUEST", "_ADMIN"), {}, "_ADMIN"),
    ("unlink_group", ("_ADMIN", "_ADMIN"), {}, "_ADMIN"),
    ("add_user", (user("_ANONYMOUS", public_key=key()),), {}, "_ANONYMOUS"),
    ("upsert_user", (user("_ANONYMOUS", public_key=key()),), {}, "_ANONYMOUS"),
    ("update_user", (user("_ANONYMOUS", custom_data=1),), {}, "_ANONYMOUS"),
    ("delete_user", ("_ANONYMOUS",), {}, "_ANONYMOUS"),
    ("link_group", ("G", "_ANONYMOUS"), {}, "_ANONYMOUS"),
    ("add_user_permissions", ("_ANONYMOUS", permissions(a={})), {}, "_ANONYMOUS"),
    ("add_user", (user("_new", public_key=key()),), {}, "_new"),
    ("upsert_user", (user("_new", public_key=key()),), {}, "_new"),
    ("add_group", ({"name": "_new"},), {}, "_new"),
    ("upsert_group", ({"name": "_new"},), {}, "_new"),
    ("delete_group", ("_ADMIN",), {}, "_ADMIN"),
    ("delete_group", ("_GUEST",), {}, "_GUEST"),
    ("delete_group", ("_DELEGATE",), {}, "_DELEGATE"),
    ("delete_group", ("ADMINISTRATOR",), {}, "ADMINISTRATOR"),
    ("update_group", ({"name": "_ADMIN", "custom_data": 1},), {}, "_ADMIN"),
    ("update_group", ({"name": "_DELEGATE", "includes": ["G"]},), {}, "_DELEGATE"),
    ("add_group_permissions", ("_DELEGATE", permissions(a={})), {}, "_DELEGATE"),
    ("unlink_group", ("_GUEST", "lisa"), {}, "_GUEST"),
    ("update_user", (user("lisa", groups={"_GUEST": False}),), {}, "_GUEST"),
    *(
        (
            "remove_group_permissions",
            ("_GUEST", permissions(**{path: {}})),
            {},
            "_GUEST",
        )
        for path in OWN
    ),
    *(
        ("add_group_permissions", ("_GUEST", permissions(**{path: NO})), {}, "_GUEST")
        for path in (OWN[0], "security/**", "security/get*", "*", "*/*_own_*")
    ),
    (
        "add_group_permissions",
        ("_GUEST", permissions(**{"*/security/*": {**NO, "deep": False}})),
        {},
        "_GUEST",
    ),
    ("update_group", ({"name": "_GUEST", "includes": ["H"]},), {}, "_GUEST"),
    (
        "upsert_group",
        ({"name": "_GUEST", "permissions": {}},),
        {"overwrite_permissions": True},
        "_GUEST",
    ),
    *(
        ("add_group_permissions", (group, permissions(**{path: NO})), {}, "_ADMIN")
        for group in ("ADMINISTRATOR", "CLIENT")
        for path in ("*", "security/**", "security/add_user", "*/delete*", "hub/*/ex*")
    ),
    ("update_group", ({"name": "CLIENT", "includes": ["H"]},), {}, "_ADMIN"),
]


async def test_p13_d106_what_is_refused(hub: Hub) -> None:
    await hub.group("G")
    await hub.group("H", permissions(**{"security/*": NO}))
    await hub.user("lisa", "G")
    epoch, policy = hub.epoch, hub.directory.policy

    for call, args, kwargs, principal in REFUSED:
        with pytest.raises(DirectoryError) as refusal:
            await getattr(hub.directory, call)(*args, **kwargs, by=BY)
        where = f"{call} {args}"
        assert refusal.value.code is ErrorCode.PROTECTED, where
        assert refusal.value.details == {"principal": principal}, where

    assert hub.epoch == epoch
    assert hub.directory.policy is policy
    await hub.user("zoe")
    paths = [f"hub/security/{method}" for method in SECURITY_METHODS]
    assert all(hub.may("_ADMIN", "methods.call", *paths))


async def test_what_may_be_changed_of_the_systems_own(hub: Hub) -> None:
    await hub.user("lisa")
    directory = hub.directory
    admin = user(custom_data=1, application_data=2, public_key=key(), password="new")
    await directory.update_user(admin, by=BY)
    await directory.upsert_user(user(groups={"_ADMIN": True}), by=BY)
    only = user(groups={"_ADMIN": True})
    await directory.upsert_user(only, overwrite_memberships=True, by=BY)
    for group in ("_ADMIN", "_DELEGATE"):
        assert (await directory.link_group(group, "lisa", by=BY))["changed"]
        assert (await directory.unlink_group(group, "lisa", by=BY))["changed"]
    answer = await directory.link_group("_GUEST", "lisa", by=BY)
    assert not answer["changed"]
    added = permissions(**{"c/*": {}, "d/*": NO})
    await directory.add_group_permissions("_GUEST", added, by=BY)
    assert hub.may("lisa", "methods.call", "hub/c/x", "hub/d/x") == [True, False]
    await directory.remove_group_permissions(
        "_GUEST", permissions(**{"c/*": {}}), by=BY
    )
    for group in ("CLIENT", "TOPIC_CONTROL", "CLIENT_CONTROL", "OPERATOR"):
        await directory.delete_group(group, by=BY)
    assert hub.may("_ADMIN", "methods.call", "hub/security/add_user") == [True]


async def test_a_prohibition_elsewhere_does_not_concern_the_administrator(
    hub: Hub,
) -> None:
    everything = permissions(**{"*": NO})
    await hub.group("G", everything)
    await hub.user("lisa", "G")
    assert hub.may("lisa", "methods.call", "hub/security/get_own_user") == [False]
    narrow = permissions(**{"c/*": NO})
    await hub.directory.add_group_permissions("ADMINISTRATOR", narrow, by=BY)
    assert hub.may("_ADMIN", "methods.call", "hub/c/m") == [False]


async def test_a_prohibition_in_what_guests_include_is_one_in_guests(hub: Hub) -> None:
    await hub.group("G")
    await hub.directory.update_group({"name": "_GUEST", "includes": ["G"]}, by=BY)
    with pytest.raises(DirectoryError) as refusal:
        await hub.group("G", permissions(**{"security/*": NO}))
    assert refusal.value.code is ErrorCode.PROTECTED


async def test_the_systems_own_is_put_back_and_roles_are_not(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        hub = Hub(directory)
        await directory.delete_group("OPERATOR", by=BY)
        await hub.group("_GUEST", {"events": {"e": {}}})
        guests, epoch = directory.get_group("_GUEST"), hub.epoch
        admins = directory.get_group("_ADMIN")
    async with opened(folder) as directory:
        assert directory.get_group("OPERATOR") is None
        assert directory.get_group("_GUEST") == guests
        assert directory.get_group("_ADMIN") == admins
        assert directory.policy.epoch == epoch
        assert admins is not None
        assert admins["includes"] == ["ADMINISTRATOR"]
        assert sorted(admins["permissions"]) == [
            "actions",
            "data",
            "entities",
            "events",
            "methods",
            "web",
        ]
