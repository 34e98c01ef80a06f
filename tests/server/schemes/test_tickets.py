"""The table of tickets: who gets one, how long it is good, what voids it, its bounds."""

from dataclasses import replace
from typing import Any, cast

import pytest

from directories import BY, Hub
from login_attempts import LISAS_KEY, SentLink
from vestibule.protocol.errors import EndReason
from vestibule.protocol.messages import TicketReplaced
from vestibule.server import ConnectionData
from vestibule.server.admissions import Admission
from vestibule.server.directory import DirectoryChange
from vestibule.server.directory.roles import Roles
from vestibule.server.handler import Headers
from vestibule.server.schemes import tickets as tickets_module
from vestibule.server.schemes.tickets import Tickets
from vestibule.server.session import Session
from vestibule.server.testing import ManualClock


KEY = LISAS_KEY.public
TTL = 3600.0


class Rig:
    """A table over a directory, and sessions that it may give tickets to."""

    def __init__(self, hub: Hub, per_user: int = 100) -> None:
        self.hub = hub
        self.clock = ManualClock()
        self.wall = ManualClock()
        self.tickets = Tickets(
            hub.directory, ttl=TTL, per_user=per_user, clock=self.clock, now=self.wall
        )
        self._number = 0

    def session(
        self,
        username: str = "lisa",
        *,
        resume_key: bytes | None = KEY,
        **facts: Any,
    ) -> Session:
        self._number += 1
        admission = replace(Admission(username, "directory"), **facts)
        return Session(
            ConnectionData("192.0.2.1", Headers(), f"{self._number:032x}"),
            admission,
            policy=self.hub.directory.policy,
            link=SentLink(),
            connected_at=0.0,
            resume_key=resume_key,
        )

    def given(self, session: Session) -> bytes:
        fields = self.tickets.fields(session)
        assert fields["ticket_ttl_ms"] == 3_600_000
        return cast("bytes", fields["ticket"])


@pytest.fixture
def rig(hub: Hub) -> Rig:
    return Rig(hub)


def link_of(session: Session) -> SentLink:
    assert isinstance(session.link, SentLink)
    return session.link


def change(**facts: Any) -> DirectoryChange:
    return DirectoryChange(epoch=9, at="now", **facts)


# Giving.


def test_a_session_of_the_directory_that_asks_gets_a_ticket(rig: Rig) -> None:
    session = rig.session()
    ticket = rig.given(session)
    assert len(ticket) == 32
    kept = rig.tickets.find(ticket)
    assert kept is not None
    assert (kept.username, kept.session_id, kept.resume_key) == (
        "lisa",
        session.id,
        KEY,
    )
    assert kept.user_id == rig.hub.directory.policy.model.users["lisa"].user_id
    assert rig.given(rig.session()) != ticket


@pytest.mark.parametrize(
    "facts",
    [
        {"resume_key": None},
        {"authenticator": "handler"},
        {"username": ""},
        {"username": "unknown"},
        {"roles": Roles.fixed(["staff"])},
    ],
    ids=["does not ask", "of a handler", "anonymous", "no user", "of fixed groups"],
)
def test_whoever_else_gets_none(rig: Rig, facts: dict[str, Any]) -> None:
    assert rig.tickets.fields(rig.session(**facts)) == {}
    assert len(rig.tickets) == 0


def test_the_ticket_itself_is_not_kept_and_not_shown(rig: Rig) -> None:
    ticket = rig.given(rig.session())
    kept = rig.tickets.find(ticket)
    assert ticket not in rig.tickets._kept
    assert ticket.hex() not in repr(kept)
    assert repr(kept) == f"KeptTicket({kept and kept.session_id})"


# How long it is good.


def test_it_is_good_as_long_as_its_session_and_its_time_after_it(rig: Rig) -> None:
    session = rig.session()
    ticket = rig.given(session)
    rig.clock.advance(30 * TTL)
    assert rig.tickets.find(ticket) is not None
    rig.tickets.ended(session, EndReason.TRUNCATED)
    rig.clock.advance(TTL - 1)
    assert rig.tickets.find(ticket) is not None
    rig.clock.advance(1)
    assert rig.tickets.find(ticket) is None
    assert len(rig.tickets) == 0


@pytest.mark.parametrize("reason", EndReason)
def test_only_a_session_that_was_cut_off_is_come_back_to(
    rig: Rig, reason: EndReason
) -> None:
    session = rig.session()
    ticket = rig.given(session)
    rig.tickets.ended(session, reason)
    comes_back = reason in ("truncated", "shutting_down", "slow_reader")
    assert (rig.tickets.find(ticket) is not None) is comes_back


def test_s82_it_is_void_when_the_session_would_have_expired(rig: Rig) -> None:
    expires = int((rig.wall() + 10) * 1000)
    session = rig.session(expires_at=expires)
    ticket = rig.given(session)
    rig.tickets.ended(session, EndReason.TRUNCATED)
    rig.wall.advance(9.9)
    assert rig.tickets.find(ticket) is not None
    rig.wall.advance(0.1)
    assert rig.tickets.find(ticket) is None


def test_it_is_used_once(rig: Rig) -> None:
    kept = rig.tickets.find(rig.given(rig.session()))
    assert kept is not None
    assert rig.tickets.use(kept)
    assert not rig.tickets.use(kept)
    assert len(rig.tickets) == 0


