import pytest

from client.fake_broker import FakeBroker


async def test_a_provision_is_entered_once_and_tells_its_name(
    broker: FakeBroker,
) -> None:
    async with broker.open_session() as session:
        provision = session.rpc.provide("add", len)
        assert repr(provision) == "<Provision add>"
        assert [provision.live] == [False]
        async with provision as entered:
            assert entered is provision
            assert [provision.live] == [True]
        with pytest.raises(RuntimeError):
            await provision.__aenter__()


async def test_leaving_what_was_never_entered_does_nothing(broker: FakeBroker) -> None:
    async with broker.open_session() as session:
        await session.rpc.provide("add", len).__aexit__(None, None, None)
        assert broker.connection.requests == []
