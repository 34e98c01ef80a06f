"""Directory and session events, and notices: who hears what, when, with which keys."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Raw

from halls import Hall, denied, events, hall_of, notices
from handlers import Everybody
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.own_events import DIRECTORY_EVENTS
from vestibule.server.testing import RawPeer


CODE = [ErrorCode.MESSAGE_DENIED]


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    async with hall_of() as hall:
        yield hall


async def listening(hall: Hall, *names: str) -> None:
    """Attach the administrator to both, and subscribe to events of `security`."""
    await hall.security("attach_to_security_changes")
    await hall.security("attach_to_session_changes")
    outcomes = await hall.admin.subscribe(*(f"hub/security/{name}" for name in names))
    assert outcomes == [None] * len(names)


async def own(peer: RawPeer) -> list[tuple[str, Any]]:
    """Give events of `security`, their names without what is in front."""
    return [
        (name.removeprefix("hub/security/"), data)
        for name, data in await events(peer)
        if name.startswith("hub/security/")
    ]


async def test_d45_an_administrator_hears_of_every_change(hall: Hall) -> None:
    await listening(hall, *DIRECTORY_EVENTS)
    lisa = {"username": "lisa", "password": "open sesame", "custom_data": {"a": 1}}
    calls: list[tuple[str, Any]] = [
        ("add_group", [{"name": "G", "custom_data": 1}]),
        ("add_user", [lisa]),
        ("link_group", ["G", "lisa"]),
        ("update_user", [{"username": "lisa", "password": "p2", "disabled": True}]),
        ("unlink_group", ["G", "lisa"]),
        ("link_group", ["G", "lisa"]),
        ("delete_group", ["G"]),
        ("delete_user", ["lisa"]),
    ]
    answers = [await hall.security(method, *args) for method, args in calls]

    told = await own(hall.admin)

    assert [name for name, _ in told] == [
        "upsert-group",
        "upsert-user",
        "link-group",
        "link-group",
        "upsert-user",
        "unlink-group",
        "link-group",
        "delete-group",
        "delete-user",
    ]
    besides = {"epoch", "at", "by"}
    keys = {
        "upsert-group": {"group", "created", "changed"},
        "upsert-user": {"user", "created", "changed"},
        "link-group": {"group", "username"},
        "unlink-group": {"group", "username"},
        "delete-group": {"group", "members"},
        "delete-user": {"username", "user_id"},
    }
    assert all(set(data) == keys[name] | besides for name, data in told)
    epochs = [data["epoch"] for _, data in told]
    assert epochs == sorted(epochs)
    assert {data["by"] for _, data in told} == {"_ADMIN"}
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert all(time.fullmatch(data["at"]) for _, data in told)
    data = [data for _, data in told]
    assert data[0]["group"] == answers[0]
    assert (data[0]["created"], data[0]["changed"]) == (True, ["custom_data"])
    assert data[1]["user"] == answers[1]
    assert (data[1]["created"], data[1]["changed"]) == (
        True,
        ["custom_data", "password"],
    )
    assert (data[2]["group"], data[2]["username"]) == ("_GUEST", "lisa")
    assert (data[3]["group"], data[3]["username"]) == ("G", "lisa")
    assert (data[4]["created"], data[4]["changed"]) == (
        False,
        ["disabled", "password"],
    )
    assert (data[7]["group"], data[7]["members"]) == ("G", 1)
    assert data[8]["user_id"] == answers[1]["user_id"]
    text = str(told)
    assert not any(word in text for word in ("sesame", "p2", "argon2", "$", "token"))


async def test_events_come_before_the_answer_of_whoever_made_the_change(
    hall: Hall,
) -> None:
    await listening(hall, "*")
    await notices(hall.admin)
    answered = hall.security("add_group", {"name": "G"})
    await answered
    # No turn of the loop in between: the event was there before.
    assert not hall.admin.notices.empty()


async def test_one_call_tells_upserts_links_and_deletes_in_order(hall: Hall) -> None:
    for name in ("B", "A", "C"):
        await hall.group(name)
    user = {"username": "lisa", "password": "x", "groups": {"C": True}}
    await hall.security("add_user", user)
    await listening(hall, "*")
    change = {
        "username": "lisa",
        "custom_data": 1,
        "groups": {"B": True, "A": True, "C": False},
    }

    await hall.security("update_user", change)

    told = await own(hall.admin)
    assert [(name, data.get("group")) for name, data in told] == [
        ("upsert-user", None),
        ("link-group", "A"),
        ("link-group", "B"),
        ("unlink-group", "C"),
    ]
    assert len({data["epoch"] for _, data in told}) == 1


async def test_what_changes_nothing_and_memberships_alone_are_no_upsert(
    hall: Hall,
) -> None:
    await hall.group("G", {"methods": {"c/m": {}}})
    await hall.security("add_user", {"username": "lisa", "password": "x"})
    await listening(hall, "*")
    await hall.group("G", {"methods": {"c/m": {}}})
    await hall.security("unlink_group", "G", "lisa")
    assert await own(hall.admin) == []
    await hall.security("link_group", "G", "lisa")
    assert [name for name, _ in await own(hall.admin)] == ["link-group"]


async def test_deleting_a_group_tells_nothing_of_what_goes_with_it(hall: Hall) -> None:
    await hall.group("H")
    await hall.group("G", includes=["H"])
    await hall.user("lisa", "H")
    await listening(hall, "*")
    await hall.security("delete_group", "H")
    assert [name for name, _ in await own(hall.admin)] == ["delete-group"]


async def test_a_user_that_changes_itself_is_told_of_in_its_own_name(
    hall: Hall,
) -> None:
    lisa = await hall.user("lisa")
    await listening(hall, "*")
    update = {"custom_data": "new"}
    await lisa.component("hub/security/update_own_user", update)
    ((name, data),) = await own(hall.admin)
    assert (name, data["by"], data["changed"]) == (
        "upsert-user",
        "lisa",
        ["custom_data"],
    )


async def test_d46_whoever_is_detached_hears_nothing_more(hall: Hall) -> None:
    other = await hall.user("ann", "ADMINISTRATOR")
    await listening(hall, "upsert-group")
    await other.component("hub/security/attach_to_security_changes")
    await other.component("hub/security/attach_to_security_changes")
    await other.subscribe("hub/security/*")

    await hall.group("G")
    await hall.security("detach_from_security_changes")
    await hall.security("detach_from_security_changes")
    await hall.group("H")

    assert [data["group"]["name"] for _, data in await own(hall.admin)] == ["G"]
    assert [data["group"]["name"] for _, data in await own(other)] == ["G", "H"]


async def test_attaching_and_subscribing_may_come_in_either_order(hall: Hall) -> None:
    await hall.admin.subscribe("hub/security/upsert-group")
    await hall.group("G")
    assert await own(hall.admin) == []
    await hall.security("attach_to_security_changes")
    await hall.group("H")
    assert [data["group"]["name"] for _, data in await own(hall.admin)] == ["H"]


async def test_d47_without_rights_nobody_hears_of_changes(hall: Hall) -> None:
    lisa = await hall.user("lisa")
    for what in ("attach_to_", "detach_from_"):
        for changes in ("security_changes", "session_changes"):
            await denied(lisa.component(f"hub/security/{what}{changes}"))
    names = ["upsert-user", "connect", "*", "**", "up*"]
    outcomes = await lisa.subscribe(*(f"hub/security/{name}" for name in names))
    assert [outcome[:1] for outcome in outcomes] == [CODE] * len(names)
    assert [one[:1] for one in await lisa.subscribe("**", "hub/**")] == [CODE, CODE]


async def test_p9_an_event_rule_lets_hear_whoever_may_attach(hall: Hall) -> None:
    # By a rule on the method and one on the event, without a global permission.
    attach: dict[str, Any] = {"security/attach_to_security_changes": {}}
    await hall.group("G", {"methods": attach, "events": {"security/upsert-group": {}}})
    lisa, bob = await hall.user("lisa", "G"), await hall.user("bob")
    await hall.security("add_user_permissions", "bob", {"events": {"*": {}}})
    await lisa.component("hub/security/attach_to_security_changes")
    assert await lisa.subscribe("hub/security/*") == [None]
    # Whatever is accepted hears nothing without being attached.
    assert await bob.subscribe("**", "hub/security/*", "security/*") == [None] * 3
    await denied(bob.component("hub/security/attach_to_security_changes"))

    await hall.group("H")
    await hall.security("add_user", {"username": "zoe", "password": "x"})

    assert [name for name, _ in await own(lisa)] == ["upsert-group"]
    assert await own(bob) == []


async def test_a_prohibition_holds_for_the_brokers_own_events(hall: Hall) -> None:
    await hall.group("G", {"events": {"security/upsert-user": {"authorized": False}}})
    ann = await hall.user("ann", "ADMINISTRATOR", "G")
    await ann.component("hub/security/attach_to_security_changes")
    assert await ann.subscribe("hub/security/*") == [None]
    (refusal,) = await ann.subscribe("hub/security/upsert-user")
    assert refusal[:1] == CODE

    await hall.group("H")
    await hall.security("add_user", {"username": "zoe", "password": "x"})

    assert [name for name, _ in await own(ann)] == ["upsert-group", "link-group"]


async def test_whoever_loses_the_permission_hears_no_more(hall: Hall) -> None:
    ann = await hall.user("ann", "ADMINISTRATOR")
    await ann.component("hub/security/attach_to_security_changes")
    await ann.subscribe("hub/security/upsert-group")
    await hall.security("unlink_group", "ADMINISTRATOR", "ann")
    await hall.group("G")
    await hall.security("link_group", "ADMINISTRATOR", "ann")
    await hall.group("H")
    told = await notices(ann)
    assert any(isinstance(one, messages.Suspended) for one in told)
    heard = [one for one in told if isinstance(one, messages.Event)]
    assert len(heard) == 1


async def test_no_handler_opens_the_brokers_own_events() -> None:
    async with hall_of(Everybody()) as hall:
        lisa = await hall.broker.login({"username": "lisa"})
        (refusal,) = await lisa.subscribe("hub/security/upsert-group")
        assert refusal[:1] == CODE
        await denied(lisa.component("hub/security/attach_to_security_changes"))


async def test_nobody_can_publish_the_brokers_own_events(hall: Hall) -> None:
    await listening(hall, "*")
    for name in ("hub/security/upsert-user", "security/upsert-user"):
        await denied(hall.admin.publish(name, {}))
    assert await own(hall.admin) == []


async def test_d48_logins_and_ends_are_told_with_what_is_known(hall: Hall) -> None:
    await hall.security("add_user", {"username": "lisa", "password": "lisa"})
    await listening(hall, "*")
    info = {"app": "till", "version": 3}
    lisa = await hall.login("lisa", info=info)
    stranger = await hall.broker.connect()
    with pytest.raises(Exception, match="INVALID_AUTH_DATA"):
        await stranger.login({"username": "lisa", "password": "wrong"})
    stranger.cut()
    lisa.close()
    await lisa.wait_closed()

    (first, begun), (last, over) = await own(hall.admin)

    assert (first, last) == ("connect", "disconnect")
    assert set(begun) == {
        "session_id",
        "username",
        "authenticator",
        "remote_address",
        "protocol",
        "encrypted",
        "connected_at",
        "info",
    }
    assert set(over) == {*begun, "ended_at", "reason"}
    assert over == {**begun, "ended_at": over["ended_at"], "reason": "client"}
    assert begun["username"] == "lisa"
    assert begun["authenticator"] == "directory"
    assert begun["remote_address"] == "127.0.0.1"
    assert (begun["protocol"], begun["encrypted"]) == ("vestibule.1", True)
    assert begun["info"] == info
    assert "vst_" not in str((begun, over))


async def test_an_end_is_told_for_whatever_cause(hall: Hall) -> None:
    await hall.security("attach_to_session_changes")
    await hall.admin.subscribe("hub/security/disconnect")
    for change, reason in (
        (("delete_user", "lisa"), "user_deleted"),
        (("update_user", {"username": "lisa", "disabled": True}), "revoked"),
        (
            ("update_user", {"username": "lisa", "password": "other"}),
            "password_changed",
        ),
    ):
        lisa = await hall.user("lisa", disabled=False)
        await hall.security(*change)
        await lisa.wait_closed()
        assert [data["reason"] for _, data in await own(hall.admin)] == [reason]


async def test_session_events_need_another_permission_than_directory_events(
    hall: Hall,
) -> None:
    operator = await hall.user("olga", "OPERATOR")
    await denied(operator.component("hub/security/attach_to_security_changes"))
    await operator.component("hub/security/attach_to_session_changes")
    assert await operator.subscribe("hub/security/*") == [None]
    (refusal,) = await operator.subscribe("hub/security/upsert-user")
    assert refusal[:1] == CODE
    await hall.user("lisa")
    assert [name for name, _ in await own(operator)] == ["connect"]


async def test_d50_one_notice_an_epoch_and_what_is_left_goes_on(hall: Hall) -> None:
    await hall.group("G", {"events": {"e1": {}, "e2": {}}})
    lisa, bob = await hall.user("lisa", "G"), await hall.user("bob")
    await lisa.subscribe("e1", "e2")
    await notices(lisa)
    await notices(bob)

    await hall.security("remove_group_permissions", "G", {"events": {"e1": {}}})
    epoch = hall.broker.broker.directory.policy.epoch
    await hall.admin.publish("e1", 1)
    await hall.admin.publish("e2", 2)

    told = await notices(lisa)
    assert told[:2] == [
        messages.Suspended("event", ["e1"], "PERMISSION_REVOKED"),
        messages.ChangeNoticed(epoch, ["upsert-group"]),
    ]
    assert [type(one) for one in told[2:]] == [messages.Event]
    assert await notices(bob) == []


async def test_a_change_that_takes_and_gives_nothing_is_no_notice(hall: Hall) -> None:
    await hall.group("G", {"events": {"e1": {}}})
    lisa = await hall.user("lisa", "G")
    await notices(lisa)
    await hall.group("G", custom_data="new")
    await hall.group("H", {"events": {"e1": {}}})
    await hall.security("update_user", {"username": "lisa", "custom_data": 1})
    assert await notices(lisa) == []
    await hall.security("link_group", "H", "lisa")
    (notice,) = await notices(lisa)
    assert isinstance(notice, messages.ChangeNoticed)
    assert notice.kinds == ["link-group"]


async def test_d114_a_client_that_vanishes_stops_no_change(hall: Hall) -> None:
    ann = await hall.user("ann", "ADMINISTRATOR")
    await ann.component("hub/security/attach_to_security_changes")
    await ann.subscribe("hub/security/*")
    await listening(hall, "upsert-group")
    ann.cut()
    for name in ("G", "H", "I"):
        await hall.group(name)
    assert [data["group"]["name"] for _, data in await own(hall.admin)] == [
        "G",
        "H",
        "I",
    ]


async def test_an_event_longer_than_a_message_stops_no_change() -> None:
    async with hall_of(limits={"message_bytes": 65_536}) as hall:
        await listening(hall, "*")
        half = {"a": "x" * 40_000}
        await hall.security("add_group", {"name": "G", "custom_data": half})
        many: dict[str, Any] = {f"p{number}/{'x' * 100}": {} for number in range(300)}
        with pytest.raises(Exception, match="LIMIT_EXCEEDED"):
            await hall.security(
                "update_group", {"name": "G", "permissions": {"methods": many}}
            )
        await hall.group("H")
        told = [data["group"]["name"] for _, data in await own(hall.admin)]
        assert told[0] == "G"
        assert told[-1] == "H"


async def test_a_session_that_becomes_somebody_else_ends_and_begins(
    hall: Hall,
) -> None:
    await hall.user("bob")
    lisa = await hall.user("lisa")
    await listening(hall, "connect", "disconnect")
    for data in (
        {"username": "lisa", "password": "lisa"},
        {"username": "bob", "password": "bob"},
    ):
        fields = Raw(encode_body({"auth_data": data}))
        await lisa.request(messages.Reauthenticate(lisa.next_id(), "plain", fields))
    # Proving again who one is already is told to nobody.
    (first, over), (second, begun) = await own(hall.admin)
    assert (first, over["username"], over["reason"]) == (
        "disconnect",
        "lisa",
        "principal_changed",
    )
    assert (second, begun["username"]) == ("connect", "bob")
    assert begun["session_id"] == over["session_id"]
    assert begun["connected_at"] == over["connected_at"]
