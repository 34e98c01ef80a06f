import pytest

from client.fake_broker import LISA, FakeBroker
from vestibule.client import ConnectionState, LoginRefused


async def test_a_connection_is_entered_once(broker: FakeBroker) -> None:
    connecting = broker.connect()
    async with connecting as connection:
        assert connection.state is ConnectionState.QUARANTINED
    with pytest.raises(RuntimeError):
        await connecting.__aenter__()


async def test_a_refused_login_leaves_no_connection_behind(broker: FakeBroker) -> None:
    with pytest.raises(LoginRefused) as caught:
        async with broker.open_session({"username": "lisa", "password": "wrong"}):
            pass
    assert caught.value.code == "INVALID_AUTH_DATA"
    assert broker.connection.bye is not None


async def test_login_data_are_not_kept_by_the_context_manager(
    broker: FakeBroker,
) -> None:
    opening = broker.open_session(LISA)
    async with opening as session:
        assert session.username == "lisa"
        assert opening._auth_data is None
