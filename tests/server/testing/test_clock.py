"""Time that only moves when told to."""

from vestibule.server.testing import ManualClock


def test_the_clock_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(5.0)
    assert (clock(), clock()) == (5.0, 5.0)
    clock.advance(2.5)
    assert clock() == 7.5
