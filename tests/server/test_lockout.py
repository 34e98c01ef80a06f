"""Counting failed logins, on a clock that moves when told to."""

from typing import Any

import pytest

from vestibule.server.lockout import AddressFailures, Lockout
from vestibule.server.testing import MemoryBroker, RequestRefused, memory_broker
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


def test_d112_the_table_holds_ten_thousand_pairs() -> None:
    lock = lockout(ManualClock())
    for number in range(10_001):
        lock.failed(f"unknown{number}", "a")
    assert len(lock._failures) == 10_000
    assert lock.failures_left("unknown0", "a") == 4
    assert lock.failures_left("unknown1", "a") == 3


async def code_of(
    hub: MemoryBroker, name: str, password: str, address: str = "192.0.2.1"
) -> str:
    """Log in on a connection of its own; give the code of the refusal, else nothing."""
    peer = await hub.connect(address=address)
    try:
        await peer.login({"username": name, "password": password})
    except RequestRefused as refusal:
        return refusal.code
    finally:
        peer.close()
    return ""


async def with_lisa(hub: MemoryBroker) -> None:
    admin = await hub.admin()
    lisa = {"username": "lisa", "password": "sesame"}
    await admin.component("vestibule/security/add_user", lisa)


@pytest.mark.parametrize("name", ["lisa", "nobody"])
async def test_d60_a_locked_name_is_free_again_after_the_interval(name: str) -> None:
    clock = ManualClock()
    settings: dict[str, Any] = {"lockout": {"attempts": 2, "interval": 3}}
    async with memory_broker(clock=clock, **settings) as hub:
        await with_lisa(hub)
        wrong = [await code_of(hub, name, "wrong") for _ in range(2)]
        assert wrong == ["INVALID_AUTH_DATA"] * 2
        clock.advance(1)
        assert await code_of(hub, name, "sesame") == "ACCOUNT_LOCKED"
        clock.advance(1)
        # What is refused meanwhile does not lengthen it.
        assert await code_of(hub, name, "wrong") == "ACCOUNT_LOCKED"
        clock.advance(1)
        right = await code_of(hub, name, "sesame")
        assert right == ("" if name == "lisa" else "INVALID_AUTH_DATA")


async def test_d61_by_default_the_fifth_login_is_locked_for_ten_minutes() -> None:
    clock = ManualClock()
    async with memory_broker(clock=clock) as hub:
        await with_lisa(hub)
        wrong = [await code_of(hub, "lisa", "wrong") for _ in range(4)]
        assert wrong == ["INVALID_AUTH_DATA"] * 4
        clock.advance(599)
        assert await code_of(hub, "lisa", "sesame") == "ACCOUNT_LOCKED"
        clock.advance(1)
        assert await code_of(hub, "lisa", "sesame") == ""


async def test_a_success_clears_and_tokens_of_a_locked_name_are_locked_too() -> None:
    async with memory_broker(lockout={"attempts": 2, "interval": 60}) as hub:
        await with_lisa(hub)
        for _ in range(2):
            assert await code_of(hub, "lisa", "wrong") == "INVALID_AUTH_DATA"
            assert await code_of(hub, "lisa", "sesame") == ""
        peer = await hub.connect(address="192.0.2.1")
        answer = await peer.login({"username": "lisa", "password": "sesame"})
        for _ in range(2):
            await code_of(hub, "lisa", "wrong")
        again = await hub.connect(address="192.0.2.1")
        with pytest.raises(RequestRefused) as refusal:
            await again.login({"token": answer["token"]})
        assert refusal.value.code == "ACCOUNT_LOCKED"


async def test_nobody_locks_the_administrator_out_from_elsewhere() -> None:
    async with memory_broker(lockout={"attempts": 2, "interval": 60}) as hub:
        for _ in range(2):
            await code_of(hub, "_ADMIN", "wrong")
        assert await code_of(hub, "_ADMIN", hub.admin_password) == "ACCOUNT_LOCKED"
        assert await code_of(hub, "_ADMIN", hub.admin_password, "192.0.2.2") == ""
