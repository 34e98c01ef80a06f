"""The cases of the directory, by number, without sockets."""

from typing import Any

import pytest

from directories import BY, Clock, Copies, Hub, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import Directory, DirectoryError


E = ErrorCode


async def refused(call: Any, code: ErrorCode) -> dict[str, Any]:
    """Await a call that is refused, and give the details."""
    with pytest.raises(DirectoryError) as refusal:
        await call
    assert refusal.value.code is code
    return refusal.value.details


def declined(call: Any, code: ErrorCode) -> None:
    with pytest.raises(DirectoryError) as refusal:
        call()
    assert refusal.value.code is code


async def test_d1_a_group_keeps_its_data_and_their_types(hub: Hub) -> None:
    permissions: dict[str, Any] = {"methods": {"c/*": {}}}
    data = {"s": "x", "n": 3, "f": 2.5, "b": True, "l": [None, {}]}
    group = {"name": "G", "custom_data": data, "permissions": permissions}

    answer = await hub.directory.add_group(group, by=BY)

    assert answer == hub.directory.get_group("G")
    assert answer["custom_data"] == data
    assert type(answer["custom_data"]["n"]) is int
    assert answer["custom_data"]["b"] is True
    assert answer["permissions"]["methods"] == {
        "c/*": {"authorized": True, "actions": ["call"]}
    }
    assert answer["includes"] == []


async def test_d2_an_answer_holds_no_password(hub: Hub) -> None:
    answer = await hub.user("lisa", password="open sesame", custom_data={"a": 1})

    assert set(answer) == {
        "username",
        "user_id",
        "custom_data",
        "application_data",
        "public_key",
        "disabled",
        "expires",
        "groups",
        "permissions",
        "created",
        "modified",
    }
    assert "sesame" not in str(answer)
    assert "argon2" not in str(answer)
    user = await hub.directory.verify("lisa", "open sesame")
    assert user is not None
    assert "sesame" not in repr(user)


async def test_d3_another_password_replaces_the_first(hub: Hub) -> None:
    await hub.user("lisa", password="p1")

    update = {"username": "lisa", "password": "p2", "custom_data": "new"}
    await hub.directory.update_user(update, by=BY)

    assert await hub.directory.verify("lisa", "p1") is None
    assert await hub.directory.verify("lisa", "p2") is hub.directory.user("lisa")
    shown = hub.directory.get_user("lisa")
    assert shown is not None
    assert shown["custom_data"] == "new"


async def test_d5_a_fresh_directory_has_nine_groups_and_one_user(hub: Hub) -> None:
    await hub.group("G")
    await hub.group("H")
    await hub.user("lisa")
    await hub.user("bob")

    groups, users = hub.directory.list_groups(), hub.directory.list_users()

    assert isinstance(groups, list)
    assert isinstance(users, list)
    assert len(groups) == 9 + 2
    assert [user["username"] for user in users] == ["_ADMIN", "bob", "lisa"]


async def test_d6_d7_memberships_are_shown(hub: Hub) -> None:
    await hub.group("G")
    await hub.group("H")
    await hub.user("lisa", "G")

    shown = hub.directory.get_user("lisa")
    assert shown is not None
    assert shown["groups"] == {"G": True, "_GUEST": True}
    shown = hub.directory.get_user("lisa", include_groups=False)
    assert shown is not None
    assert "groups" not in shown

    answer = await hub.directory.link_group("H", "lisa", by=BY)
    assert answer == {"group": "H", "username": "lisa", "changed": True}
    shown = hub.directory.get_user("lisa", include_permissions=False)
    assert shown is not None
    assert shown["groups"] == {"G": True, "H": True, "_GUEST": True}
    assert "permissions" not in shown


