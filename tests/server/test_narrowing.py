"""What the permissions of a profile leave: rules that can only refuse."""

from typing import Any

import pytest

from vestibule.protocol.actions import DELIVERY, NEEDS, Action, Need, Topic
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import Pattern
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.data import pack
from vestibule.server.directory.model import User
from vestibule.server.narrowing import Narrowing
from vestibule.server.verdict import Allowed


VIEW = Need(
    section=None,
    verb=None,
    path=frozenset(),
    globally=frozenset({GlobalPermission.VIEW_SESSION}),
)
PUBLISH = NEEDS[Topic.EVENT, Action.PUBLISH]
HEAR = DELIVERY.get(
    (Topic.EVENT, Action.SUBSCRIBE), NEEDS[Topic.EVENT, Action.SUBSCRIBE]
)


def narrowing(events: dict[str, Any]) -> Narrowing:
    return Narrowing({"events": events}, broker_name="hub")


def lisa(data: Any = None) -> User:
    return User(username="lisa", user_id="1", application_data=pack(data))


def test_it_allows_what_it_names_and_nothing_else() -> None:
    subject = narrowing({"n": {}, "m": {"actions": ["publish"]}}).subject("lisa", None)
    hears = [
        isinstance(subject.decide(HEAR, parse_name(name)), Allowed)
        for name in ("n", "m", "x")
    ]
    assert hears == [True, False, False]
    assert isinstance(subject.decide(PUBLISH, parse_name("m")), Allowed)
    assert not isinstance(subject.decide(VIEW, parse_name("lisa")), Allowed)


def test_it_decides_patterns_like_rules() -> None:
    hidden = {"authorized": False, "actions": ["*"]}
    subject = narrowing({"n/*": {}, "n/x": hidden}).subject("lisa", None)
    accepted = [
        isinstance(subject.decide_pattern(HEAR, Pattern(text)), Allowed)
        for text in ("n/**", "m/*", "n/x")
    ]
    assert accepted == [True, False, False]


def test_everybody_shares_one_subject_where_no_template_stands() -> None:
    plain = narrowing({"n": {}})
    assert plain.subject("lisa", lisa()) is plain.subject("bob", None)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("u/lisa", True), ("u/bob", False), ("t/red", True), ("t/blue", False)],
)
def test_templates_are_filled_with_the_user(name: str, *, allowed: bool) -> None:
    mine = narrowing({"u/{username}": {}, "t/{application_data.team}": {}})
    subject = mine.subject("lisa", lisa({"team": "red"}))
    assert isinstance(subject.decide(HEAR, parse_name(name)), Allowed) is allowed


def test_without_a_user_the_name_alone_is_filled_in() -> None:
    mine = narrowing({"u/{username}": {}, "t/{application_data.team}": {}})
    subject = mine.subject("guest", None)
    assert isinstance(subject.decide(HEAR, parse_name("u/guest")), Allowed)
    assert not isinstance(subject.decide(HEAR, parse_name("t/red")), Allowed)


def test_what_is_no_permission_object_is_refused() -> None:
    with pytest.raises(DirectoryError):
        Narrowing({"nothing": {}}, broker_name="hub")
