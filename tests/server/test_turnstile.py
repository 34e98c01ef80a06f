"""A turnstile: who passes, who waits, and nothing left of either."""

import asyncio
from contextlib import suppress

import pytest

from vestibule.server.turnstile import Turnstile


async def test_who_passes_is_counted_under_each_of_its_keys_until_it_is_through() -> (
    None
):
    turnstile = Turnstile()
    with turnstile.under("a", ("lisa", "a")), turnstile.under("a"):
        counts = [turnstile.passing(key) for key in ("a", ("lisa", "a"), "b")]
        assert counts == [2, 1, 0]
    assert len(turnstile) == 0


async def test_whoever_fails_inside_is_through_as_well() -> None:
    turnstile = Turnstile()
    with pytest.raises(ValueError, match="inside"), turnstile.under("a"):
        raise ValueError("inside")
    assert len(turnstile) == 0


async def test_where_nobody_passes_nobody_waits() -> None:
    turnstile = Turnstile()
    await asyncio.wait_for(turnstile.wait("a"), 0.1)
    assert len(turnstile) == 0


async def test_those_that_wait_go_on_in_order_when_one_is_through() -> None:
    turnstile = Turnstile()
    went_on: list[int] = []

    async def waiting(number: int) -> None:
        await turnstile.wait("a")
        went_on.append(number)

    with turnstile.under("a"):
        async with asyncio.TaskGroup() as tasks:
            with turnstile.under("a"):
                for number in range(3):
                    tasks.create_task(waiting(number))
                await asyncio.sleep(0.01)
                assert went_on == []
        assert went_on == [0, 1, 2]
        assert turnstile.passing("a") == 1


async def test_one_that_waits_no_more_leaves_nothing_and_the_others_waiting() -> None:
    turnstile = Turnstile()
    with turnstile.under("a"):
        gone, there = (asyncio.ensure_future(turnstile.wait("a")) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        assert not there.done()
    await asyncio.wait_for(there, 0.1)
    assert len(turnstile) == 0