async def test_d8_a_prohibition_takes_the_place_of_a_grant(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/*": {}}})
    await hub.group("H", {"methods": {"c/*": {"authorized": False}}})
    await hub.user("lisa", "G")
    assert hub.may("lisa", "methods.call", "hub/c/m1") == [True]

    await hub.directory.unlink_group("G", "lisa", by=BY)
    await hub.directory.link_group("H", "lisa", by=BY)

    assert hub.may("lisa", "methods.call", "hub/c/m1") == [False]


async def test_d9_d10_grants_are_removed_one_by_one(hub: Hub) -> None:
    web = {"actions": ["get", "put", "post", "head"]}
    granted = {"methods": {"c/m1": {}}, "events": {"c/e1": {}}, "web": {"c/w1": web}}
    await hub.group("G", granted)
    await hub.user("lisa", "G")
    assert hub.may("lisa", "methods.call", "hub/c/m1", "hub/c/m2") == [True, False]
    assert hub.may("lisa", "events.subscribe", "c/e1", "c/e2") == [True, False]
    assert hub.may("lisa", "web.get", "hub/c/w1", "c/w2") == [True, False]

    removed = {
        "methods": {"c/m1": {}},
        "events": {"c/e1": {}},
        "web": {"c/w1": {"actions": ["put", "head"]}},
    }
    answer = await hub.directory.remove_group_permissions("G", removed, by=BY)

    assert answer == {
        "methods": {},
        "events": {},
        "web": {"c/w1": {"authorized": True, "actions": ["get", "post"]}},
        "data": {},
    }
    assert hub.may("lisa", "methods.call", "hub/c/m1") == [False]
    assert hub.may("lisa", "web.put", "c/w1") == [False]
    assert hub.may("lisa", "web.get", "c/w1") == [True]


async def test_d11_upsert_merges_what_a_group_grants(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {}}})
    await hub.user("lisa", "G")

    await hub.group("G", {"methods": {"c/m2": {}}})

    assert hub.may("lisa", "methods.call", "hub/c/m1", "hub/c/m2") == [True, True]


async def test_d12_upsert_makes_what_is_not_there(hub: Hub) -> None:
    await hub.group("A")
    await hub.group("K")
    zoe = {"username": "zoe", "public_key": bytes(32), "groups": {"A": True}}

    answer = await hub.directory.upsert_user(zoe, by=BY)

    assert answer["groups"] == {"A": True, "_GUEST": True}
    assert hub.directory.get_group("K") is not None


async def test_d13_upsert_links_and_leaves_what_it_does_not_name(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {}}})
    await hub.group("H", {"methods": {"c/m2": {}}})
    await hub.user("lisa", "G")

    lisa = {"username": "lisa", "groups": {"H": True}}
    await hub.directory.upsert_user(lisa, by=BY)

    assert hub.may("lisa", "methods.call", "hub/c/m1", "hub/c/m2") == [True, True]


async def test_d14_an_unknown_group_is_named(hub: Hub) -> None:
    await hub.user("lisa")
    epoch = hub.epoch
    lisa = {"username": "lisa", "groups": {"nope": True}, "custom_data": 1}

    details = await refused(hub.directory.upsert_user(lisa, by=BY), E.GROUP_NOT_FOUND)

    assert details["group"] == "nope"
    assert hub.epoch == epoch
    shown = hub.directory.get_user("lisa")
    assert shown is not None
    assert shown["custom_data"] is None


async def test_d15_a_users_own_permissions(hub: Hub) -> None:
    await hub.user("lisa", permissions={"methods": {"c/m1": {}}})
    both = ("hub/c/m1", "hub/c/m2")

    more: dict[str, Any] = {"methods": {"c/m2": {}}}
    await hub.directory.add_user_permissions("lisa", more, by=BY)
    assert hub.may("lisa", "methods.call", *both) == [True, True]

    less: dict[str, Any] = {"methods": {"c/m1": {}}}
    answer = await hub.directory.remove_user_permissions("lisa", less, by=BY)
    assert list(answer["methods"]) == ["c/m2"]
    assert hub.may("lisa", "methods.call", *both) == [False, True]


async def test_d16_what_two_groups_grant_is_lost_with_the_second(hub: Hub) -> None:
    granted: dict[str, Any] = {"events": {"c/e1": {}}}
    await hub.group("G", granted)
    await hub.group("H", granted)
    await hub.user("lisa", "G", "H")

    await hub.directory.remove_group_permissions("G", granted, by=BY)
    assert hub.may("lisa", "events.subscribe", "c/e1") == [True]
    await hub.directory.remove_group_permissions("H", granted, by=BY)
    assert hub.may("lisa", "events.subscribe", "c/e1") == [False]


async def test_d17_arguments_are_checked(hub: Hub) -> None:
    directory = hub.directory
    for call in (
        directory.update_user(None, by=BY),
        directory.update_group(None, by=BY),
        directory.add_user({"username": "x"}, by=BY),
        directory.add_user({"username": "x", "password": 5}, by=BY),
        directory.add_user({"username": "x", "password": ""}, by=BY),
        directory.add_user({"username": "x", "password": "x" * 1025}, by=BY),
        directory.add_user({"username": "x", "public_key": "AA=="}, by=BY),
        directory.add_user({"username": 5, "password": "x"}, by=BY),
        directory.add_user({"username": "x", "password": "x", "colour": 1}, by=BY),
        directory.add_user({"username": "x", "password": "x", "groups": []}, by=BY),
        directory.add_group({"name": "G", "parent": "H"}, by=BY),
        directory.add_group({"name": "G", "includes": "H"}, by=BY),
        directory.add_group({"name": "G", "custom_data": float("inf")}, by=BY),
        directory.upsert_group({"name": "G"}, overwrite_permissions=1, by=BY),
        directory.link_group(None, "x", by=BY),
    ):
        await refused(call, E.INVALID_ARGUMENT)
    assert hub.epoch == 1


async def test_d18_the_members_of_a_group(hub: Hub) -> None:
    await hub.group("G")
    await hub.user("lisa", "G", custom_data={"extra": 8})
    await hub.user("bob")
    by_group = hub.directory.list_users_by_group

    assert by_group("G") == by_group("G", criteria={"custom_data.extra": 8})
    assert by_group("G", count=True) == 1
    assert by_group("G", criteria={"custom_data.extra": 9}) == []
    assert by_group("nope") == []
    assert by_group("*") == []
    declined(lambda: by_group(None), E.INVALID_ARGUMENT)
    assert hub.directory.list_user_names_by_group("G") == ["lisa"]


async def test_d19_lists_with_criteria_limit_skip_and_count(hub: Hub) -> None:
    for number, rank in enumerate((2, 5, 0, 0), start=1):
        await hub.user(f"t{number}", custom_data={"rank": rank})
        await hub.group(f"t{number}", custom_data={"rank": rank})
    criteria = {"custom_data.rank": {"$gt": 0}}

    for listed, name in (
        (hub.directory.list_users, "username"),
        (hub.directory.list_groups, "name"),
    ):

        def names(listed: Any = listed, name: str = name, **query: Any) -> list[str]:
            return [row[name] for row in listed("t*", criteria=criteria, **query)]

        assert names(limit=1) == ["t1"]
        assert names(skip=1) == ["t2"]
        assert names() == ["t1", "t2"]
        assert names(sort=[["custom_data.rank", "desc"]]) == ["t2", "t1"]
        assert listed("t*", criteria=criteria, count=True, limit=1, skip=1) == 2


async def test_d20_data_paths_that_only_pretend_are_refused(hub: Hub) -> None:
    read = {"actions": ["read"]}
    paths = ["_exchange/x", "/_ev*ents/x", "@HTTP/x"]
    group = {"name": "G", "permissions": {"data": dict.fromkeys(paths, read)}}

    details = await refused(
        hub.directory.upsert_group(group, by=BY), E.INVALID_PERMISSION
    )

    assert details["problems"] == [
        {"section": "data", "path": path, "problem": "reserved-path"} for path in paths
    ]
    assert hub.directory.get_group("G") is None


async def test_d21_overwriting_leaves_only_what_is_submitted(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/*": {}}})
    await hub.user("lisa", "G")
    both = ("hub/c/m1", "hub/c/m2")
    assert hub.may("lisa", "methods.call", *both) == [True, True]

    only: list[tuple[dict[str, Any], list[bool]]] = [
        ({"methods": {"c/m2": {}}}, [False, True]),
        ({}, [False, False]),
    ]
    for permissions, expected in only:
        group = {"name": "G", "permissions": permissions}
        await hub.directory.upsert_group(group, overwrite_permissions=True, by=BY)
        assert hub.may("lisa", "methods.call", *both) == expected


async def test_d23_what_is_there_is_not_added(hub: Hub) -> None:
    await hub.group("G", custom_data=1)
    await hub.user("lisa", custom_data=1)
    before = hub.directory.get_user("lisa"), hub.directory.get_group("G")

    group = {"name": "G", "custom_data": 2}
    lisa = {"username": "lisa", "custom_data": 2, "password": "other"}
    assert await refused(hub.directory.add_group(group, by=BY), E.ALREADY_EXISTS) == {
        "group": "G"
    }
    assert await refused(hub.directory.add_user(lisa, by=BY), E.ALREADY_EXISTS) == {
        "user": "lisa"
    }

    assert (hub.directory.get_user("lisa"), hub.directory.get_group("G")) == before


async def test_d24_a_user_made_again_is_another(hub: Hub) -> None:
    first = await hub.user("lisa")
    again = {"username": "lisa", "custom_data": 2}
    changed = await hub.directory.upsert_user(again, by=BY)
    deleted = await hub.directory.delete_user("lisa", by=BY)
    second = await hub.user("lisa")

    assert changed["user_id"] == first["user_id"]
    assert deleted == {"username": "lisa", "user_id": first["user_id"]}
    assert second["user_id"] != first["user_id"]
    assert second["custom_data"] is None


async def test_d25_deleting_a_group_takes_its_rights_and_leaves_its_users(
    hub: Hub,
) -> None:
    await hub.group("G", {"methods": {"c/*": {}}})
    await hub.group("H", includes=["G"])
    await hub.user("lisa", "G")
    await hub.user("bob", "H")

    answer = await hub.directory.delete_group("G", by=BY)

    assert answer == {"name": "G", "members": 1}
    shown, group = hub.directory.get_user("lisa"), hub.directory.get_group("H")
    assert shown is not None
    assert group is not None
    assert shown["groups"] == {"_GUEST": True}
    assert group["includes"] == []
    assert hub.may("lisa", "methods.call", "hub/c/m1") == [False]
    assert hub.may("bob", "methods.call", "hub/c/m1") == [False]
    await refused(hub.directory.delete_group("G", by=BY), E.GROUP_NOT_FOUND)


async def test_d26_a_name_is_exact_unless_it_has_a_star(hub: Hub) -> None:
    await hub.user("ann")
    await hub.user("anna")

    shown = hub.directory.get_user("ann")
    assert shown is not None
    assert shown["username"] == "ann"
    assert hub.directory.get_user("ann*") is None
    assert hub.directory.list_users("ann", count=True) == 1
    assert hub.directory.list_users("ann*", count=True) == 2
    assert hub.directory.list_users("*nn*", count=True) == 2


async def test_d27_usernames_in_any_case_where_that_is_configured(
    copy: Copies, clock: Clock
) -> None:
    folder = copy()
    async with opened(folder, now=clock) as directory:
        await Hub(directory).user("TEST", password="secret")
        assert await directory.verify("test", "secret") is None
        assert directory.list_users("T*st") == []

    async with opened(folder, now=clock, case_insensitive=True) as directory:
        user = await directory.verify("test", "secret")
        assert user is not None
        assert user.username == "TEST"
        rows = directory.list_users("T*st")
        assert isinstance(rows, list)
        assert rows[0]["username"] == "TEST"
        await refused(
            directory.add_user({"username": "Test", "public_key": bytes(32)}, by=BY),
            E.ALREADY_EXISTS,
        )
        assert directory.user("_admin") is None
        await directory.delete_user("tEST", by=BY)
        assert directory.user("TEST") is None


async def test_d28_removing_names_either_allows_or_prohibitions(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {"authorized": False}, "c/m2": {}}})
    before = hub.directory.get_group("G")
    epoch = hub.epoch

    removals: list[dict[str, Any]] = [
        {"c/m1": {}},
        {"c/m2": {"authorized": False}},
    ]
    for removal in removals:
        await hub.directory.remove_group_permissions("G", {"methods": removal}, by=BY)
    assert hub.directory.get_group("G") == before
    assert hub.epoch == epoch

    prohibition = {"methods": {"c/m1": {"authorized": False}}}
    answer = await hub.directory.remove_group_permissions("G", prohibition, by=BY)
    assert list(answer["methods"]) == ["c/m2"]


async def test_d29_each_verb_of_data_is_granted_by_itself(hub: Hub) -> None:
    verbs = {"r/a": ["read"], "r/b": ["update"], "r/c": ["create"]}
    data = {path: {"actions": actions} for path, actions in verbs.items()}
    await hub.group("G", {"data": data})
    await hub.user("lisa", "G")

    allowed = {
        (verb, path)
        for verb in ("read", "update", "create", "delete")
        for path in ("r/a", "r/b", "r/c")
        if hub.may("lisa", f"data.{verb}", path) == [True]
    }
    assert allowed == {("read", "r/a"), ("update", "r/b"), ("create", "r/c")}


async def test_d30_unlinked_and_linked_again(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {}}})
    await hub.user("lisa", "G")

    await hub.directory.unlink_group("G", "lisa", by=BY)
    assert hub.may("lisa", "methods.call", "hub/c/m1") == [False]
    await hub.directory.link_group("G", "lisa", by=BY)
    assert hub.may("lisa", "methods.call", "hub/c/m1") == [True]


async def test_d31_one_verb_comes_and_goes(hub: Hub) -> None:
    update = {"data": {"r/a": {"actions": ["update"]}}}
    await hub.group("G", {"data": {"r/a": {"actions": ["read", "update"]}}})
    await hub.user("lisa", "G")

    await hub.directory.remove_group_permissions("G", update, by=BY)
    assert hub.may("lisa", "data.update", "r/a") == [False]
    assert hub.may("lisa", "data.read", "r/a") == [True]
    await hub.group("G", update)
    assert hub.may("lisa", "data.update", "r/a") == [True]
    assert hub.may("lisa", "data.read", "r/a") == [True]


async def test_d32_d33_templates_follow_the_user(hub: Hub) -> None:
    read = {"actions": ["read"]}
    paths = {"u/{username}/*": read, "t/{application_data.team}/*": read}
    await hub.group("G", {"data": paths})
    await hub.user("lisa", "G", application_data={"team": "red"})
    await hub.user("bob", "G", application_data={"team": ["red", "blue"]})
    names = ("u/lisa/1", "u/bob/1", "t/red/1", "t/blue/1")

    assert hub.may("lisa", "data.read", *names) == [True, False, True, False]
    assert hub.may("bob", "data.read", *names) == [False, True, True, True]

    blue = {"username": "lisa", "application_data": {"team": "blue"}}
    await hub.directory.update_user(blue, by=BY)
    assert hub.may("lisa", "data.read", *names) == [True, False, False, True]
    red = {"username": "lisa", "application_data": {"team": "red"}}
    await hub.directory.update_user(red, by=BY)
    assert hub.may("lisa", "data.read", *names) == [True, False, True, False]


async def test_d34_a_prohibition_inside_a_pattern_is_left_out(hub: Hub) -> None:
    events = {"d/a": {}, "d/b/*": {}, "d/b/x": {"authorized": False}}
    await hub.group("G", {"events": events})
    await hub.user("lisa", "G")
    await hub.user("bob")

    assert hub.may("lisa", "events.subscribe", "d/**") == [True]
    assert hub.may("bob", "events.subscribe", "d/**") == [False]
    heard = hub.may("lisa", "events.subscribe", "d/a", "d/b/1", "d/b/x", "d/z")
    assert heard == [True, True, False, False]


async def test_d35_a_list_in_a_template_is_live(hub: Hub) -> None:
    docs = {"doc/{application_data.docs}": {"actions": ["update"]}}
    await hub.group("G", {"data": docs})
    await hub.user("lisa", "G", application_data={"docs": ["1", "2"]})
    assert hub.may("lisa", "data.update", "doc/1", "doc/2", "doc/3") == [
        True,
        True,
        False,
    ]

    less = {"username": "lisa", "application_data": {"docs": ["2"]}}
    await hub.directory.update_user(less, by=BY)
    assert hub.may("lisa", "data.update", "doc/1", "doc/2") == [False, True]
    await hub.directory.unlink_group("G", "lisa", by=BY)
    assert hub.may("lisa", "data.update", "doc/1", "doc/2") == [False, False]


async def test_d36_is_authorized(hub: Hub) -> None:
    await hub.group(
        "G",
        {
            "methods": {"c/m1": {}},
            "events": {"c/e1": {}},
            "data": {"r/a": {"actions": ["read"]}},
        },
    )
    await hub.user("lisa", "G")
    ask = hub.directory.is_authorized
    query: dict[str, Any] = {
        "methods": ["hub/c/m1"],
        "events": ["hub/c/e1"],
        "data": {"r/a": {"actions": ["read"]}},
    }

    assert ask("lisa", query) == {"authorized": True, "forbidden": []}
    query["methods"].append("hub/c/m2")
    assert ask("lisa", query) == {
        "authorized": False,
        "forbidden": [{"section": "methods", "path": "hub/c/m2", "action": "call"}],
    }
    for username, wrong in (("lisa", {}), ("lisa", None), (5, query)):
        declined(
            lambda username=username, wrong=wrong: ask(username, wrong),
            E.INVALID_ARGUMENT,
        )
    declined(lambda: ask("zoe", query), E.USER_NOT_FOUND)
    declined(lambda: ask("lisa", {"methods": ["a/*"]}), E.INVALID_PATH)


async def test_d37_includes_grant_and_prohibit(hub: Hub) -> None:
    methods = {"c/m1": {}, "c/m2": {"authorized": False}}
    await hub.group("H", {"methods": methods})
    await hub.group("G", includes=["H"])
    await hub.user("lisa", "G")
    await hub.user("bob", "H")
    both = ("hub/c/m1", "hub/c/m2")

    for _ in range(2):
        assert hub.may("lisa", "methods.call", *both) == [True, False]
        assert hub.may("bob", "methods.call", *both) == [True, False]
        await hub.group("G", {"methods": {"c/m2": {}}})

    circle = {"name": "H", "includes": ["G"]}
    details = await refused(hub.directory.upsert_group(circle, by=BY), E.CYCLE)
    assert details == {"group": "G"}


async def test_d38_guests_are_guests_after_a_restart(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa")
        guests = directory.get_group("_GUEST")
    async with opened(folder) as directory:
        shown = directory.get_user("lisa")
        assert shown is not None
        assert shown["groups"] == {"_GUEST": True}
        assert directory.get_group("_GUEST") == guests


async def test_d39_the_first_password_is_set_once(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        update = {"username": "_ADMIN", "password": "changed"}
        await directory.update_user(update, by=BY)
        await Hub(directory).user("lisa")
    async with opened(folder) as directory:
        assert directory.first_password is None
        assert await directory.verify("_ADMIN", "changed") is not None
        assert await directory.verify("_ADMIN", "sesame") is None
        assert directory.list_users(count=True) == 2


async def test_d40_explain_who_can_and_what_if(hub: Hub) -> None:
    question = "methods.call", "hub/c/m1"
    await hub.group("G", {"methods": {"c/m1": {}}})
    await hub.group("H", {"methods": {"c/m1": {"authorized": False}}})
    await hub.user("lisa", "G", "H")
    await hub.user("bob", "G")

    explained = hub.directory.explain("lisa", *question)
    prohibition = {
        "holder": "group:H",
        "section": "methods",
        "pattern": "c/m1",
        "action": "call",
        "authorized": False,
    }
    allow = {**prohibition, "holder": "group:G", "authorized": True}
    assert explained == {
        "allowed": False,
        "reason": "prohibited by a rule of group:H",
        "grant": prohibition,
        "through": ["H"],
        "matched": [{**prohibition, "through": ["H"]}, {**allow, "through": ["G"]}],
        "left_out": 0,
        "void": [],
    }
    able = await hub.directory.who_can(*question)
    assert [one["username"] for one in able] == ["_ADMIN", "bob"]
    assert able[1]["grant"]["holder"] == "group:G"

    unlink = {"method": "unlink_group", "args": ["H"], "kwargs": {"username": "lisa"}}
    supposed = hub.directory.what_if([unlink], "lisa", *question)
    assert supposed["before"] == explained
    assert supposed["after"]["allowed"] is True
    assert hub.may("lisa", *question) == [False]
    for wrong in (None, [5], [{"method": "__init__"}], [{"method": "link_group"}]):
        declined(
            lambda wrong=wrong: hub.directory.what_if(wrong, "lisa", *question),
            E.INVALID_ARGUMENT,
        )
    declined(lambda: hub.directory.explain("zoe", *question), E.USER_NOT_FOUND)
    declined(
        lambda: hub.directory.explain("lisa", "methods.x", "a"), E.INVALID_ARGUMENT
    )


@pytest.mark.parametrize(
    ("method", "argument", "details"),
    [
        ("add_user", None, {"argument": "user"}),
        ("add_user", {"username": "x"}, {"argument": "password"}),
        ("add_user", {"username": 5}, {"argument": "username"}),
        (
            "add_user",
            {"username": "x", "pass": "p"},
            {"argument": "user", "key": "pass"},
        ),
        ("update_user", {"username": "lisa", 5: 1}, {"argument": "user", "key": "5"}),
        ("update_user", {"username": "lisa", "disabled": 1}, {"argument": "disabled"}),
        ("update_user", {"username": "lisa", "groups": []}, {"argument": "groups"}),
        (
            "update_user",
            {"username": "lisa", "expires": "soon"},
            {"argument": "expires"},
        ),
        (
            "update_user",
            {"username": "lisa", "public_key": "x"},
            {"argument": "public_key"},
        ),
        (
            "update_user",
            {"username": "lisa", "custom_data": {1: 2}},
            {"argument": "custom_data"},
        ),
        ("add_group", {"nam": "G"}, {"argument": "group", "key": "nam"}),
        ("add_group", {"name": "G", "includes": "H"}, {"argument": "includes"}),
    ],
)
async def test_a_refusal_names_the_field_at_fault(
    hub: Hub, method: str, argument: Any, details: dict[str, Any]
) -> None:
    await hub.user("lisa")
    call = getattr(hub.directory, method)(argument, by=BY)
    assert await refused(call, E.INVALID_ARGUMENT) == details


async def test_a_refusal_of_criteria_names_argument_and_field(hub: Hub) -> None:
    for query, details in (
        (
            {"criteria": {"shoe.size": 1}},
            {"argument": "criteria", "field": "shoe.size"},
        ),
        (
            {"criteria": {"username": {"$regex": "x"}}},
            {"argument": "criteria", "field": "username"},
        ),
        ({"criteria": []}, {"argument": "criteria"}),
        ({"sort": [["shoe", "asc"]]}, {"argument": "sort", "field": "shoe"}),
        ({"sort": "shoe"}, {"argument": "sort"}),
    ):
        with pytest.raises(DirectoryError) as refusal:
            hub.directory.list_users(**query)
        assert refusal.value.code is E.INVALID_CRITERIA
        assert refusal.value.details == details


async def test_d93_the_order_of_groups_makes_no_difference(hub: Hub) -> None:
    allow: dict[str, Any] = {"c/m": {}}
    prohibit = {"c/m": {"authorized": False}}
    for one, other in (("A", "B"), ("D", "C")):
        await hub.group(one, {"methods": allow})
        await hub.group(other, {"methods": prohibit})
        await hub.user(f"lisa{one}", one, other)
        assert hub.may(f"lisa{one}", "methods.call", "hub/c/m") == [False]


async def test_d95_a_star_at_the_end_of_a_segment(hub: Hub) -> None:
    await hub.group("G", {"data": {"users/bobby*": {"actions": ["read"]}}})
    await hub.user("lisa", "G")
    names = ("users/bobby1", "users/boXXy1", "users/boby", "users/BOBBY1")
    assert hub.may("lisa", "data.read", *names) == [True, False, False, False]


async def test_d103_overwriting_needs_permissions(hub: Hub) -> None:
    await hub.group("G", {"methods": {"c/m1": {}, "c/m2": {}}})
    upsert = hub.directory.upsert_group
    await refused(
        upsert({"name": "G"}, overwrite_permissions=True, by=BY), E.INVALID_ARGUMENT
    )
    only = {"name": "G", "permissions": {"methods": {"c/m2": {}}}}
    answer = await upsert(only, overwrite_permissions=True, by=BY)
    assert list(answer["permissions"]["methods"]) == ["c/m2"]


async def test_d104_d105_memberships_by_upsert(hub: Hub) -> None:
    await hub.group("G")
    await hub.group("H")
    await hub.user("lisa", "G")
    upsert = hub.directory.upsert_user

    false = {"username": "lisa", "groups": {"G": False, "H": False}}
    assert (await upsert(false, by=BY))["groups"] == {"_GUEST": True}
    await hub.directory.link_group("G", "lisa", by=BY)
    none: dict[str, Any] = {"username": "lisa", "groups": {}}
    answer = await upsert(none, overwrite_memberships=True, by=BY)
    assert answer["groups"] == {"_GUEST": True}


async def test_d107_prohibitions_are_shown(hub: Hub) -> None:
    permissions = {
        "methods": {"c/m1": {"authorized": False}},
        "web": {"c/w": {"actions": ["get"], "prohibited": ["post"]}},
    }
    shown = (await hub.group("G", permissions))["permissions"]

    assert shown["methods"] == {
        "c/m1": {"authorized": False, "actions": ["call", "provide", "send"]}
    }
    assert shown["web"] == {
        "c/w": {"authorized": True, "actions": ["get"], "prohibited": ["post"]}
    }
    epoch = hub.epoch
    group = {"name": "G", "permissions": shown}
    again = await hub.directory.upsert_group(group, overwrite_permissions=True, by=BY)
    assert again["permissions"] == shown
    assert hub.epoch == epoch


async def test_d111_names_are_refused_and_never_altered(hub: Hub) -> None:
    add = hub.directory.add_user
    for name in ("a/b", "..", "st*r", "{x}", "a\nb", "a:b", " a", "e\u0301", "", "."):
        user = {"username": name, "public_key": bytes(32)}
        await refused(add(user, by=BY), E.INVALID_NAME)
    system = {"username": "_x", "public_key": bytes(32)}
    await refused(add(system, by=BY), E.PROTECTED)
    assert hub.directory.list_users(count=True) == 1


async def test_d113_the_brokers_name_is_a_whole_segment(hub: Hub) -> None:
    await hub.group("G", {"methods": {"hubX/c/m1": {}, "xhub/c/m1": {}}})
    await hub.user("lisa", "G")
    assert hub.may("lisa", "methods.call", "hub/c/m1") == [False]

    answer = await hub.group("G", {"methods": {"/hub/c/m1/": {}}})
    assert hub.may("lisa", "methods.call", "hub/c/m1", "c/m1") == [True, True]
    assert "c/m1" in answer["permissions"]["methods"]


async def test_d118_nothing_overrides_a_prohibition(hub: Hub) -> None:
    await hub.group("I", {"methods": {"c/lisa": {}}})
    await hub.group("G", {"methods": {"c/{username}": {}}}, includes=["I"])
    await hub.group("H", {"methods": {"c/*": {"authorized": False}}})
    await hub.user("lisa", "G", "H", permissions={"methods": {"c/lisa": {}}})
    assert hub.may("lisa", "methods.call", "hub/c/lisa") == [False]


async def test_d119_removing_without_actions_keeps_prohibitions(hub: Hub) -> None:
    web = {"c/w": {"actions": ["get"], "prohibited": ["post"]}}
    await hub.group("G", {"web": web})
    answer = await hub.directory.remove_group_permissions(
        "G", {"web": {"c/w": {}}}, by=BY
    )
    assert answer["web"] == {"c/w": {"authorized": False, "actions": ["post"]}}


async def test_d120_defaults_do_not_reach_the_brokers_own(hub: Hub) -> None:
    await hub.user("lisa", "CLIENT")
    assert hub.may("lisa", "methods.call", "hub/c/m", "hub/security/list_users") == [
        True,
        False,
    ]
    names = ("hub/c/e", "hub/security/upsert-user", "hub/security/**")
    assert hub.may("lisa", "events.subscribe", *names) == [True, False, False]


async def test_d121_shallow_paths(hub: Hub) -> None:
    events = {"news/*": {"deep": False, "description": "only here"}, "log/*": {}}
    answer = await hub.group("G", {"events": events})
    await hub.user("lisa", "G")

    names = ("news/a", "news/a/b", "log/a/b")
    assert hub.may("lisa", "events.subscribe", *names) == [True, False, True]
    assert answer["permissions"]["events"]["news/*"] == {
        "authorized": True,
        "actions": ["subscribe"],
        "deep": False,
        "description": "only here",
    }


async def test_a_random_first_password_is_given_once(
    tmp_path: Any,
) -> None:
    folder = tmp_path / "new" / "data"
    assert not Directory.exists(folder)
    async with opened(folder, admin_password=None) as directory:
        assert directory.first_password is not None
        password = directory.first_password.reveal()
        assert await directory.verify("_ADMIN", password) is not None
    assert Directory.exists(folder)
