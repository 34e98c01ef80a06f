"""What two models are told as; what a running broker tells is in the announcing's tests."""

from dataclasses import replace
from typing import Any

from vestibule.protocol.actions import Section
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.directory.changelog import directory_events
from vestibule.server.directory.data import pack
from vestibule.server.directory.model import Entry, Group, Model, User
from vestibule.server.directory.own_events import DIRECTORY_EVENTS, OWN_EVENTS
from vestibule.server.directory.verifier import Verifier


LISA = User(username="lisa", user_id="1", groups=frozenset({"G", "_GUEST"}))
G = Group(name="G")


def model(*holders: User | Group) -> Model:
    return Model(
        users={one.username: one for one in holders if isinstance(one, User)},
        groups={one.name: one for one in holders if isinstance(one, Group)},
    )


def told(before: Model, after: Model) -> list[tuple[str, Any]]:
    """Give what is told, of whatever may differ."""
    events = directory_events(
        before,
        after,
        users=before.users.keys() | after.users.keys(),
        groups=before.groups.keys() | after.groups.keys(),
        broker_name="hub",
    )
    return [(event.name, dict(event.data)) for event in events]


def test_what_is_the_same_is_not_told() -> None:
    assert told(model(LISA, G), model(LISA, G)) == []
    # What nobody is told of: when it was changed, and what locks it.
    later = replace(LISA, modified=5)
    assert told(model(LISA), model(later)) == []


def test_each_fact_of_a_user_has_its_word() -> None:
    verifier = Verifier(b"s" * 16, 2, 19456, b"a" * 32, b"b" * 32)
    each: dict[str, dict[str, Any]] = {
        "application_data": {"application_data": pack(1)},
        "custom_data": {"custom_data": pack(1)},
        "disabled": {"disabled": True},
        "expires": {"expires": 1},
        "password": {"password": verifier},
        "permissions": {
            "rules": {Section.EVENTS: {"e": Entry(frozenset({"publish"}))}}
        },
        "public_key": {"public_key": bytes(32)},
    }
    for word, facts in each.items():
        changed = replace(LISA, **facts)
        ((name, data),) = told(model(LISA), model(changed))
        assert (name, data["created"], data["changed"]) == (
            "upsert-user",
            False,
            [word],
        )


def test_each_fact_of_a_group_has_its_word() -> None:
    each: dict[str, dict[str, Any]] = {
        "custom_data": {"custom_data": pack(1)},
        "includes": {"includes": frozenset({"H"})},
        "permissions": {
            "rules": {Section.EVENTS: {"e": Entry(frozenset({"publish"}))}}
        },
        "assignments": {
            "global_permissions": frozenset({GlobalPermission.VIEW_SERVER})
        },
    }
    for word, facts in each.items():
        changed = replace(G, **facts)
        h = Group(name="H")
        ((name, data),) = told(model(G, h), model(changed, h))
        assert (name, data["created"], data["changed"]) == (
            "upsert-group",
            False,
            [word],
        )


def test_at_creation_what_was_given_is_named() -> None:
    user = replace(LISA, custom_data=pack(1), public_key=bytes(32))
    (name, data), *links = told(model(G), model(G, user))
    assert (name, data["created"]) == ("upsert-user", True)
    assert data["changed"] == ["custom_data", "public_key"]
    assert [(one, said["group"]) for one, said in links] == [
        ("link-group", "G"),
        ("link-group", "_GUEST"),
    ]


def test_one_change_is_told_in_the_order_of_kinds_and_by_name() -> None:
    before = model(
        Group(name="B"),
        Group(name="Z", includes=frozenset({"B"})),
        User(username="bob", user_id="2", groups=frozenset({"B", "Z"})),
        User(username="zoe", user_id="3", groups=frozenset({"B"})),
    )
    after = model(
        Group(name="A"),
        Group(name="Z"),
        User(username="bob", user_id="2", groups=frozenset({"A"}), disabled=True),
        User(username="ann", user_id="4"),
    )

    events = told(before, after)

    assert [
        (name, next(data[key] for key in ("username", "user", "group") if key in data))
        if name.startswith("delete")
        else name
        for name, data in events
    ] == [
        "upsert-group",
        "upsert-user",
        "upsert-user",
        "link-group",
        "unlink-group",
        ("delete-group", "B"),
        ("delete-user", "zoe"),
    ]
    order = [DIRECTORY_EVENTS.index(name) for name, _ in events]
    assert order == sorted(order)
    assert events[5][1] == {"group": "B", "members": 2}
    # Of what goes with a group nothing is told: no unlink of B, no new includes of Z.
    assert events[4][1] == {"group": "Z", "username": "bob"}


def test_a_user_made_again_under_its_name_is_another() -> None:
    again = replace(LISA, user_id="2", groups=frozenset({"_GUEST"}))
    (name, data), (link, membership) = told(model(LISA, G), model(again, G))
    assert (name, data["created"], link) == ("upsert-user", True, "link-group")
    assert membership == {"group": "_GUEST", "username": "lisa"}


def test_every_directory_event_has_a_permission() -> None:
    assert {f"security/{name}" for name in DIRECTORY_EVENTS} < OWN_EVENTS.keys()
