import asyncio

import pytest

from client.fake_broker import LISA, FakeBroker, turns
from vestibule.client import SessionClosed


async def test_a_session_tells_what_the_broker_said(broker: FakeBroker) -> None:
    broker.client_data = {"theme": 1}
    async with broker.open_session() as session:
        assert session.username == "lisa"
        assert session.session_id == broker.connection.session_id
        assert len(session.session_id) == 32
        assert session.client_data == {"theme": 1}
        assert session.token is None
        assert session.insecure == ()
        assert "lisa" in repr(session)


async def test_a_session_may_be_used_from_many_tasks(broker: FakeBroker) -> None:
    async with (
        broker.open_session() as session,
        session.events.subscribe("n/*", echo=True) as events,
        session.rpc.provide("double", lambda data: 2 * data),
    ):

        async def work(number: int) -> int:
            await session.events.publish(f"n/{number}", number)
            result: int = await session.rpc.call("double", number)
            return result

        results = await asyncio.gather(*(work(number) for number in range(50)))
        assert results == [2 * number for number in range(50)]
        seen = {(await anext(events)).data for _ in range(50)}
        assert seen == set(range(50))


@pytest.mark.parametrize("name", ["records", "presence", "web"])
async def test_what_this_version_has_not_is_no_attribute(
    broker: FakeBroker, name: str
) -> None:
    async with broker.open_session() as session:
        assert not hasattr(session, name)


async def test_two_sessions_have_nothing_in_common(broker: FakeBroker) -> None:
    async with broker.open_session() as one, broker.open_session() as other:
        assert one.session_id != other.session_id
        await one.close()
        with pytest.raises(SessionClosed):
            await one.events.publish("x")
        await other.events.publish("x")


async def test_a_session_closed_by_a_provider_of_its_own_ends_well(
    broker: FakeBroker,
) -> None:
    async def leave(_: object) -> None:
        await session.close()

    async with broker.open_session() as session:
        await session.rpc.provide("leave", leave).__aenter__()
        with pytest.raises(SessionClosed):
            await session.rpc.call("leave")
        assert await session.wait_closed() == "client"


async def test_login_data_are_kept_apart_from_the_applications(
    broker: FakeBroker,
) -> None:
    data = dict(LISA)
    async with broker.open_session(data) as session:
        data["password"] = "changed by the application"
        await broker.cut()
        await session.events.publish("x")
        await turns()
