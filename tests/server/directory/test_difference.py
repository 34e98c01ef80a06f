from dataclasses import replace
from typing import Any

from directories import Hub, key
from vestibule.server.directory.difference import differences
from vestibule.server.directory.model import Model


def told(hub: Hub, before: Model, **names: Any) -> list[dict[str, Any]]:
    return differences(before, hub.directory.policy.model, "hub", **names)


async def test_what_was_made_stands_after_and_what_is_gone_before(hub: Hub) -> None:
    before = hub.directory.policy.model
    await hub.group("staff", {"events": {"a": {}}})
    await hub.user("lisa", "staff")
    events = {"events": {"a": {"authorized": True, "actions": ["subscribe"]}}}
    made: list[dict[str, Any]] = [
        {
            "what": "group",
            "name": "staff",
            "before": None,
            "after": {"permissions": events},
        },
        {
            "what": "user",
            "name": "lisa",
            "before": None,
            "after": {"groups": ["staff"], "public_key": "set"},
        },
    ]
    assert told(hub, before) == made
    gone = differences(hub.directory.policy.model, before, "hub")
    assert gone == [
        {**row, "before": row["after"], "after": row["before"]} for row in made
    ]


async def test_of_a_change_only_what_differs_is_told(hub: Hub) -> None:
    await hub.user("lisa", application_data={"team": "red"}, custom_data=1)
    before = hub.directory.policy.model
    user = {"username": "lisa", "application_data": {"team": "blue"}, "disabled": True}
    await hub.directory.update_user(user, by="_ADMIN")
    (row,) = told(hub, before, users={"lisa"}, groups=())
    assert row["before"] == {"application_data": {"team": "red"}}
    assert row["after"] == {"application_data": {"team": "blue"}, "disabled": True}
    assert told(hub, before, users=(), groups=()) == []


async def test_d110_of_passwords_and_keys_it_is_told_that_they_changed(
    hub: Hub,
) -> None:
    await hub.user("lisa", public_key=key(7))
    texts = []
    for facts in (
        {"password": "sesame"},
        {"password": "pepper"},
        {"public_key": key(8)},
        {"public_key": None},
    ):
        before = hub.directory.policy.model
        await hub.directory.update_user({"username": "lisa", **facts}, by="_ADMIN")
        (row,) = told(hub, before)
        texts.append((row["before"], row["after"]))
        stored = hub.directory.user("lisa")
        assert stored is not None
        assert stored.password is not None
        for secret in ("sesame", "pepper", "argon2", stored.password.text, key(8)):
            assert secret not in str(row)
    assert texts == [
        ({}, {"password": "set"}),
        ({"password": "set"}, {"password": "changed"}),
        ({"public_key": "set"}, {"public_key": "changed"}),
        ({"public_key": "set"}, {}),
    ]


async def test_settings_are_told_as_they_were_and_are(hub: Hub) -> None:
    before = hub.directory.policy.model
    after = replace(before, isolated_paths=frozenset({"b", "a"}))
    assert differences(before, after, "hub") == [
        {"what": "setting", "name": "isolated_paths", "before": [], "after": ["a", "b"]}
    ]


async def test_nothing_is_told_of_what_is_equal(hub: Hub) -> None:
    model = hub.directory.policy.model
    assert differences(model, replace(model, epoch=99), "hub") == []
