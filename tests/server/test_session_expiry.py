"""Sessions end at their time, and not at one that was, whatever the wall clock does."""

import asyncio
from dataclasses import replace

import pytest

from standing import policy, session
from vestibule.protocol.errors import EndReason
from vestibule.server.session_expiry import SessionExpiry
from vestibule.server.testing import ManualClock


async def test_a_session_ends_when_its_time_has_come() -> None:
    loop = asyncio.get_running_loop()
    expiry = SessionExpiry(loop, loop.time)
    lisa, link = session(policy())
    lisa.expires_at = round((loop.time() + 0.05) * 1000)
    expiry.watch(lisa)
    assert link.ended is None
    async with asyncio.timeout(1):
        await link.over.wait()
    assert link.ended is EndReason.EXPIRED


async def test_a_session_whose_time_is_over_ends_at_once() -> None:
    expiry = SessionExpiry(asyncio.get_running_loop(), ManualClock(1_000))
    lisa, link = session(policy())
    lisa.expires_at = 1_000_000
    expiry.watch(lisa)
    assert link.ended is EndReason.EXPIRED


async def test_one_that_has_another_time_by_then_or_none_goes_on() -> None:
    wall = ManualClock(1_000)
    loop = asyncio.get_running_loop()
    expiry = SessionExpiry(loop, wall)
    lisa, link = session(policy())
    lisa.expires_at = 1_000_020
    expiry.watch(lisa)
    look = expiry._looks[lisa]
    lisa.become(replace(lisa.admission, expires_at=1_009_000), policy())
    expiry.watch(lisa)
    assert look.over
    await asyncio.sleep(0.04)
    assert link.ended is None
    assert 8 < expiry._looks[lisa].due - loop.time() <= 9
    lisa.become(replace(lisa.admission, expires_at=None), policy())
    expiry.watch(lisa)
    assert expiry._looks == {}
    assert link.ended is None


async def test_nothing_is_kept_of_a_session_that_is_forgotten() -> None:
    expiry = SessionExpiry(asyncio.get_running_loop(), ManualClock(1_000))
    lisa, _ = session(policy())
    lisa.expires_at = 2_000_000
    for _ in range(3):
        expiry.watch(lisa)
    assert len(expiry._looks) == 1
    expiry.forget(lisa)
    expiry.forget(lisa)
    assert expiry._looks == {}


@pytest.mark.parametrize("jump", [-4_000, 4_000])
async def test_a_wall_clock_that_is_set_ends_nothing_early_and_nothing_late(
    jump: float,
) -> None:
    wall = ManualClock(10_000)
    loop = asyncio.get_running_loop()
    expiry = SessionExpiry(loop, wall)
    soon, ended = session(policy())
    later, standing = session(policy())
    soon.expires_at, later.expires_at = 10_000_050, 11_000_000
    expiry.watch(soon)
    expiry.watch(later)
    wall.advance(jump)
    async with asyncio.timeout(1):
        await ended.over.wait()
    assert standing.ended is None
    assert expiry._looks[later].due <= loop.time() + 10
