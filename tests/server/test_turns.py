"""Turns of the loop: callbacks at the end of each, one call to the loop for all."""

import asyncio

from vestibule.server.turns import Turns


async def test_everything_of_one_turn_runs_together_at_its_end_in_order() -> None:
    turns = Turns(asyncio.get_running_loop())
    ran: list[tuple[str, int]] = []
    turns.at_end(lambda: ran.append(("first", turns.number)))
    turns.at_end(lambda: ran.append(("second", turns.number)))
    assert (ran, turns.number) == ([], 0)
    await asyncio.sleep(0)
    assert ran == [("first", 1), ("second", 1)]


async def test_what_is_added_at_the_end_of_a_turn_runs_at_the_end_of_the_next() -> None:
    turns = Turns(asyncio.get_running_loop())
    ran: list[int] = []
    turns.at_end(lambda: turns.at_end(lambda: ran.append(turns.number)))
    await asyncio.sleep(0)
    assert ran == []
    await asyncio.sleep(0)
    assert ran == [2]


async def test_a_callback_that_fails_keeps_no_other_from_its_turn() -> None:
    turns = Turns(asyncio.get_running_loop())
    ran: list[int] = []

    def failing() -> None:
        raise ValueError("a fault of the broker's")

    turns.at_end(failing)
    turns.at_end(lambda: ran.append(turns.number))
    await asyncio.sleep(0)
    assert ran == [1]
