"""What permission handlers may ask the policy, in a handler and beside one."""

from typing import Any

import pytest

from directories import Hub
from halls import denied, hall_of
from vestibule.protocol.actions import Action, Topic
from vestibule.server import Message, PermissionHandler
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.inquiry import Inquiry
from vestibule.server.verdict import Denied


class FourEyes(PermissionHandler):
    """Nobody publishes an order who may also publish its approval."""

    def __init__(self) -> None:
        self.explained: list[dict[str, Any] | None] = []

    async def can_perform_action(self, username: str, message: Message) -> bool:
        if message.name != "orders/new" or message.action is not Action.PUBLISH:
            return message.granted
        self.explained.append(message.explain())
        approves = message.policy.explain("events.publish", "orders/approved")
        able = await message.policy.who_can("events.publish", "orders/approved")
        assert approves["allowed"] is (username in [one["username"] for one in able])
        return message.granted and not approves["allowed"]


async def test_a_handler_asks_about_whoever_asks_and_about_others() -> None:
    handler = FourEyes()
    async with hall_of(handler) as hall:
        publish = {"actions": ["publish"]}
        await hall.group("clerks", {"events": {"orders/new": publish}})
        both = {"orders/*": publish}
        await hall.group("chiefs", {"events": both}, includes=["clerks"])
        lisa, bob = await hall.user("lisa", "clerks"), await hall.user("bob", "chiefs")

        await lisa.publish("orders/new", 1)
        await denied(bob.publish("orders/new", 2))

        first, second = handler.explained
        assert first is not None
        assert second is not None
        assert first["through"] == ["clerks"]
        assert [one["through"] for one in second["matched"]] == [
            ["chiefs"],
            ["chiefs", "clerks"],
        ]


async def test_an_inquiry_answers_as_the_directory_does(hub: Hub) -> None:
    await hub.group("G", {"events": {"e/*": {}}})
    await hub.user("lisa", "G")
    policy = hub.directory.policy
    anonymous = Inquiry(policy.subject("", ["G"]))
    lisa = Inquiry(policy.subject("lisa", None))

    question = ("events.subscribe", "e/1")
    assert lisa.explain(*question) == hub.directory.explain("lisa", *question)
    assert anonymous.explain(*question)["allowed"] is True
    assert anonymous.explain(*question, "_ADMIN")["allowed"] is True
    assert await lisa.who_can(*question) == await hub.directory.who_can(*question)
    assert await lisa.what_can() == await hub.directory.what_can("lisa")
    assert await anonymous.what_can("lisa") == await hub.directory.what_can("lisa")
    supposed = await lisa.what_if([{"method": "delete_group", "args": ["G"]}])
    assert [one["username"] for one in supposed["users"]] == ["lisa"]
    assert hub.directory.get_group("G") is not None
    with pytest.raises(DirectoryError):
        lisa.explain("events.subscribe", "e//1")


def test_a_message_without_a_session_has_no_policy_to_ask() -> None:
    message = Message(Topic.EVENT, Action.PUBLISH, "x", verdict=Denied("no"))
    with pytest.raises(AttributeError):
        message.explain()
    presence = Message(Topic.PRESENCE, Action.QUERY, "x", verdict=Denied("no"))
    assert presence.explain() is None
