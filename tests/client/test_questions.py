"""Questions about logins, and their answers, as they travel."""

from typing import Any

import pytest

from vestibule.client import Abstain, Allow, Deny
from vestibule.client.questions import answer_of, request_of


QUESTION = {
    "principal": "lisa",
    "credentials": {"password": "sesame"},
    "session_properties": {"$Roles": ""},
    "proposed_properties": {"K": "v"},
    "reauthentication": False,
}


def test_a_question_is_read_and_what_is_new_in_it_passed_over() -> None:
    request = request_of({**QUESTION, "new": 5})
    assert request.principal == "lisa"
    assert request.credentials == {"password": "sesame"}
    assert request.session_properties == {"$Roles": ""}
    assert request.proposed_properties == {"K": "v"}
    assert request.reauthentication is False
    with pytest.raises(TypeError):
        request.credentials["password"] = "x"  # type: ignore[index]  # that is the test


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {**QUESTION, "principal": 5},
        {**QUESTION, "credentials": None},
        {**QUESTION, "reauthentication": 1},
        {**QUESTION, "session_properties": []},
        {**QUESTION, "proposed_properties": {"a": 5}},
    ],
)
def test_what_is_no_question_is_not_read(data: Any) -> None:
    with pytest.raises((TypeError, KeyError)):
        request_of(data)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Allow(), {"action": "allow"}),
        (Allow({}), {"action": "allow", "properties": {}}),
        (
            Allow({"K": "v"}, directory_groups=True),
            {"action": "allow", "properties": {"K": "v"}, "directory_groups": True},
        ),
        (Deny(), {"action": "deny"}),
        (Deny("late"), {"action": "deny", "reason": "late"}),
        (Abstain(), {"action": "abstain"}),
        (True, None),
        (None, None),
        ("allow", None),
        (Allow, None),
        ({"action": "allow"}, None),
    ],
)
def test_only_the_three_answers_are_answers(answer: object, expected: Any) -> None:
    assert answer_of(answer) == expected
