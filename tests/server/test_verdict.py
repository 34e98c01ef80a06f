"""A verdict is not a bool."""

import pytest

from vestibule.server.verdict import Allowed, Denied


@pytest.mark.parametrize("verdict", [Allowed("yes"), Denied("no")])
def test_a_verdict_cannot_be_tested_for_truth(verdict: Allowed | Denied) -> None:
    with pytest.raises(TypeError, match="not a bool"):
        bool(verdict)
