"""Which facts belong to which view."""

from dataclasses import replace
from typing import Any

import pytest

from vestibule.protocol.actions import Section
from vestibule.server.directory.model import (
    AnonymousAction,
    AnonymousPolicy,
    Entry,
    Group,
    Model,
    PropertyRule,
    User,
)
from vestibule.server.directory.verifier import Verifier
from vestibule.server.directory.views import (
    View,
    changed_views,
    security_configuration,
    version_of,
)


MODEL = Model(
    users={"u": User(username="u", user_id="1")}, groups={"g": Group(name="g")}
)
NONE: set[View] = set()
SECURITY, AUTHENTICATION = {View.SECURITY}, {View.AUTHENTICATION}
RULES = {Section.METHODS: {"m": Entry(allowed=frozenset({"call"}))}}


def views_of(after: Model) -> frozenset[View]:
    return changed_views(MODEL, after, users=["u"], groups=["g"])


@pytest.mark.parametrize(
    ("facts", "views"),
    [
        ({"locked_by": "u"}, AUTHENTICATION),
        ({"groups": frozenset({"g"})}, AUTHENTICATION),
        ({"password": Verifier(b"", 0, 0, b"", b"")}, AUTHENTICATION),
        ({"user_id": "2"}, AUTHENTICATION),
        ({"rules": RULES}, NONE),
        ({"custom_data": b"\x01", "disabled": True, "expires": 1}, NONE),
        ({"public_key": b"", "modified": 1}, NONE),
    ],
)
def test_facts_of_a_user(facts: dict[str, Any], views: set[View]) -> None:
    user = replace(MODEL.users["u"], **facts)
    assert views_of(replace(MODEL, users={"u": user})) == views


@pytest.mark.parametrize(
    ("facts", "views"),
    [
        ({"locked_by": "u"}, SECURITY),
        ({"includes": frozenset({"h"})}, SECURITY),
        ({"path_permissions": {"x": frozenset()}}, SECURITY),
        ({"rules": RULES}, NONE),
        ({"custom_data": b"\x01", "explicit": False, "modified": 1}, NONE),
    ],
)
def test_facts_of_a_group(facts: dict[str, Any], views: set[View]) -> None:
    group = replace(MODEL.groups["g"], **facts)
    assert views_of(replace(MODEL, groups={"g": group})) == views


@pytest.mark.parametrize(
    ("facts", "views"),
    [
        ({"users": {}}, AUTHENTICATION),
        ({"groups": {}}, SECURITY),
        ({"isolated_paths": frozenset({"x"})}, SECURITY),
        ({"named_roles": frozenset({"g"})}, SECURITY),
        ({"anonymous_roles": frozenset({"g"})}, SECURITY),
        ({"anonymous": AnonymousPolicy(AnonymousAction.ABSTAIN)}, AUTHENTICATION),
        ({"trusted": {"K": PropertyRule(values=frozenset())}}, AUTHENTICATION),
        ({"epoch": 5}, NONE),
    ],
)
def test_other_facts(facts: dict[str, Any], views: set[View]) -> None:
    assert views_of(replace(MODEL, **facts)) == views


def test_each_view_has_its_version() -> None:
    model = Model(security_version=3, authentication_version=5)
    assert [version_of(model, view) for view in View] == [3, 5]
    assert security_configuration(model)["version"] == 3


def test_a_rule_without_values_or_pattern_accepts_nothing() -> None:
    assert not PropertyRule().accepts("")
    assert PropertyRule(values=frozenset({""})).accepts("")
