"""Logins by ticket at the broker: the right key, once, for the same user."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from directories import BY, Hub
from login_attempts import EXPORTER, SentLink, attempt
from vestibule.protocol.errors import EndReason
from vestibule.protocol.signatures import SigningKey, ticket_login, verifies
from vestibule.server import ConnectionData
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.directory import DirectoryChange
from vestibule.server.handler import Headers
from vestibule.server.schemes.ticket import TicketChecker
from vestibule.server.schemes.tickets import Tickets
from vestibule.server.session import Session
from vestibule.server.testing import ManualClock


class Rig:
    """One session of lisa with its ticket, and a checker."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.key = SigningKey.generate()
        self.tickets = Tickets(
            hub.directory, ttl=60, per_user=100, clock=ManualClock(), now=ManualClock()
        )
        self.checker = TicketChecker(hub.directory, self.tickets)
        self.session = Session(
            ConnectionData("192.0.2.1", Headers(), "11" * 16),
            Admission("lisa", "directory"),
            policy=hub.directory.policy,
            link=SentLink(),
            connected_at=0.0,
            resume_key=self.key.public,
        )
        self.ticket: bytes = self.tickets.fields(self.session)["ticket"]

    def attempt(
        self,
        *,
        ticket: bytes | None = None,
        key: SigningKey | None = None,
        exporter: bytes = EXPORTER,
    ) -> Attempt:
        ticket = self.ticket if ticket is None else ticket
        signature = (key or self.key).sign(ticket_login(exporter, ticket))
        return attempt("ticket", ticket=ticket, signature=signature)

    async def check(self, **facts: Any) -> Admission | Refusal:
        return await self.checker.check(self.attempt(**facts))


@pytest.fixture
def rig(hub: Hub) -> Rig:
    return Rig(hub)


BAD = Refusal(authenticator="directory")


async def test_w37_a_ticket_logs_in_once_and_replaces_its_session(rig: Rig) -> None:
    assert rig.checker.account(rig.attempt()) == "lisa"
    answer = await rig.check()
    assert isinstance(answer, Admission)
    assert (answer.username, answer.authenticator) == ("lisa", "directory")
    assert answer.replaces == rig.session.id
    assert answer.user_id == rig.hub.directory.policy.model.users["lisa"].user_id
    assert await rig.check() == BAD
    assert rig.checker.account(rig.attempt()) is None


async def test_w38_a_bad_signature_uses_nothing_up(rig: Rig) -> None:
    assert await rig.check(key=SigningKey.generate()) == BAD
    assert await rig.check(exporter=b"another connection".ljust(32)) == BAD
    assert isinstance(await rig.check(), Admission)


async def test_a_ticket_that_nobody_gave_is_a_bad_one(rig: Rig) -> None:
    assert await rig.check(ticket=bytes(32)) == BAD
    bare = attempt("ticket", exporter=None, ticket=rig.ticket, signature=bytes(64))
    assert await rig.checker.check(bare) == BAD


async def test_l4_ten_times_at_once_it_is_used_once(rig: Rig) -> None:
    answers = [await rig.check() for _ in range(10)]
    assert [type(one) for one in answers] == [Admission, *[Refusal] * 9]


async def test_a_signature_is_verified_for_every_ticket(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[int] = []

    def counted(key: bytes, signed: bytes, signature: bytes) -> bool:
        verified.append(len(signed))
        return verifies(key, signed, signature)

    monkeypatch.setattr("vestibule.server.schemes.ticket.verifies", counted)
    await rig.check(ticket=bytes(32))
    await rig.check(key=SigningKey.generate())
    await rig.check()
    await rig.check()
    assert len(verified) == 4
    assert len(set(verified)) == 1


async def deleted(rig: Rig) -> None:
    await rig.hub.directory.delete_user("lisa", by=BY)


async def made_again(rig: Rig) -> None:
    await rig.hub.directory.delete_user("lisa", by=BY)
    await rig.hub.user("lisa", password="sesame")


async def disabled(rig: Rig) -> None:
    await rig.hub.directory.update_user({"username": "lisa", "disabled": True}, by=BY)


async def logged_out(rig: Rig) -> None:
    rig.tickets.ended(rig.session, EndReason.CLIENT)


@pytest.mark.parametrize("cause", [deleted, made_again, disabled, logged_out])
async def test_l4_whatever_is_wrong_the_answer_is_one(
    rig: Rig, cause: Callable[[Rig], Any]
) -> None:
    await cause(rig)
    assert await rig.check() == BAD


async def test_another_password_voids_it_also_while_others_decide(rig: Rig) -> None:
    answer = await rig.check()
    assert isinstance(answer, Admission)
    assert answer.stands is not None
    assert answer.stands()
    await rig.hub.directory.update_user({"username": "lisa", "password": "x"}, by=BY)
    assert not answer.stands()


async def revoked(rig: Rig) -> None:
    rig.tickets.ended(rig.session, EndReason.REVOKED)


async def somebody_else(rig: Rig) -> None:
    rig.session.become(Admission("bob", "directory"), rig.hub.directory.policy)
    rig.tickets.renew(rig.session)


async def disabled_for_a_moment(rig: Rig) -> None:
    directory = rig.hub.directory
    directory.on_change(followed(rig.tickets))
    await disabled(rig)
    await directory.update_user({"username": "lisa", "disabled": False}, by=BY)


def followed(tickets: Tickets) -> Callable[[DirectoryChange], Awaitable[None]]:
    async def follow(change: DirectoryChange) -> None:
        tickets.follow(change, None)

    return follow


@pytest.mark.parametrize(
    "cause", [revoked, somebody_else, logged_out, disabled_for_a_moment]
)
async def test_p1_what_voids_it_does_so_also_while_others_decide(
    rig: Rig, cause: Callable[[Rig], Any]
) -> None:
    answer = await rig.check()
    assert isinstance(answer, Admission)
    assert answer.stands is not None
    assert answer.stands()
    await cause(rig)
    assert not answer.stands()


async def test_a_session_that_is_cut_off_meanwhile_is_taken_up_all_the_same(
    rig: Rig,
) -> None:
    answer = await rig.check()
    assert isinstance(answer, Admission)
    assert answer.stands is not None
    rig.tickets.ended(rig.session, EndReason.TRUNCATED)
    assert answer.stands()
    del answer
    assert len(rig.tickets._used) == 0
