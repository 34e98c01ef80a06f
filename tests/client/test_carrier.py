"""One connection by itself; what applications see of it is in `test_connection`."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from client.fake_broker import LISA, URL, FakeBroker, turns
from vestibule.client.carrier import Carrier, CarrierEnded, End
from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import HandshakeFailed
from vestibule.client.login import Accepted, PlainLogin
from vestibule.client.transport import Target
from vestibule.client.trust import Trust
from vestibule.protocol.errors import CloseCode, EndReason


TARGET = Target(URL, "vestibule.1")


class Owner:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def admitted(self, carrier: Carrier, accepted: Accepted) -> None:
        assert carrier.largest_message > 0
        self.told.append(accepted.username)

    def noticed(self, messages: Sequence[Any]) -> None:
        self.told.append(len(messages))

    def ended(self, carrier: Carrier, end: End) -> None:
        assert carrier.end is end
        self.told.append(end)


def carrier_to(broker: FakeBroker, owner: Owner) -> Carrier:
    keys = [key.public for key in broker.identities]
    return Carrier(Trust.pinned(Endpoint.of_url(URL), keys), owner)


async def test_it_is_dialled_shaken_hands_on_logged_in_on_and_ended(
    broker: FakeBroker,
) -> None:
    owner = Owner()
    carrier = carrier_to(broker, owner)
    await carrier.open(broker.dial, TARGET)
    assert carrier.session_id == broker.connection.session_id
    assert carrier.server_key == broker.identities[0].public
    accepted = await carrier.login(PlainLogin(LISA))
    assert accepted.broker == "hub"
    assert carrier.server_keys == (broker.identities[0].public,)
    await carrier.close()
    assert owner.told == ["lisa", End(EndReason.CLIENT)]
    with pytest.raises(CarrierEnded):
        await carrier.login(PlainLogin(LISA))


async def test_an_end_tells_whether_and_when_to_come_back(broker: FakeBroker) -> None:
    owner = Owner()
    carrier = carrier_to(broker, owner)
    await carrier.open(broker.dial, TARGET)
    broker.connection.say_bye(CloseCode.SHUTTING_DOWN, EndReason.SHUTTING_DOWN, 1500)
    await turns()
    assert owner.told == [End(EndReason.SHUTTING_DOWN, 1.5)]
    assert End(EndReason.TRUNCATED).transient
    assert not End(EndReason.REVOKED).transient


async def test_a_cancelled_opening_drops_the_connection(broker: FakeBroker) -> None:
    broker.to_client = lambda _: ()
    carrier = carrier_to(broker, Owner())
    opening = asyncio.ensure_future(carrier.open(broker.dial, TARGET))
    await turns()
    opening.cancel()
    await asyncio.wait([opening])
    await turns()
    assert carrier.end is not None
    assert broker.connection.end is not None


async def test_what_was_never_dialled_is_closed_at_once(broker: FakeBroker) -> None:
    broker.unreachable = True
    carrier = carrier_to(broker, Owner())
    with pytest.raises(ConnectionRefusedError):
        await carrier.open(broker.dial, TARGET)
    await carrier.close()


async def test_a_close_that_is_cancelled_drops_the_connection(
    broker: FakeBroker,
) -> None:
    carrier = carrier_to(broker, Owner())
    await carrier.open(broker.dial, TARGET)
    await carrier.login(PlainLogin(LISA))
    broker.to_broker = lambda _: ()
    closing = asyncio.ensure_future(carrier.close())
    await turns()
    closing.cancel()
    await asyncio.wait([closing])
    await turns()
    assert closing.cancelled()
    assert broker.connection.end is not None


async def test_the_failure_of_a_handshake_tells_the_close_code(
    broker: FakeBroker,
) -> None:
    def cut(_: bytes) -> Sequence[bytes]:
        broker.connection.cut(4102)
        return ()

    broker.to_broker = cut
    with pytest.raises(HandshakeFailed) as caught:
        await carrier_to(broker, Owner()).open(broker.dial, TARGET)
    assert caught.value.details == {"close_code": 4102}
