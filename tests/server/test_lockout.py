"""Counting failed logins, on a clock that moves when told to."""

from vestibule.server.lockout import AddressFailures, Lockout
from vestibule.server.testing.clock import ManualClock


def lockout(clock: ManualClock, *, enabled: bool = True) -> Lockout:
    return Lockout(enabled=enabled, attempts=4, interval=600, clock=clock)


def test_a_name_is_locked_from_one_address_after_the_attempts() -> None:
    clock = ManualClock()
    lock = lockout(clock)
    for _ in range(3):
        lock.failed("lisa", "a")
    assert lock.locked("lisa", "a") is None
    lock.failed("lisa", "a")
    assert lock.locked("lisa", "a") == 600
    assert lock.locked("lisa", "b") is None
    assert lock.locked("bob", "a") is None


def test_the_lock_ends_after_the_interval_and_counting_begins_anew() -> None:
    clock = ManualClock()
    lock = lockout(clock)
    for _ in range(4):
        lock.failed("lisa", "a")
    clock.advance(599)
    assert lock.locked("lisa", "a") == 1
    clock.advance(1)
    assert lock.locked("lisa", "a") is None
    lock.failed("lisa", "a")
    assert lock.locked("lisa", "a") is None


def test_a_success_clears_the_pair() -> None:
    clock = ManualClock()
    lock = lockout(clock)
    for _ in range(3):
        lock.failed("lisa", "a")
    lock.succeeded("lisa", "a")
    lock.failed("lisa", "a")
    assert lock.locked("lisa", "a") is None


def test_failures_left_are_those_that_a_pair_has_until_it_is_locked() -> None:
    clock = ManualClock()
    lock = lockout(clock)
    left = []
    for _ in range(5):
        left.append(lock.failures_left("lisa", "a"))
        lock.failed("lisa", "a")
    assert left == [4, 3, 2, 1, 0]
    assert lock.failures_left("lisa", "b") == 4
    clock.advance(600)
    assert lock.failures_left("lisa", "a") == 4
    assert lockout(clock, enabled=False).failures_left("lisa", "a") is None


def test_failures_left_are_those_that_an_address_has_until_it_is_shut_out() -> None:
    clock = ManualClock()
    addresses = AddressFailures(most=2, window=300, clock=clock)
    left = []
    for _ in range(3):
        left.append(addresses.failures_left("a"))
        addresses.failed("a")
        clock.advance(1)
    assert left == [2, 1, 0]
    clock.advance(298)
    assert addresses.failures_left("a") == 1
    clock.advance(1)
    assert addresses.failures_left("a") == 2


def test_a_lockout_that_is_off_never_locks() -> None:
    lock = lockout(ManualClock(), enabled=False)
    for _ in range(50):
        lock.failed("lisa", "a")
    assert lock.locked("lisa", "a") is None


def test_the_table_forgets_the_oldest_pair_first() -> None:
    lock = lockout(ManualClock())
    for _ in range(4):
        lock.failed("lisa", "a")
    for number in range(9_999):
        lock.failed(f"user{number}", "a")
    assert lock.locked("lisa", "a") is not None
    lock.failed("one more", "a")
    assert lock.locked("lisa", "a") is None


def test_l1_ten_thousand_guesses_from_one_address_are_evaluated_eight_times() -> None:
    clock = ManualClock()
    lock = lockout(clock)
    evaluated = 0
    for _ in range(10_000):
        clock.advance(900 / 10_000)
        if lock.locked("lisa", "a") is None:
            evaluated += 1
            lock.failed("lisa", "a")
    assert evaluated <= 8


def test_an_address_is_refused_within_its_window_whatever_the_names() -> None:
    clock = ManualClock()
    addresses = AddressFailures(most=30, window=300, clock=clock)
    for _ in range(30):
        assert addresses.retry_after("a") is None
        addresses.failed("a")
        clock.advance(1)
    assert addresses.retry_after("a") == 270
    assert addresses.retry_after("b") is None
    clock.advance(270)
    assert addresses.retry_after("a") is None


def test_l1_names_from_one_address_are_evaluated_thirty_times_in_any_window() -> None:
    clock = ManualClock()
    addresses = AddressFailures(most=30, window=300, clock=clock)
    evaluated: list[float] = []
    for _ in range(10_000):
        clock.advance(0.09)
        if addresses.retry_after("a") is None:
            evaluated.append(clock())
            addresses.failed("a")
    for at in evaluated:
        assert sum(at - 300 < other <= at for other in evaluated) <= 30
