"""Counters: a closed set, read-only from outside."""

from collections.abc import MutableMapping

import pytest

from vestibule.server.counters import COUNTERS, Counters


def test_all_counters_start_at_zero_and_count() -> None:
    counters = Counters()
    assert set(counters) == set(COUNTERS)
    assert set(counters.values()) == {0}
    counters.add("slow_readers")
    assert counters["slow_readers"] == 1


def test_there_are_no_other_counters() -> None:
    with pytest.raises(KeyError):
        Counters().add("no such thing")


def test_nobody_can_set_a_counter_from_outside() -> None:
    assert not isinstance(Counters(), MutableMapping)
