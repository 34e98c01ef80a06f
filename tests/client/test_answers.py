from typing import Any

import pytest

from vestibule.client import answers
from vestibule.protocol.permissions import GlobalPermission, PathPermission


def test_permissions_are_read_by_their_numbers_and_later_ones_are_unknown() -> None:
    assert answers.global_permissions([1, 99]) == {
        GlobalPermission.VIEW_SESSION,
        GlobalPermission.UNKNOWN_GLOBAL_PERMISSION,
    }
    assert answers.path_permissions([0, 12]) == {
        PathPermission.READ_TOPIC,
        PathPermission.UNKNOWN_PATH_PERMISSION,
    }


@pytest.mark.parametrize("answer", [None, True, "1", 1.0])
def test_a_number_is_a_number(answer: Any) -> None:
    with pytest.raises(TypeError):
        answers.number(answer)


@pytest.mark.parametrize("answer", [None, [], "a"])
def test_a_map_is_a_map(answer: Any) -> None:
    with pytest.raises(TypeError):
        answers.text_map(answer)
