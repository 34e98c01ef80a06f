"""What roles grant a session, asked of the broker and tried: cases of the two stores."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from journeys.conftest import Starting
from journeys.stores import Stores, names, new_stores, permissions
from vestibule.client import MessageDenied, RequestFailed, ScriptError, Session


VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "path_permission_vectors.json").read_text()
)["vectors"]


@pytest.fixture
async def stores(starting: Starting) -> AsyncIterator[Stores]:
    async with new_stores(starting) as stores:
        yield stores


async def held(session: Session) -> set[str]:
    return await names(session.security.get_global_permissions())


async def at(session: Session, path: str) -> set[str]:
    return await names(session.security.get_path_permissions(path))


async def test_s1_s2_s3_s4_s5_s6_global_permissions_are_the_union_of_the_roles(
    stores: Stores,
) -> None:
    await stores.store(
        "A [VIEW_SESSION]", "B [MODIFY_SESSION]", "C + D", "D [AUTHENTICATE]"
    )
    u = await stores.user("A", "B")
    assert await held(u) == {"VIEW_SESSION", "MODIFY_SESSION"}
    assert "AUTHENTICATE" in await held(await stores.user("C", name="c"))
    a = await stores.user("A", name="a")
    await stores.store("A [MODIFY_SESSION]")
    assert await held(a) == {"MODIFY_SESSION"}
    await stores.store("A []")
    assert await held(a) == set()
    nobody = await stores.user(name="nobody")
    assert await held(nobody) == set()
    assert await at(nobody, "x") == set()
    assert nobody.security.get_principal() == "nobody"
    await stores.store("A [VIEW_SERVER READ_TOPIC_VIEWS]", "A@x [EXPOSE_BRANCH]")
    assert await held(a) == {"VIEW_SERVER", "READ_TOPIC_VIEWS"}
    assert await at(a, "x/y") == {"EXPOSE_BRANCH"}


PATHS = [
    # id, what the store holds (A1, B1, … and paths x1/… are this case's own), the
    # roles of the session, and what it has at paths.
    ("s7", ["A default [R S]"], "A", {"x/y": "RS"}),
    ("s8", ["A@x [R S]", "A@x/y [U]"], "A", {"x/y/z": "U"}),
    ("s9", ["A default [R]", "A@x [R U]", "A@x/y []"], "A", {"x/y/z": ""}),
    (
        "s10",
        ["A default [R]", "A@x [R U]", "!x/y"],
        "A",
        {"x/y": "", "x/y/z": "", "x/q": "RU"},
    ),
    (
        "s11",
        ["A default [R]", "A@x [R U]", "!x/y", "A@x/y [S]"],
        "A",
        {"x/y": "S", "x/y/z": "S"},
    ),
    ("s12", ["A@x [R U]", "!x/y"], "A", {"x/q": "RU"}),
    ("s14", ["A@x/y [U]", "B@x [R S]"], "AB", {"x/y": "RSU"}),
    ("s15", ["A@x [U]", "B default [R S]"], "AB", {"x/y": "RSU"}),
    ("s16", ["A@x/y [U]", "B@x [R S]", "!x/y"], "AB", {"x/y": "U"}),
    ("s17", ["A + B", "B + C", "B@x [U]", "C default [R]"], "A", {"x": "RU"}),
    ("s18", ["A@a/b [R]"], "A", {"a": "", "a/b": "R", "a/bc": ""}),
]


async def test_s7_s8_s9_s10_s11_s12_s14_s15_s16_s17_s18_the_nearest_assignment_counts_role_by_role(
    stores: Stores,
) -> None:
    u = await stores.user()
    for case, store, roles, expected in PATHS:
        await stores.store(*store)
        await belong(stores, *roles)
        found = {path: await at(u, path) for path in expected}
        assert found == {path: set(short) for path, short in expected.items()}, case
        await forget(stores)


async def belong(stores: Stores, *roles: str) -> None:
    """Let the user u belong to these roles and no others."""
    builder = stores.security.system_authentication_script_builder()
    builder.assign_roles("u", roles)
    await stores.security.update_authentication_store(builder.build())


async def forget(stores: Stores) -> None:
    """Let roles A to D grant nothing, and nothing be isolated."""
    view = await stores.security.get_security_configuration()
    script = stores.security.security_script_builder()
    for role in view.roles:
        if role.name in ("A", "B", "C", "D"):
            script.set_global_permissions(role.name, [])
            script.set_default_path_permissions(role.name, [])
            script.set_role_includes(role.name, [])
            for path in role.path_permissions:
                script.remove_path_permissions(role.name, path)
    for path in view.isolated_paths:
        script.deisolate_path(path)
    await stores.security.update_security_store(script.build())


async def test_s13_a_path_that_is_isolated_no_more_inherits(stores: Stores) -> None:
    await stores.store("A default [R S]", "!priv")
    u = await stores.user("A")
    assert await at(u, "priv/1") == set()
    await stores.script("deisolate path 'priv'")
    assert await at(u, "priv/1") == {"R", "S"}


async def test_s19_paths_are_kept_in_one_form(stores: Stores) -> None:
    await stores.script(
        "set 'A' path '/foo' permissions [READ_TOPIC]",
        "set 'A' path 'bar/' permissions [READ_TOPIC]",
    )
    u = await stores.user("A")
    assert await at(u, "foo/x") == {"R"}
    view = await stores.security.get_security_configuration()
    role = view.role("A")
    assert role is not None
    assert set(role.path_permissions) == {"foo", "bar"}


async def test_s20_the_answer_is_what_the_gate_decides_by(stores: Stores) -> None:
    u = await stores.user()
    for vector in VECTORS:
        store = vector["store"]
        lines = [f"{r} + {' '.join(i)}" for r, i in store["includes"].items()]
        lines += [
            f"{role} default [{' '.join(given)}]"
            for role, given in store["default_path_permissions"].items()
        ]
        lines += [
            f"{role}@{path} [{' '.join(given)}]"
            for role, given_at in store["path_permissions"].items()
            for path, given in given_at.items()
        ]
        lines += [f"!{path}" for path in store["isolated_paths"]]
        script = permissions(*lines)
        await stores.script(script)
        await belong(stores, *vector["roles"])
        found = await u.security.get_path_permissions(vector["path"])
        assert sorted(found) == vector["permissions"], vector["title"]
        allowed = True
        try:
            await u.events.publish(vector["path"], 1)
        except MessageDenied:
            allowed = False
        assert allowed is ("UPDATE_TOPIC" in found), vector["title"]
        roles = {line.split("'")[1] for line in script.splitlines() if "set '" in line}
        await stores.script(
            *(f"deisolate path '{path}'" for path in store["isolated_paths"])
        )
        for role in sorted(roles | set(vector["roles"])):
            if await stores.directory.get_group(role) is not None:
                await stores.directory.delete_group(role)


async def test_s21_a_lock_permission_reaches_below_its_path_alone(
    stores: Stores,
) -> None:
    await stores.store("A@locks/a [ACQUIRE_LOCK]")
    u = await stores.user("A")
    assert await at(u, "locks/a/1") == {"ACQUIRE_LOCK"}
    assert await at(u, "locks/b") == set()


async def test_s22_each_event_is_decided_at_its_own_path(stores: Stores) -> None:
    await stores.store("A@a [R S]", "A@a/secret [R]")
    u = await stores.user("A")
    async with u.events.subscribe("a/**") as events:
        await stores.admin.events.publish("a/secret/x", 1)
        await stores.admin.events.publish("a/x", 2)
        assert (await anext(events)).name == "a/x"


async def test_s23_who_may_select_and_not_read_hears_nothing_yet(
    stores: Stores,
) -> None:
    await stores.store("A@n [S]")
    u = await stores.user("A")
    async with u.events.subscribe("n") as events:
        await stores.admin.events.publish("n", 1)
        await stores.store("A@n [R S]")
        await stores.admin.events.publish("n", 2)
        assert (await anext(events)).data == 2


async def test_s24_the_brokers_own_methods_are_isolated_for_good(
    stores: Stores,
) -> None:
    await stores.store("A default [Q]", "A@vestibule [Q]")
    u = await stores.user("A")
    with pytest.raises(MessageDenied):
        await u.exchange.security.upsert_user({"username": "x", "password": "x"})
    with pytest.raises(ScriptError):
        await stores.script("deisolate path 'vestibule/security'")


async def test_s25_a_path_that_is_not_concrete_is_refused(stores: Stores) -> None:
    for path in ("a/*", "", "/", "a/{username}"):
        with pytest.raises(RequestFailed) as refused:
            await stores.security.get_path_permissions(path)
        assert refused.value.code == "INVALID_PATH"


async def test_s26_the_predefined_roles_are_there(stores: Stores) -> None:
    u = await stores.user("OPERATOR")
    assert await held(u) == {"VIEW_SESSION", "VIEW_SERVER"}
    assert await at(u, "x") == {"S", "R", "Q"}


async def test_s89_a_subscription_follows_what_its_roles_grant(stores: Stores) -> None:
    await stores.store("A@n [R S]")
    u = await stores.user("A")
    async with u.events.subscribe("n") as events:
        await stores.store("A@n [S]")
        await stores.admin.events.publish("n", 1)
        await stores.store("A@n [R S]")
        await stores.admin.events.publish("n", 2)
        assert (await anext(events)).data == 2
        await stores.store("A@n [R]")
        await stores.admin.events.publish("n", 3)
        assert events.suspended
        await stores.store("A@n [R S]")
        await stores.admin.events.publish("n", 4)
        assert (await anext(events)).data == 4
        assert not events.suspended
