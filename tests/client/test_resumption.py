"""Taking up a lost session: by ticket, and by the login data if that is refused."""

import asyncio

import pytest

from client.fake_broker import LISA, FakeBroker, until
from vestibule.client.login import Accepted, PlainLogin
from vestibule.client.resumption import Resumption
from vestibule.client.state import ConnectionState
from vestibule.protocol import messages
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import TicketReplaced
from vestibule.protocol.signatures import SigningKey


TICKET = b"t" * 32


def accepted(ticket: bytes | None = TICKET, ttl: float = 60.0) -> Accepted:
    return Accepted("lisa", None, None, (), "hub", ticket, ttl)


async def test_it_gives_the_last_ticket_until_it_is_refused() -> None:
    resumption = Resumption(keep_login_data=True)
    assert (resumption.ticket(), resumption.possible) == (None, False)
    key = SigningKey.generate()
    resumption.accepted(key, accepted())
    assert resumption.possible
    login = resumption.ticket()
    assert login is not None
    assert login.open(bytes(32)).fields["ticket"] == TICKET
    (replaced,) = resumption.handlers().values()
    replaced(TicketReplaced(b"u" * 32, 60_000))
    login = resumption.ticket()
    assert login is not None
    assert login.open(bytes(32)).fields["ticket"] == b"u" * 32
    resumption.refused()
    assert (resumption.ticket(), resumption.possible) == (None, False)


async def test_a_ticket_without_a_key_of_ours_and_one_taken_back_are_none() -> None:
    resumption = Resumption(keep_login_data=True)
    resumption.accepted(None, accepted())
    assert resumption.ticket() is None
    resumption.accepted(SigningKey.generate(), accepted())
    (replaced,) = resumption.handlers().values()
    replaced(TicketReplaced(None, 0))
    assert resumption.ticket() is None


async def test_a_ticket_that_is_too_old_is_not_presented() -> None:
    resumption = Resumption(keep_login_data=True)
    resumption.accepted(SigningKey.generate(), accepted(ttl=0.0))
    assert resumption.ticket() is not None
    resumption.lost()
    assert resumption.ticket() is None


async def test_login_data_are_kept_if_wanted_and_forgotten_at_the_end() -> None:
    keeping, other = (
        Resumption(keep_login_data=True),
        Resumption(keep_login_data=False),
    )
    login = PlainLogin(LISA)
    keeping.keep(login)
    other.keep(login)
    assert keeping.login is login
    assert other.login is None
    other.password_changed("new")
    keeping.password_changed("new")
    assert keeping.login.open(None).fields["auth_data"]["password"] == "new"
    keeping.ended("client", quietly=True)
    assert not keeping.possible
    assert repr(keeping) == "<Resumption>"


# Through a connection.


@pytest.fixture
def resuming(broker: FakeBroker) -> FakeBroker:
    """Give a broker that gives tickets."""
    broker.ticket = TICKET
    return broker


async def test_it_asks_for_a_ticket_under_a_key_of_each_connection(
    resuming: FakeBroker,
) -> None:
    keys = set()
    for _ in range(2):
        async with resuming.open_session():
            key = resuming.connection.resume_key
            assert key is not None
            keys.add(key)
    assert len(keys) == 2


async def test_without_reconnection_or_encryption_it_asks_for_none() -> None:
    plain = FakeBroker(encrypted=False)
    async with plain.open_session(encryption="off", server_key=None):
        assert plain.connection.resume_key is None
    once = FakeBroker()
    async with once.open_session(reconnect=None):
        assert once.connection.resume_key is None


@pytest.mark.parametrize("keep", [True, False])
async def test_a_lost_session_is_taken_up_by_ticket(
    resuming: FakeBroker, *, keep: bool
) -> None:
    async with resuming.open_session(keep_login_data=keep) as session:
        first = session.session_id
        for number in (1, 2):
            await resuming.cut()
            await until(lambda: session.connection.state is ConnectionState.OPEN)
            assert resuming.connection.schemes == ["ticket"]
            assert len(resuming.connections) == number + 1
        assert session.session_id != first
        assert session.username == "lisa"


