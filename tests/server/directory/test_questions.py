"""Answers with where they come from, what else matched, and what changes would bring."""

from typing import Any

import pytest

from directories import Hub
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.prospects import users_touched


VIEW_SECURITY = ("methods.call", "hub/security/get_user")


async def test_a_grant_is_traced_through_the_groups_that_include_it(hub: Hub) -> None:
    await hub.group("C", {"methods": {"c/m": {}}})
    await hub.group("B", includes=["C"])
    await hub.group("A", includes=["B"])
    await hub.group("Z", includes=["C"])
    await hub.user("lisa", "A", permissions={"methods": {"c/*": {}}})
    await hub.user("bob", "A", "Z")

    lisa = hub.directory.explain("lisa", "methods.call", "hub/c/m")
    bob = hub.directory.explain("bob", "methods.call", "hub/c/m")

    assert [one["through"] for one in lisa["matched"]] == [[], ["A", "B", "C"]]
    # The shortest way counts.
    assert bob["through"] == ["Z", "C"]
    assert len(bob["matched"]) == 1


async def test_a_decision_by_assignment_and_by_permission_is_traced_too(
    hub: Hub,
) -> None:
    await hub.group("staff", includes=["ADMINISTRATOR"])
    await hub.user("ann", "staff")
    why = hub.directory.explain("ann", *VIEW_SECURITY)
    assert why["grant"]["section"] == "global"
    assert why["through"] == ["staff", "ADMINISTRATOR"]
    call = hub.directory.explain("ann", "methods.call", "hub/c/m")
    assert call["grant"]["section"] == "assignment"
    chains = [
        ["staff", "ADMINISTRATOR", one, "CLIENT"]
        for one in ("CLIENT_CONTROL", "TOPIC_CONTROL")
    ]
    assert call["through"] in chains


async def test_what_matched_is_bounded_and_counted(hub: Hub) -> None:
    names = [f"G{number:03}" for number in range(130)]
    for name in names:
        await hub.group(name, {"events": {"e": {}}})
    await hub.user("lisa", *names)
    why = hub.directory.explain("lisa", "events.subscribe", "e")
    assert len(why["matched"]) == 100
    assert why["left_out"] == 30


async def test_nothing_matched_is_said_with_nothing(hub: Hub) -> None:
    await hub.user("lisa")
    why = hub.directory.explain("lisa", "events.publish", "x")
    assert (why["grant"], why["through"], why["matched"]) == (None, [], [])


async def test_the_brokers_own_events_are_explained(hub: Hub) -> None:
    await hub.user("ann", "ADMINISTRATOR")
    await hub.user("olga", "OPERATOR")
    ask = hub.directory.explain
    upsert, connect = "hub/security/upsert-user", "hub/security/connect"
    why = ask("ann", "events.subscribe", upsert)
    assert why["grant"]["pattern"] == ""
    assert why["grant"]["action"] == "VIEW_SECURITY"
    assert hub.may("olga", "events.subscribe", upsert, connect) == [False, True]
    assert hub.may("olga", "events.subscribe", "hub/security/*") == [True]
    assert hub.may("olga", "events.subscribe", "hub/security/u*") == [False]
    assert hub.may("olga", "events.publish", connect) == [False]
    # What is wider is another question, and no event of another broker.
    await hub.group("V", {})
    await hub.user("eve", "V")
    assert hub.may("eve", "events.subscribe", upsert, "hub/**") == [False, False]


# What one can do.


