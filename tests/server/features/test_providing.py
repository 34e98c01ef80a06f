"""The table of provisions: who is chosen, and what is left of who has gone."""

from typing import Any

import pytest

from handlers import Everybody
from vestibule.protocol import messages
from vestibule.protocol.names import parse_name
from vestibule.server.features.providing import Providing
from vestibule.server.testing import RawPeer, RequestRefused, memory_broker


async def provide(peer: RawPeer, name: str, **more: Any) -> Any:
    return await peer.request(messages.Provide(peer.next_id(), name, **more))


def providing(broker: Any) -> Providing:
    found = broker.broker.rpc.providing
    assert isinstance(found, Providing)
    return found


async def test_a_provider_is_chosen_among_all_and_none_is_asked_twice() -> None:
    async with memory_broker(Everybody()) as broker:
        peers = [await broker.login({"username": name}) for name in "abc"]
        for peer in peers:
            await provide(peer, "add")
        table, name = providing(broker), parse_name("add")
        chosen = {table.choose(name, set()) for _ in range(200)}
        assert len(chosen) == 3
        asked = {one.session for one in chosen if one is not None}
        last = asked.pop()
        only = table.choose(name, asked)
        assert only is not None
        assert only.session is last
        assert table.choose(name, asked | {last}) is None


async def test_nothing_is_left_of_a_provider_that_has_gone() -> None:
    async with memory_broker(Everybody()) as broker:
        peer = await broker.login({"username": "a"})
        await provide(peer, "add")
        await peer.request(messages.Unprovide(peer.next_id(), "add"))
        assert providing(broker).choose(parse_name("add"), set()) is None
        await provide(peer, "add")
        peer.close()
        await peer.wait_closed()
        assert providing(broker).choose(parse_name("add"), set()) is None


async def test_a_repeated_provision_that_is_refused_now_is_suspended() -> None:
    handler = Everybody(lambda _, message: message.action != "provide")
    async with memory_broker(handler) as broker:
        peer = await broker.login({"username": "a"})
        with pytest.raises(RequestRefused):
            await provide(peer, "add")
        assert await provide(peer, "add", again=True) == "PERMISSION_REVOKED"
        assert providing(broker).choose(parse_name("add"), set()) is None
        handler.decide = lambda _n, _m: True
        await broker.broker.recheck()
        assert providing(broker).choose(parse_name("add"), set()) is not None
