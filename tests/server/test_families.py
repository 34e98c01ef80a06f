"""Families: one clock and one count for all that goes on under a token."""

import asyncio

import pytest

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.deadlines import Deadlines
from vestibule.server.families import (
    CountingMeter,
    Family,
    Meter,
    Watch,
    meter_of,
    unlimited,
)
from vestibule.server.profiles import Profile
from vestibule.server.testing import ManualClock


class Session:
    """A member of a family, and the link that it has."""

    def __init__(self) -> None:
        self.ended = False
        self.link = self
        self.said: tuple[CloseCode, EndReason] | None = None

    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        assert discard
        self.said = (code, reason)


def family(
    *, ttl: float | None = None, idle: float | None = None, usage: int | None = None
) -> Family:
    """Make a family at the time 0."""
    profile = Profile(
        name="p",
        ttl=ttl,
        idle=idle,
        usage=usage,
        token_ttl=60.0,
        token_logins=True,
        lock_token_to_broker=False,
        addresses=None,
        narrowing=None,
    )
    return Family(profile, token_id="t", expires=ttl, active_at=0.0)


async def watched(of: Family, clock: ManualClock) -> tuple[Session, Deadlines]:
    session, deadlines = Session(), Deadlines(asyncio.get_running_loop())
    of.join(session, deadlines, clock)
    return session, deadlines


@pytest.mark.parametrize(
    ("ttl", "idle", "due"),
    [
        (None, None, None),
        (5.0, None, 5.0),
        (None, 3.0, 3.0),
        (5.0, 3.0, 3.0),
        (2.0, 3.0, 2.0),
    ],
)
def test_it_is_due_at_the_first_of_its_limits(
    ttl: float | None, idle: float | None, due: float | None
) -> None:
    assert family(ttl=ttl, idle=idle).due == due


def test_whoever_is_active_is_active_for_all() -> None:
    of = family(idle=3)
    meter = meter_of(of, lambda: None)
    assert type(meter) is Meter
    assert meter.allows(2.0)
    assert of.due == 5
    meter.touch(4.0)
    assert of.due == 7


def test_where_nothing_is_limited_nothing_is_counted() -> None:
    assert meter_of(unlimited(), lambda: None) is None
    assert meter_of(family(ttl=5), lambda: None) is None
    assert unlimited().due is None


async def test_sessions_count_together_and_a_message_once() -> None:
    ends: list[str] = []
    of = family(usage=2)
    one = meter_of(of, lambda: ends.append("one"))
    other = meter_of(of, lambda: ends.append("other"))
    assert isinstance(one, CountingMeter)
    assert isinstance(other, CountingMeter)
    assert [one.allows(1.0), one.allows(1.0)] == [True, True]
    assert of.used == 1
    assert other.allows(2.0)
    assert of.used_up
    for _ in range(2):
        one.fresh = True
        assert [one.allows(3.0), one.allows(3.0)] == [False, False]
    assert of.active_at == 2.0
    assert ends == []  # the refusal goes out first
    await asyncio.sleep(0)
    assert ends == ["one"]


async def test_sessions_end_at_the_end_of_their_time_or_after_silence() -> None:
    for ttl, idle, at, reason in (
        (5.0, 9.0, 5.0, EndReason.EXPIRED),
        (5.0, 3.0, 3.0, EndReason.IDLE),
        (3.0, 3.0, 3.0, EndReason.EXPIRED),
    ):
        clock = ManualClock(0.0)
        of = family(ttl=ttl, idle=idle)
        session, deadlines = await watched(of, clock)
        watch = deadlines._heap[0][2]
        assert isinstance(watch, Watch)
        assert watch.due == at
        clock.advance(at)
        watch.late()
        assert session.said == (CloseCode.SESSION_EXPIRED, reason)
        deadlines.close()


async def test_far_deadlines_are_looked_at_once_an_hour() -> None:
    clock = ManualClock(0.0)
    _, deadlines = await watched(family(ttl=7 * 86_400), clock)
    watch = deadlines._heap[0][2]
    assert watch.due == 3_600
    clock.advance(3_600)
    assert watch.due == 7_200
    deadlines.close()


async def test_nobody_is_watched_once_everybody_has_left() -> None:
    clock = ManualClock(0.0)
    of = family(ttl=5)
    session, deadlines = await watched(of, clock)
    second = Session()
    of.join(second, deadlines, clock)
    assert len(deadlines) == 1
    watch = deadlines._heap[0][2]
    of.leave(session)
    over = [watch.over]
    of.leave(second)
    over.append(watch.over)
    assert over == [False, True]
    watch.late()
    assert session.said is None
    of.join(second, deadlines, clock)
    assert len(deadlines) == 2
    deadlines.close()


async def test_all_end_but_one() -> None:
    of, goes = family(), Session()
    stays, deadlines = await watched(of, ManualClock(0.0))
    of.join(goes, deadlines, ManualClock(0.0))
    assert len(deadlines) == 0  # nothing ends them in time
    of.end(CloseCode.SESSION_REVOKED, EndReason.PARENT_CLOSED, but=stays)
    assert stays.said is None
    assert goes.said == (CloseCode.SESSION_REVOKED, EndReason.PARENT_CLOSED)
