from hypothesis import given, strategies as st

from vestibule.client.backoff import Backoff
from vestibule.client.reconnect import Reconnect


SETTING = Reconnect(first=1.0, factor=2.0, most=10.0)


def test_delay_n_is_between_half_and_all_of_the_nth_step() -> None:
    backoff = Backoff(SETTING)
    for whole in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        delay = backoff.delay()
        assert delay is not None
        assert whole / 2 <= delay <= whole


@given(
    first=st.floats(0, 1e6),
    factor=st.floats(1, 1e6),
    most=st.floats(0, 1e6),
    times=st.integers(1, 50),
)
def test_no_delay_is_ever_longer_than_most(
    first: float, factor: float, most: float, times: int
) -> None:
    backoff = Backoff(Reconnect(first=first, factor=factor, most=most))
    for _ in range(times):
        delay = backoff.delay()
        assert delay is not None
        assert 0 <= delay <= most


def test_many_attempts_do_not_overflow() -> None:
    backoff = Backoff(Reconnect(first=1.0, factor=1e300, most=2.0))
    for _ in range(3):
        delay = backoff.delay()
        assert delay is not None
        assert 0.5 <= delay <= 2.0


def test_a_delay_is_never_below_what_the_broker_asked_for() -> None:
    assert Backoff(SETTING).delay(least=25.0) == 25.0


def test_only_a_long_session_makes_the_delays_start_anew() -> None:
    backoff = Backoff(SETTING)
    for _ in range(4):
        backoff.delay()
    backoff.opened(100.0)
    backoff.lost(109.0)
    short = backoff.delay()
    backoff.opened(200.0)
    backoff.lost(210.0)
    long = backoff.delay()
    assert short is not None
    assert long is not None
    assert short >= 5.0
    assert long <= 1.0


def test_the_attempts_of_one_outage_are_bounded() -> None:
    backoff = Backoff(Reconnect(attempts=2))
    assert [backoff.delay() is None for _ in range(3)] == [False, False, True]
    backoff.opened(0.0)
    backoff.lost(1.0)
    assert backoff.delay() is not None