def test_the_end_of_a_session_whose_ticket_was_used_changes_nothing(rig: Rig) -> None:
    session = rig.session()
    kept = rig.tickets.find(rig.given(session))
    assert kept is not None
    rig.tickets.use(kept)
    rig.tickets.ended(session, EndReason.TRUNCATED)
    assert len(rig.tickets) == 0


# What voids it.


@pytest.mark.parametrize(
    "facts",
    [
        {"deleted_users": frozenset({"lisa"})},
        {"disabled_users": frozenset({"lisa"})},
        {"password_changed": frozenset({"lisa"})},
    ],
    ids=str,
)
def test_l4_w39_what_befalls_the_user_voids_its_tickets(
    rig: Rig, facts: dict[str, Any]
) -> None:
    live, away, other = rig.session(), rig.session(), rig.session("keyless")
    mine = [rig.given(live), rig.given(away)]
    others = rig.given(other)
    rig.tickets.ended(away, EndReason.TRUNCATED)
    rig.tickets.follow(change(**facts), None)
    assert [rig.tickets.find(ticket) for ticket in mine] == [None, None]
    assert rig.tickets.find(others) is not None


def test_the_session_that_changed_its_password_gets_another_ticket(rig: Rig) -> None:
    own, second = rig.session(), rig.session()
    old, other = rig.given(own), rig.given(second)
    rig.tickets.follow(change(password_changed=frozenset({"lisa"})), own)
    assert rig.tickets.find(old) is rig.tickets.find(other) is None
    replaced = link_of(own).replaced()
    assert replaced.ttl_ms == 3_600_000
    assert replaced.ticket is not None
    kept = rig.tickets.find(replaced.ticket)
    assert kept is not None
    assert (kept.session_id, kept.resume_key) == (own.id, KEY)
    assert link_of(second).sent == []


def test_an_administrator_who_changes_anothers_password_keeps_its_own(rig: Rig) -> None:
    admin = rig.session("_ADMIN")
    ticket = rig.given(admin)
    rig.tickets.follow(change(password_changed=frozenset({"lisa"})), admin)
    assert rig.tickets.find(ticket) is not None
    assert link_of(admin).sent == []


def test_one_that_becomes_somebody_else_gets_another_or_hears_that_it_has_none(
    rig: Rig,
) -> None:
    session = rig.session()
    old = rig.given(session)
    session.become(Admission("keyless", "directory"), rig.hub.directory.policy)
    rig.tickets.renew(session)
    assert rig.tickets.find(old) is None
    new = link_of(session).replaced().ticket
    assert new is not None
    kept = rig.tickets.find(new)
    assert kept is not None
    assert kept.username == "keyless"

    link_of(session).sent.clear()
    session.become(Admission("guest", "handler"), rig.hub.directory.policy)
    rig.tickets.renew(session)
    assert rig.tickets.find(new) is None
    assert link_of(session).replaced() == TicketReplaced(None, 0)

    link_of(session).sent.clear()
    rig.tickets.renew(session)
    assert link_of(session).sent == []


def test_a_session_has_one_ticket(rig: Rig) -> None:
    session = rig.session()
    first = rig.given(session)
    second = rig.given(session)
    assert rig.tickets.find(first) is None
    assert rig.tickets.find(second) is not None
    assert rig.tickets.void(session.id)
    assert not rig.tickets.void(session.id)
    assert len(rig.tickets) == 0


async def test_l4_a_user_made_again_has_nothing_of_the_old(rig: Rig) -> None:
    session = rig.session()
    kept = rig.tickets.find(rig.given(session))
    await rig.hub.directory.delete_user("lisa", by=BY)
    made = await rig.hub.user("lisa", password="sesame")
    assert kept is not None
    assert kept.user_id != made["user_id"]


# Bounds.


def test_of_one_user_the_oldest_that_are_gone_go_first(hub: Hub) -> None:
    rig = Rig(hub, per_user=2)
    other = rig.session("keyless")
    others = rig.given(other)
    rig.tickets.ended(other, EndReason.TRUNCATED)
    live = rig.given(rig.session())
    given = []
    for _ in range(4):
        session = rig.session()
        given.append(rig.given(session))
        rig.tickets.ended(session, EndReason.TRUNCATED)
        rig.clock.advance(1)
    good = [rig.tickets.find(ticket) is not None for ticket in given]
    assert good == [False, False, True, True]
    assert rig.tickets.find(live) is not None
    assert rig.tickets.find(others) is not None


def test_of_all_that_are_gone_the_oldest_goes_first(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets_module, "_AWAY", 2)
    rig = Rig(hub)
    given = []
    for name in ("lisa", "keyless", "_ADMIN"):
        session = rig.session(name)
        given.append(rig.given(session))
        rig.tickets.ended(session, EndReason.TRUNCATED)
    good = [rig.tickets.find(ticket) is not None for ticket in given]
    assert good == [False, True, True]


def test_what_is_late_goes_when_another_is_kept(rig: Rig) -> None:
    for _ in range(3):
        session = rig.session()
        rig.given(session)
        rig.tickets.ended(session, EndReason.TRUNCATED)
    rig.clock.advance(TTL)
    assert len(rig.tickets) == 3
    session = rig.session()
    rig.given(session)
    rig.tickets.ended(session, EndReason.TRUNCATED)
    assert len(rig.tickets) == 1
