"""Answers that take live sessions into account, told against a whole broker."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from halls import Hall, denied, hall_of, notices, refused
from vestibule.protocol import messages
from vestibule.protocol.errors import ErrorCode
from vestibule.server.testing import RawPeer


GRANTED = {"authorized": True, "description": "system permission"}


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    async with hall_of() as hall:
        yield hall


async def provide(peer: RawPeer, *names: str) -> None:
    for name in names:
        await peer.request(messages.Provide(peer.next_id(), name))


async def test_d22_what_can_be_granted_follows_what_is_provided(hall: Hall) -> None:
    before = await hall.security("get_system_permissions")
    assert before.keys() == {"methods", "events", "web"}
    assert before["methods"]["security/get_user"] == GRANTED
    assert before["methods"]["security/*"] == GRANTED
    assert before["events"]["security/upsert-user"] == GRANTED
    assert "c/*" not in before["methods"]

    await provide(hall.admin, "hub/c/m1", "hub/c/m2", "add", "plain/name")

    now = await hall.security("get_system_permissions")
    added = now["methods"].keys() - before["methods"].keys()
    assert added == {"c/*", "c/m1", "c/m2", "add", "plain/name"}
    assert now["events"].keys() - before["events"].keys() == {"c/*"}
    # What is told can be submitted.
    answer = await hall.group("G", now)
    assert answer["permissions"]["methods"]["c/m1"]["actions"] == ["call"]

    await hall.admin.request(messages.Unprovide(hall.admin.next_id(), "hub/c/m1"))
    later = await hall.security("get_system_permissions")
    assert "c/m1" not in later["methods"]
    lisa = await hall.user("lisa")
    await denied(lisa.component("hub/security/get_system_permissions"))


def change(method: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"method": method, "args": list(args), "kwargs": kwargs}


async def test_what_sessions_would_lose_is_what_they_lose_then(hall: Hall) -> None:
    rules = {
        "events": {"e/*": {}, "f": {}},
        "methods": {"c/m": {"actions": ["provide"]}},
    }
    await hall.group("G", rules)
    lisa = await hall.user("lisa", "G")
    await hall.user("bob")
    await lisa.subscribe("e/*", "e/1", "f")
    await provide(lisa, "hub/c/m")
    removal = change("remove_group_permissions", "G", {"events": {"e/*": {}}})
    prohibition = change(
        "add_group_permissions", "G", {"methods": {"c/*": {"authorized": False}}}
    )

    supposed = await hall.security("what_if", [removal, prohibition])

    (session,) = supposed["sessions"]
    assert session["username"] == "lisa"
    assert session["ends"] is None
    assert session["resumed"] == []
    assert session["suspended"] == [
        {"kind": "event", "name": "e/*"},
        {"kind": "event", "name": "e/1"},
        {"kind": "rpc", "name": "hub/c/m"},
    ]
    assert [one["username"] for one in supposed["users"]] == ["lisa"]
    assert suspensions(await notices(lisa)) == []

    await hall.security("remove_group_permissions", "G", {"events": {"e/*": {}}})
    lost = messages.Suspended("event", ["e/*", "e/1"], "PERMISSION_REVOKED")
    assert suspensions(await notices(lisa)) == [lost]
    again = change("add_group_permissions", "G", {"events": {"e/1": {}}})
    (session,) = (await hall.security("what_if", [again]))["sessions"]
    assert session["resumed"] == [
        {"kind": "event", "name": "e/*"},
        {"kind": "event", "name": "e/1"},
    ]


def suspensions(told: list[messages.AnyNotice]) -> list[messages.AnyNotice]:
    return [one for one in told if isinstance(one, messages.Suspended)]


async def test_sessions_that_would_end_are_told_with_the_reason(hall: Hall) -> None:
    for name in ("lisa", "bob", "eve"):
        await hall.user(name)
    supposed = await hall.security(
        "what_if",
        [
            change("delete_user", "lisa"),
            change("update_user", {"username": "bob", "disabled": True}),
            change("update_user", {"username": "eve", "password": "another"}),
        ],
    )
    ends = {one["username"]: one["ends"] for one in supposed["sessions"]}
    assert ends == {
        "lisa": "user_deleted",
        "bob": "revoked",
        "eve": "password_changed",
    }
    assert len(hall.broker.broker.sessions) == 4


async def test_d40_what_if_with_a_question_explains_before_and_after(
    hall: Hall,
) -> None:
    await hall.group("G", {"methods": {"c/m1": {}}})
    await hall.group("H", {"methods": {"c/m1": {"authorized": False}}})
    lisa = await hall.user("lisa", "G", "H")
    await provide(hall.admin, "hub/c/m1")
    question = ("lisa", "methods.call", "hub/c/m1")
    why = await hall.security("explain", *question)
    assert (why["allowed"], why["grant"]["holder"]) == (False, "group:H")
    assert why["grant"]["authorized"] is False
    able = await hall.security("who_can", *question[1:])
    assert [one["username"] for one in able] == ["_ADMIN"]

    unlink = change("unlink_group", "H", "lisa")
    supposed = await hall.security("what_if", [unlink], *question)

    assert supposed.keys() == {"before", "after"}
    assert supposed["before"] == why
    assert supposed["after"]["allowed"] is True
    await denied(lisa.component("hub/c/m1", 1))


@pytest.mark.parametrize(
    ("changes", "question", "code"),
    [
        (None, (), ErrorCode.INVALID_ARGUMENT),
        ([5], (), ErrorCode.INVALID_ARGUMENT),
        ([{"method": "get_user", "args": ["lisa"]}], (), ErrorCode.INVALID_ARGUMENT),
        ([{"method": "link_group"}], (), ErrorCode.INVALID_ARGUMENT),
        ([], ("lisa",), ErrorCode.INVALID_ARGUMENT),
        ([], ("zoe", "methods.call", "hub/c/m"), ErrorCode.USER_NOT_FOUND),
        ([change("delete_user", "zoe")], (), ErrorCode.USER_NOT_FOUND),
        ([change("delete_group", "_ADMIN")], (), ErrorCode.PROTECTED),
    ],
)
async def test_what_cannot_be_supposed_is_refused_as_the_change_would_be(
    hall: Hall, changes: Any, question: tuple[str, ...], code: ErrorCode
) -> None:
    await refused(hall.security("what_if", changes, *question), code)


async def test_arguments_that_do_not_fit_are_named(hall: Hall) -> None:
    for args, kwargs, argument in (
        ([], {}, "username"),
        (["lisa"], {"shoe": 1}, "shoe"),
        (["lisa"], {"username": "lisa"}, "username"),
        (["lisa", "bob"], {}, None),
    ):
        call = hall.security("what_can", *args, **kwargs)
        refusal = await refused(call, ErrorCode.INVALID_ARGUMENT)
        assert refusal.details.get("argument") == argument


async def test_what_can_is_answered_over_the_wire_and_only_to_viewers(
    hall: Hall,
) -> None:
    lisa = await hall.user("lisa")
    can = await hall.security("what_can", "lisa")
    assert {one["pattern"] for one in can["rules"]} >= {"security/get_own_user"}
    await denied(lisa.component("hub/security/what_can", "lisa"))
    await refused(hall.security("what_can", "zoe"), ErrorCode.USER_NOT_FOUND)
    await refused(hall.security("what_can", 5), ErrorCode.INVALID_ARGUMENT)