async def test_a_refused_ticket_is_followed_by_the_login_data_on_the_same_connection(
    resuming: FakeBroker,
) -> None:
    async with resuming.open_session() as session:
        resuming.refuse_tickets = "INVALID_AUTH_DATA"
        await resuming.cut()
        await until(lambda: session.connection.state is ConnectionState.OPEN)
        assert resuming.connection.schemes == ["ticket", "plain"]
        assert len(resuming.connections) == 2


async def test_where_a_connection_has_one_attempt_the_data_go_on_another() -> None:
    broker = FakeBroker(limits=WireLimits(login_attempts=1))
    broker.ticket = TICKET
    async with broker.open_session() as session:
        broker.refuse_tickets = "INVALID_AUTH_DATA"
        await broker.cut()
        await until(lambda: session.connection.state is ConnectionState.OPEN)
        assert [one.schemes for one in broker.connections] == [
            ["plain"],
            ["ticket"],
            ["plain"],
        ]


async def test_a_refused_ticket_without_login_data_is_the_end(
    resuming: FakeBroker,
) -> None:
    async with resuming.open_session(keep_login_data=False) as session:
        resuming.refuse_tickets = "INVALID_AUTH_DATA"
        await resuming.cut()
        assert await session.wait_closed() == "reauthentication_failed"
        assert resuming.connection.schemes == ["ticket"]


async def test_refused_login_data_behind_a_refused_ticket_are_the_end(
    resuming: FakeBroker,
) -> None:
    async with resuming.open_session() as session:
        resuming.refuse_tickets = "INVALID_AUTH_DATA"
        resuming.users["lisa"] = "another"
        await resuming.cut()
        assert await session.wait_closed() == "reauthentication_failed"
        assert resuming.connection.schemes == ["ticket", "plain"]


async def test_a_ticket_whose_answer_was_lost_is_presented_again(
    resuming: FakeBroker,
) -> None:
    async with resuming.open_session(keep_login_data=False) as session:
        resuming.silent_logins = True
        await resuming.cut()
        await until(lambda: resuming.connection.schemes == ["ticket"])
        resuming.silent_logins = False
        await resuming.cut()
        await until(lambda: session.connection.state is ConnectionState.OPEN)
        assert [one.schemes for one in resuming.connections[1:]] == [["ticket"]] * 2


async def test_the_broker_replaces_the_ticket(resuming: FakeBroker) -> None:
    async with resuming.open_session(keep_login_data=False) as session:
        resuming.ticket = b"u" * 32
        resuming.connection.send(TicketReplaced(resuming.ticket, 60_000))
        await session.events.publish("a", 1)
        await resuming.cut()
        await until(lambda: session.connection.state is ConnectionState.OPEN)
        assert resuming.connections[1].logins[0]["ticket"] == b"u" * 32

        resuming.connection.send(TicketReplaced(None, 0))
        await session.events.publish("a", 1)
        await resuming.cut()
        assert await session.wait_closed() == "reauthentication_failed"
        assert len(resuming.connections) == 2


@pytest.mark.parametrize("scram", [False, True])
async def test_a_changed_password_is_what_is_sent_afterwards(
    broker: FakeBroker, *, scram: bool
) -> None:
    broker.features.instead[messages.Call] = lambda peer, call: peer.send(
        messages.Answered(call.id)
    )
    async with broker.open_session(scram=scram) as session:
        await session.exchange.security.change_own_password("sesame", "other")
        broker.users["lisa"] = "other"
        await broker.cut()
        await until(
            lambda: session.connection.state is not ConnectionState.RECONNECTING
        )
        assert session.connection.state is ConnectionState.OPEN


async def test_a_broker_that_cannot_prove_itself_any_more_is_not_asked_again(
    broker: FakeBroker,
) -> None:
    async with broker.open_session(scram=True) as session:
        broker.scram.sign = lambda signature: None
        await broker.cut()
        async with asyncio.timeout(5):
            assert await session.wait_closed() == "reauthentication_failed"


async def test_login_data_with_a_token_follow_the_token() -> None:
    resumption = Resumption(keep_login_data=True)
    resumption.token_changed("vst_x")
    assert not resumption.possible
    resumption.keep(PlainLogin({"token": "vst_old"}))
    resumption.token_changed("vst_new")
    assert resumption.login is not None
    fields = resumption.login.open(None).fields
    assert fields["auth_data"] == {"token": "vst_new"}
