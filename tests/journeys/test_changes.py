"""Changes of the directory, seen from connected clients over a real socket."""

import asyncio
from typing import Any

import pytest

from journeys.conftest import ADMIN_PASSWORD, Starting
from vestibule.client import MessageDenied, open_session
from vestibule.server import Broker


def admin(broker: Broker) -> Any:
    data = {"username": "_ADMIN", "password": ADMIN_PASSWORD}
    return open_session(broker.url, data, server_key=broker.server_key)


def user(broker: Broker, name: str) -> Any:
    data = {"username": name, "password": name, "info": {"app": name}}
    return open_session(broker.url, data, server_key=broker.server_key)


async def test_d50_a_client_hears_that_its_rights_changed_and_how(
    starting: Starting,
) -> None:
    async with starting() as broker, admin(broker) as boss:
        security = boss.exchange.security
        group = {"name": "G", "permissions": {"events": {"e1": {}, "e2": {}}}}
        await security.add_group(group)
        await security.add_user(
            {"username": "lisa", "password": "lisa", "groups": {"G": True}}
        )
        async with user(broker, "lisa") as lisa, lisa.security.changes() as changes:
            async with lisa.events.subscribe("e1", "e2") as heard:
                await security.remove_group_permissions("G", {"events": {"e1": {}}})
                change = await anext(changes)
                assert change.kinds == ("upsert-group",)
                assert heard.suspended_patterns == ("e1",)
                await boss.events.publish("e1", 1)
                await boss.events.publish("e2", 2)
                assert (await anext(heard)).name == "e2"
            await security.link_group("CLIENT", "lisa")
            later = await anext(changes)
            assert later.epoch > change.epoch
            assert later.kinds == ("link-group",)


async def test_d45_d46_d48_an_administrator_listens_by_handlers(
    starting: Starting,
) -> None:
    async with starting(name="hub") as broker, admin(broker) as boss:
        told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        events = boss.event.security
        for name in ("upsert-user", "connect", "disconnect"):
            await events.on(name, lambda data, name=name: told.put_nowait((name, data)))
        security = boss.exchange.security
        assert await security.attach_to_security_changes() is None
        assert await security.attach_to_session_changes() is None

        await security.add_user({"username": "lisa", "password": "lisa"})
        name, data = await told.get()
        assert (name, data["user"]["username"], data["by"]) == (
            "upsert-user",
            "lisa",
            "_ADMIN",
        )
        async with user(broker, "lisa") as lisa:
            name, begun = await told.get()
            assert (name, begun["session_id"]) == ("connect", lisa.session_id)
            assert begun["info"] == {"app": "lisa"}
            with pytest.raises(MessageDenied):
                await lisa.exchange.security.attach_to_session_changes()
            with pytest.raises(MessageDenied):
                await lisa.event.security.on("upsert-user", print)
        name, over = await told.get()
        assert (name, over["reason"]) == ("disconnect", "client")
        assert over["connected_at"] == begun["connected_at"]
        await security.detach_from_security_changes()
        await security.update_user({"username": "lisa", "custom_data": 1})
        assert told.empty()


async def test_questions_are_asked_by_clients(starting: Starting) -> None:
    async with starting(name="hub") as broker, admin(broker) as boss:
        security = boss.exchange.security
        await security.add_group({"name": "H", "permissions": {"events": {"e/*": {}}}})
        await security.add_group({"name": "G", "includes": ["H"]})
        await security.add_user(
            {"username": "lisa", "password": "lisa", "groups": {"G": True}}
        )
        async with user(broker, "lisa") as lisa, lisa.events.subscribe("e/1") as heard:
            why = await security.explain("lisa", "events.subscribe", "e/1")
            assert why["through"] == ["G", "H"]
            can = await security.what_can("lisa")
            assert [rule["pattern"] for rule in can["rules"]][:1] == ["e/*"]
            change = {"method": "unlink_group", "args": ["G", "lisa"], "kwargs": {}}
            supposed = await security.what_if([change])
            (session,) = supposed["sessions"]
            assert session["session_id"] == lisa.session_id
            assert session["suspended"] == [{"kind": "event", "name": "e/1"}]
            assert supposed["users"][0]["loses"] == [
                {"section": "events", "path": "e/*/**", "action": "subscribe"}
            ]
            assert not heard.suspended
