"""The session's token, and leaving with a word about it."""

from typing import Any

import pytest

from client.fake_broker import FakeBroker, turns
from vestibule.client import RequestFailed, SessionClosed
from vestibule.protocol import messages
from vestibule.protocol.errors import CloseCode, EndReason


@pytest.fixture
def asked(broker: FakeBroker) -> list[messages.Leave]:
    """Have the broker take leave as it should; give what it was asked."""
    heard: list[messages.Leave] = []

    def leave(peer: Any, message: messages.Leave) -> None:
        heard.append(message)
        if message.end_children:
            code = "STORAGE_FAILED"
            peer.send(messages.Failed(message.id, code, "storage failed"))
        else:
            peer.send(messages.Answered(message.id))
        peer.say_bye(CloseCode.CLOSED, EndReason.CLIENT)

    broker.features.instead[messages.Leave] = leave
    return heard


async def test_a_mere_close_asks_for_nothing(
    broker: FakeBroker, asked: list[messages.Leave]
) -> None:
    async with broker.open_session() as session:
        await session.close()
        assert await session.wait_closed() == "client"
    assert asked == []


async def test_leaving_with_the_token_is_asked_for_and_quiet(
    broker: FakeBroker, asked: list[messages.Leave]
) -> None:
    async with broker.open_session() as session, session.events.subscribe("n") as heard:
        await session.close(revoke_token=True)
        assert await session.wait_closed() == "client"
        assert [event async for event in heard] == []
    (leave,) = asked
    assert (leave.revoke_token, leave.end_children) == (True, False)


async def test_what_the_broker_could_not_store_is_raised_when_all_is_over(
    broker: FakeBroker, asked: list[messages.Leave]
) -> None:
    async with broker.open_session() as session:
        with pytest.raises(RequestFailed) as caught:
            await session.close(end_children=True)
        assert caught.value.code == "STORAGE_FAILED"
        assert await session.wait_closed() == "client"
    assert len(asked) == 1


async def test_a_session_that_is_over_cannot_revoke(
    broker: FakeBroker, asked: list[messages.Leave]
) -> None:
    async with broker.open_session() as session:
        await session.close()
        await session.close()
        with pytest.raises(SessionClosed):
            await session.close(revoke_token=True)
    assert asked == []


async def test_another_token_takes_the_place_of_the_first(broker: FakeBroker) -> None:
    async with broker.open_session() as session:
        assert session.token is None
        for token in ("vst_new", None):
            broker.connection.send(messages.TokenReplaced(token))
            await turns()
            assert session.token == token
        assert "vst_" not in repr(session)