async def test_what_can_lists_rules_with_exceptions_and_where_they_come_from(
    hub: Hub,
) -> None:
    await hub.group("H", {"events": {"news/secret/*": {"authorized": False}}})
    await hub.group(
        "G",
        {
            "events": {
                "news/*": {"actions": ["publish", "subscribe"]},
                "news/secret/x": {},
            }
        },
        includes=["H"],
    )
    await hub.user(
        "lisa", "G", permissions={"data": {"u/{username}": {"actions": ["read"]}}}
    )

    can = await hub.directory.what_can("lisa")

    assert can["username"] == "lisa"
    assert [one for one in can["groups"] if one["name"] == "H"] == [
        {"name": "H", "through": ["G", "H"]}
    ]
    rules = {(one["section"], one["pattern"]): one for one in can["rules"]}
    exception = {
        "pattern": "news/secret/*",
        "matches": "news/secret/*/**",
        "holder": "group:H",
    }
    assert rules["events", "news/*"] == {
        "section": "events",
        "pattern": "news/*",
        "matches": "news/*/**",
        "actions": ["publish", "subscribe"],
        "holder": "group:G",
        "through": ["G"],
        "exceptions": [
            {**exception, "action": "publish"},
            {**exception, "action": "subscribe"},
        ],
    }
    # All of it is prohibited: nothing of it can be done.
    assert ("events", "news/secret/x") not in rules
    assert rules["data", "u/{username}"]["matches"] == "u/lisa"
    assert rules["data", "u/{username}"]["through"] == []
    assert "hub/security/get_own_user" in [one["path"] for one in can["own_methods"]]
    assert can["left_out"] == 0


async def test_an_exception_behind_the_brokers_name_is_one(hub: Hub) -> None:
    prohibition = {"*/c/m": {"authorized": False, "deep": False}}
    await hub.group("G", {"methods": {"c/m": {}, **prohibition}})
    await hub.user("lisa", "G")
    # As a component's method it is prohibited, as a plain name allowed.
    assert hub.may("lisa", "methods.call", "hub/c/m", "c/m") == [False, True]
    rules = (await hub.directory.what_can("lisa"))["rules"]
    (rule,) = [one for one in rules if one["pattern"] == "c/m"]
    assert [one["pattern"] for one in rule["exceptions"]] == ["*/c/m"]


async def test_what_can_lists_assignments_and_global_permissions(hub: Hub) -> None:
    await hub.user("ann", "ADMINISTRATOR")
    can = await hub.directory.what_can("ann")
    held = {one["permission"]: one["through"] for one in can["global_permissions"]}
    assert held["VIEW_SECURITY"] == ["ADMINISTRATOR"]
    assert held["VIEW_SESSION"] == ["ADMINISTRATOR", "CLIENT_CONTROL"]
    defaults = {one["holder"]: one["permissions"] for one in can["assignments"]}
    assert "UPDATE_TOPIC" in defaults["group:TOPIC_CONTROL"]
    assert {one["path"] for one in can["isolated"]} == {"hub/security"}
    methods = {one["path"] for one in can["own_methods"]}
    assert {"hub/security/add_user", "hub/security/what_can"} <= methods


# What changes would bring.


async def supposed(hub: Hub, *changes: tuple[str, Any]) -> dict[str, Any]:
    """Ask what changes would bring, and see that nothing has changed."""
    epoch = hub.epoch
    said = [{"method": method, "args": args} for method, args in changes]
    answer = await users_touched(hub.directory.prospect(said))
    assert hub.epoch == epoch
    assert answer["users_left_out"] == 0
    return {one["username"]: one for one in answer["users"]}


def right(section: str, action: str, path: str) -> dict[str, str]:
    return {"section": section, "path": path, "action": action}


async def test_what_changes_would_bring_is_told_user_by_user(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {}}, "events": {"e/*": {}}})
    await hub.group("H", {"methods": {"c/m1": {}}})
    await hub.user("lisa", "G")
    await hub.user("bob", "G", "H")
    await hub.user("eve")

    touched = await supposed(
        hub,
        (
            "remove_group_permissions",
            ["G", {"methods": {"c/m1": {}}, "events": {"e/*": {}}}],
        ),
        ("add_group_permissions", ["G", {"data": {"r/a": {"actions": ["read"]}}}]),
    )

    assert touched.keys() == {"lisa", "bob"}
    assert touched["lisa"]["gains"] == [right("data", "read", "r/a")]
    assert touched["lisa"]["loses"] == [
        right("events", "subscribe", "e/*/**"),
        right("methods", "call", "c/m1"),
    ]
    # H still lets bob call it.
    assert touched["bob"]["loses"] == [right("events", "subscribe", "e/*/**")]


