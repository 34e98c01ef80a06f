"""A document says all of a directory but its secrets, and is read with every fault."""

from pathlib import Path
from typing import Any

import pytest

from directories import Copies, Hub, key, opened
from vestibule.server.directory.document import (
    DocumentError,
    document_of,
    parse_document,
)


SYSTEM = {
    "ADMINISTRATOR",
    "AUTHENTICATION_HANDLER",
    "CLIENT",
    "CLIENT_CONTROL",
    "OPERATOR",
    "TOPIC_CONTROL",
    "_GUEST",
}


def document(hub: Hub) -> dict[str, Any]:
    return document_of(hub.directory.policy.model, "hub")


async def test_a_fresh_directory_is_its_roles_and_its_administrator(hub: Hub) -> None:
    found = document(hub)
    assert found["vestibule_directory"] == 1
    assert set(found["groups"]) == SYSTEM
    assert found["users"] == {"_ADMIN": {"groups": ["_ADMIN"]}}
    assert found["isolated_paths"] == []
    assert found["anonymous"] == {"action": "deny", "roles": []}


async def test_users_and_groups_show_what_differs_from_saying_nothing(hub: Hub) -> None:
    await hub.group(
        "staff",
        {"events": {"news/*": {}, "a": {"authorized": False}}},
        includes=["CLIENT"],
        custom_data={"rank": 0},
    )
    await hub.user("lisa", "staff", disabled=True, application_data={"team": ["red"]})
    found = document(hub)
    assert found["groups"]["staff"] == {
        "includes": ["CLIENT"],
        "custom_data": {"rank": 0},
        "permissions": {
            "events": {
                "a": {"authorized": False, "actions": ["publish", "subscribe"]},
                "news/*": {"authorized": True, "actions": ["subscribe"]},
            }
        },
    }
    assert found["users"]["lisa"] == {
        "disabled": True,
        "public_key": key(1),
        "groups": ["staff"],
        "application_data": {"team": ["red"]},
    }


async def test_names_stand_in_order(hub: Hub) -> None:
    for name in ("zoe", "amy", "lisa"):
        await hub.user(name)
    assert list(document(hub)["users"]) == ["_ADMIN", "amy", "lisa", "zoe"]


async def test_no_password_no_hash_and_no_id_is_in_it(hub: Hub) -> None:
    user = {"username": "lisa", "password": "sesame"}
    await hub.directory.add_user(user, by="_ADMIN")
    stored = hub.directory.user("lisa")
    assert stored is not None
    assert stored.password is not None
    text = str(document(hub))
    for secret in ("sesame", stored.password.text, "argon2", stored.user_id):
        assert secret not in text


FAULTS: list[tuple[Any, list[str]]] = [
    (None, ["it is no document with vestibule_directory: 1"]),
    ({"vestibule_directory": 2}, ["it is no document with vestibule_directory: 1"]),
    ({"x": 1}, ["x: is an unknown key"]),
    ({"users": []}, ["users: is no mapping of names"]),
    ({"users": {"a/b": {}}}, ["users.a/b: cannot be a name"]),
    ({"users": {"a": {"password": "x"}}}, ["users.a.password: is an unknown key"]),
    ({"users": {"a": None}}, ["users.a: is no mapping"]),
    (
        {"users": {"a": {"disabled": 1, "expires": "soon"}}},
        [
            "users.a.disabled: is neither true nor false",
            "users.a.expires: is not a time such as 2031-01-31T09:30:00.000Z",
        ],
    ),
    (
        {"users": {"a": {"public_key": "x"}}},
        ["users.a.public_key: is not 32 bytes in base64"],
    ),
    ({"users": {"a": {"groups": "x"}}}, ["users.a.groups: is no list"]),
    (
        {"groups": {"g": {"permissions": {"events": {"a//b": {}}, "x": {}}}}},
        [
            "groups.g.permissions.events.a//b: invalid-path",
            "groups.g.permissions.x.: unknown-section",
        ],
    ),
    (
        {
            "groups": {
                "g": {"global_permissions": ["VIEW", "UNKNOWN_GLOBAL_PERMISSION"]}
            }
        },
        ["groups.g.global_permissions: names a permission that there is not"],
    ),
    (
        {"groups": {"g": {"path_permissions": {"a/*": ["READ_TOPIC"]}}}},
        ["groups.g.path_permissions: is no path"],
    ),
    (
        {"groups": {"g": {"path_permissions": {"/a": ["READ_TOPIC"], "a": []}}}},
        ["groups.g.path_permissions: a stands twice"],
    ),
    ({"isolated_paths": ["a//b"]}, ["isolated_paths: is no path"]),
    ({"isolated_paths": ["a/{b}"]}, ["isolated_paths: is no path"]),
    (
        {"session_defaults": {"named": []}},
        ["session_defaults: has not exactly the keys named, anonymous"],
    ),
    (
        {"anonymous": {"action": "deny", "roles": ["g"]}},
        ["anonymous: has roles without the action allow"],
    ),
    (
        {"trusted_properties": {"$x": {"values": []}}},
        ["trusted_properties: $x cannot be the key of a property"],
    ),
    (
        {"trusted_properties": {"x": {"values": [], "matches": "a"}}},
        ["trusted_properties: x has not either values or matches"],
    ),
]


@pytest.mark.parametrize(("said", "problems"), FAULTS)
def test_every_fault_is_told_with_its_place(said: Any, problems: list[str]) -> None:
    whole = said
    if isinstance(said, dict) and "vestibule_directory" not in said:
        whole = {"vestibule_directory": 1, **said}
    with pytest.raises(DocumentError) as refused:
        parse_document(whole, "hub")
    assert [
        found.startswith(told)
        for found, told in zip(refused.value.problems, problems, strict=True)
    ] == [True] * len(problems)


def test_of_very_many_faults_a_hundred_are_told() -> None:
    users = {f"u{i}": {"x": 1} for i in range(300)}
    with pytest.raises(DocumentError) as refused:
        parse_document({"vestibule_directory": 1, "users": users}, "hub")
    assert len(refused.value.problems) == 100


def test_what_it_does_not_speak_of_stays() -> None:
    wanted = parse_document({"vestibule_directory": 1}, "hub")
    assert wanted.users is None
    assert wanted.groups is None
    assert wanted.anonymous is None


async def test_a_directory_is_read_from_its_own_document(copy: Copies) -> None:
    folder: Path = copy()
    async with opened(folder) as directory:
        wanted = parse_document(directory.export_directory(), "hub")
    assert wanted.users is not None
    assert set(wanted.users) == {"_ADMIN"}
