"""Each scenario that this version claims has a test that bears its id."""

import re
from pathlib import Path

import pytest

from attacks import SCENARIOS


TESTS = Path(__file__).resolve().parent

CLAIMED = {
    "Q": (1, 3, 4, 5, 7, 8),
    "K": (1, 2, 3, 5, 7, 8),
    "L": (1, 2, 3, 4),
    "P": (1, 2, 3, 5, 6, 7, 9, 10, 12, 13),
    "S": (1, 3),
    "W": range(1, 53),
}
"""Scenarios of attacks and faults (docs/security.md), and cases of the wire."""

MEASURED = ("Q1", "Q8", "K5", "L2", "L3", "P1", "P2")
"""What is also measured on a broker of its own, by `benchmarks/attacks.py`."""

NAMED = re.compile(r"^\s*(?:async )?def test_((?:[a-z]\d+_)+)", re.MULTILINE)


def ids_with_tests() -> set[str]:
    """Give the ids that names of tests begin with: `test_w13_w15_k3_…` has three."""
    return {
        one.upper()
        for path in TESTS.rglob("test_*.py")
        for ids in NAMED.findall(path.read_text("utf-8"))
        for one in ids.split("_")
        if one
    }


@pytest.mark.parametrize("family", CLAIMED)
def test_each_claimed_scenario_has_a_test_of_its_name(family: str) -> None:
    claimed = {f"{family}{number}" for number in CLAIMED[family]}
    assert claimed - ids_with_tests() == set()


def test_a_scenario_without_a_test_is_noticed() -> None:
    assert "W99" not in ids_with_tests()
    assert {"W13", "W15", "K3"} <= ids_with_tests()


def test_each_scenario_to_be_measured_has_a_function() -> None:
    assert set(MEASURED) == set(SCENARIOS)
