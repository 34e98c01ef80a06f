import math

import pytest

from vestibule.client import Reconnect


@pytest.mark.parametrize(
    "numbers",
    [
        {"first": -1.0},
        {"most": -1.0},
        {"factor": 0.5},
        {"first": math.nan},
        {"most": math.inf},
        {"attempts": 0},
    ],
)
def test_numbers_that_make_no_schedule_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reconnect(**numbers)  # type: ignore[arg-type]  # a table of one argument each


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert Reconnect() == Reconnect(first=0.25, factor=2.0, most=30.0, attempts=None)