async def test_a_prohibition_takes_what_it_covers_and_what_it_meets(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {}, "d/*": {}}})
    await hub.user("lisa", "G", "CLIENT")
    no = {"authorized": False, "actions": ["call"]}
    touched = await supposed(
        hub, ("add_group_permissions", ["G", {"methods": {"c/*": no, "d/x/*": no}}])
    )
    lost = touched["lisa"]["loses"]
    assert right("methods", "call", "c/m1") in lost
    assert right("methods", "call", "d/x/*/**") in lost
    assert right("methods", "call", "d/*/**") not in lost
    # CLIENT's default lets call anything: that is taken too.
    assert right("methods", "call", "c/*/**") in lost
    assert touched["lisa"]["gains"] == []


async def test_roles_bring_permissions_and_assignments(hub: Hub) -> None:
    await hub.user("lisa")
    touched = await supposed(hub, ("link_group", ["OPERATOR", "lisa"]))
    gained = touched["lisa"]["gains"]
    assert right("global", "VIEW_SERVER", "") in gained
    assert right("assignment", "READ_TOPIC", "default") in gained
    assert touched["lisa"]["loses"] == []


async def test_users_that_come_and_go_gain_and_lose_all_they_have(hub: Hub) -> None:
    await hub.group("G", {"events": {"e": {}}})
    await hub.user("lisa", "G")
    zoe = {"username": "zoe", "public_key": bytes(32), "groups": {"G": True}}
    touched = await supposed(hub, ("delete_user", ["lisa"]), ("add_user", [zoe]))
    own = right("methods", "call", "security/get_own_user")
    hears = right("events", "subscribe", "e")
    assert own in touched["lisa"]["loses"]
    assert hears in touched["lisa"]["loses"]
    assert own in touched["zoe"]["gains"]
    assert hears in touched["zoe"]["gains"]


async def test_what_changes_nothing_touches_nobody(hub: Hub) -> None:
    await hub.group("G")
    await hub.user("lisa", "G")
    assert await supposed(hub) == {}
    assert (
        await supposed(hub, ("update_group", [{"name": "G", "custom_data": 1}])) == {}
    )
    # One rule for another that says the same at the end.
    await hub.group("G", {"events": {"e/*": {}}})
    await hub.group("H", {"events": {"e/*": {}}})
    swap = [("link_group", ["H", "lisa"]), ("unlink_group", ["G", "lisa"])]
    assert await supposed(hub, *swap) == {}


async def test_many_users_are_counted_and_not_listed(hub: Hub) -> None:
    await hub.group("G")
    for number in range(105):
        await hub.user(f"u{number:03}", "G")
    change = {"method": "add_group_permissions", "args": ["G", {"events": {"e": {}}}]}
    answer = await users_touched(hub.directory.prospect([change]))
    assert len(answer["users"]) == 100
    assert answer["users_left_out"] == 5


async def test_a_script_is_supposed_like_a_call(hub: Hub) -> None:
    await hub.directory.update_security_store(
        "set 'R' path 'n' permissions [READ_TOPIC, SELECT_TOPIC]", by="_ADMIN"
    )
    await hub.user("lisa", "R")
    script = "isolate path 'n/b'\nset 'R' permissions [VIEW_SERVER]"
    touched = await supposed(hub, ("update_security_store", [script]))
    assert touched["lisa"]["loses"] == [
        right("assignment", "READ_TOPIC", "n/b"),
        right("assignment", "SELECT_TOPIC", "n/b"),
    ]
    assert touched["lisa"]["gains"] == [right("global", "VIEW_SERVER", "")]
    wrong = [{"method": "update_security_store", "args": ["isolate 'n/b'"]}]
    with pytest.raises(DirectoryError) as refusal:
        hub.directory.prospect(wrong)
    assert refusal.value.code is ErrorCode.SCRIPT_FAILED
    assert refusal.value.details["reports"][0]["line"] == 1
