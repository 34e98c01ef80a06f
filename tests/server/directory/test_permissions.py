"""Permission objects: every fault is told, what is stored can be submitted again."""

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from vestibule.protocol.actions import Section
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.model import Entry
from vestibule.server.directory.permissions import (
    VERBS,
    merged,
    overwritten,
    parse_permissions,
    parse_removals,
    removed,
    shown_permissions,
)


def problems(value: object, *, removing: bool = False) -> list[tuple[str, str, str]]:
    parse = parse_removals if removing else parse_permissions
    with pytest.raises(DirectoryError) as refusal:
        parse(value, "hub")
    assert refusal.value.code is ErrorCode.INVALID_PERMISSION
    return [
        (one["section"], one["path"], one["problem"])
        for one in refusal.value.details["problems"]
    ]


NO = {"authorized": False}


@pytest.mark.parametrize(
    ("section", "path", "entry", "problem"),
    [
        ("method", "a", {}, "unknown-section"),
        ("methods", "a", {"allow": True}, "unknown-key"),
        ("methods", "a", None, "not-an-object"),
        ("methods", "a", {"authorized": 1}, "not-an-object"),
        ("methods", "a", {"deep": "no"}, "not-an-object"),
        ("methods", "a", {"description": "x" * 257}, "not-an-object"),
        ("methods", "a", {"actions": ["get"]}, "unknown-action"),
        ("methods", "a", {"actions": [1]}, "unknown-action"),
        ("methods", "a", {"actions": []}, "missing-actions"),
        ("methods", "a", {"actions": "call"}, "missing-actions"),
        ("web", "a", {}, "missing-actions"),
        ("data", "a", {}, "missing-actions"),
        ("data", "a", {"prohibited": ["read"]}, "missing-actions"),
        ("data", "a", {"actions": ["count"]}, "unknown-action"),
        ("entities", "*", {}, "missing-actions"),
        ("entities", "*", {"actions": ["c"], "deep": False}, "unknown-key"),
        ("entities", "foo", {"actions": ["c"]}, "invalid-path"),
        ("methods", "a", {**NO, "prohibited": ["send"]}, "contradiction"),
        ("methods", "a", {"prohibited": ["call"]}, "contradiction"),
        ("methods", "a", {"actions": ["*"], "prohibited": ["send"]}, "contradiction"),
        ("data", "a", {"actions": ["set"], "prohibited": ["update"]}, "contradiction"),
        ("methods", "a//b", {}, "invalid-path"),
        ("methods", "a**", {}, "invalid-path"),
        ("methods", "a**", {"deep": False}, "invalid-path"),
        ("methods", "", {}, "invalid-path"),
        ("methods", "a/../b", {}, "invalid-path"),
        ("methods", "a\n", {}, "invalid-path"),
        ("data", "_exchange", {"actions": ["read"]}, "reserved-path"),
        ("data", "@H*TTP*/x", NO, "reserved-path"),
        ("methods", "a/{name}", {}, "invalid-template"),
        ("methods", "a/{{username}}", {}, "invalid-template"),
        ("methods", "a/{username", {}, "invalid-template"),
        ("methods", "a/username}", {}, "invalid-template"),
        ("methods", "a/{}", {}, "invalid-template"),
        ("methods", "a/{custom_data.x}", {}, "invalid-template"),
        ("methods", "a/{application_data}", {}, "invalid-template"),
        ("methods", "a/{application_data.}", {}, "invalid-template"),
        ("methods", "a/{application_data.a/b}", {}, "invalid-template"),
        ("methods", "a/{username}", NO, "invalid-template"),
        ("methods", "a/{username}", {"prohibited": ["send"]}, "invalid-template"),
    ],
)
def test_one_fault(section: str, path: str, entry: object, problem: str) -> None:
    value = {section: {path: entry}}
    where = "" if problem == "unknown-section" else path
    assert problems(value) == [(section, where, problem)]


def test_all_faults_are_told_at_once() -> None:
    value = {
        "nope": {},
        "methods": {"a": {}, "/hub/a/": {}, "b": {"x": 1}, "c/{d}": NO},
        "web": [],
        "data": {"_events/x": {"actions": ["read"]}},
    }
    assert problems(value) == [
        ("nope", "", "unknown-section"),
        ("methods", "/hub/a/", "duplicate-path"),
        ("methods", "b", "unknown-key"),
        ("methods", "c/{d}", "invalid-template"),
        ("web", "", "not-an-object"),
        ("data", "_events/x", "reserved-path"),
    ]
    assert problems(None) == [("", "", "not-an-object")]
    assert problems({5: {}}) == [("5", "", "unknown-section")]
    lone: dict[str, Any] = {"methods": {"\ud800": {}}}
    assert problems(lone) == [("methods", "\\ud800", "invalid-path")]


def test_removing_needs_no_actions_and_knows_no_overlap() -> None:
    read = {"actions": ["get"], "prohibited": ["get"]}
    removals = parse_removals({"web": {"a": {}, "b": NO, "c": read}}, "hub")
    every = VERBS[Section.WEB].every
    found = removals[Section.WEB]
    assert (found["a"].allowed, found["a"].prohibited) == (every, frozenset())
    assert (found["b"].allowed, found["b"].prohibited) == (frozenset(), every)
    assert found["c"].allowed == found["c"].prohibited == {"get"}
    assert problems({"web": {"a": {"actions": ["x"]}}}, removing=True) == [
        ("web", "a", "unknown-action")
    ]


def test_defaults_without_actions() -> None:
    value: dict[str, Any] = {
        "methods": {"a": {}, "b": NO},
        "events": {"a": {}, "b": NO},
    }
    submitted = parse_permissions(value, "hub")
    methods, events = submitted[Section.METHODS], submitted[Section.EVENTS]
    assert methods["a"] == Entry(allowed=frozenset({"call"}))
    assert methods["b"] == Entry(prohibited=frozenset({"call", "send", "provide"}))
    assert events["a"] == Entry(allowed=frozenset({"subscribe"}))
    assert events["b"] == Entry(prohibited=frozenset({"subscribe", "publish"}))


def test_verbs_of_happner_are_stored_as_ours() -> None:
    value = {"data": {"a": {"actions": ["get", "on", "set", "remove"]}}}
    entry = parse_permissions(value, "hub")[Section.DATA]["a"]
    assert entry.allowed == {"read", "create", "update", "delete"}


def test_the_last_write_of_a_verb_decides_and_others_stay() -> None:
    def write(rules: Any, entry: dict[str, Any]) -> Any:
        return merged(rules, parse_permissions({"data": {"a": entry}}, "hub"))

    rules = write({}, {"actions": ["read", "update"], "deep": False})
    rules = write(rules, {**NO, "actions": ["update"]})
    assert rules[Section.DATA]["a"] == Entry(frozenset({"read"}), frozenset({"update"}))
    rules = write(rules, {"actions": ["update"], "description": "why"})
    rules = write(rules, {"actions": ["read"]})
    entry = rules[Section.DATA]["a"]
    assert entry == Entry(frozenset({"read", "update"}), description="why")


def test_the_brokers_name_twice_stays_what_it_is() -> None:
    rules = overwritten(parse_permissions({"methods": {"hub/hub/x": {}}}, "hub"))
    assert list(rules[Section.METHODS]) == ["hub/x"]
    shown = shown_permissions(rules, "hub")
    assert list(shown["methods"]) == ["hub/hub/x"]
    assert overwritten(parse_permissions(shown, "hub")) == rules
    data = overwritten(
        parse_permissions({"data": {"hub/x": {"actions": ["read"]}}}, "hub")
    )
    assert list(shown_permissions(data, "hub")["data"]) == ["hub/x"]


PATHS = st.lists(
    st.sampled_from(["a", "b", "hub", "*", "**", "a*", "{username}", "x{user_id}"]),
    min_size=1,
    max_size=3,
).map("/".join)


@st.composite
def entries(draw: st.DrawFn, section: Section, path: str) -> dict[str, Any]:
    verbs = sorted(VERBS[section].every)
    allowed = draw(st.lists(st.sampled_from(verbs), min_size=1, unique=True))
    entry: dict[str, Any] = {"actions": allowed, "deep": draw(st.booleans())}
    rest = [verb for verb in verbs if verb not in allowed]
    if "{" not in path and rest:
        if draw(st.booleans()):
            entry["prohibited"] = draw(st.lists(st.sampled_from(rest), unique=True))
        elif draw(st.booleans()):
            entry["authorized"] = False
    return entry


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for section in (Section.METHODS, Section.EVENTS, Section.WEB, Section.DATA):
        paths = draw(
            st.lists(
                PATHS, max_size=4, unique_by=lambda path: path.removeprefix("hub/")
            )
        )
        value[str(section)] = {path: draw(entries(section, path)) for path in paths}
    return value


@settings(max_examples=50)
@given(objects(), objects())
def test_what_is_read_can_be_submitted_again(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    rules = merged(
        overwritten(parse_permissions(first, "hub")), parse_permissions(second, "hub")
    )
    shown = shown_permissions(rules, "hub")
    assert overwritten(parse_permissions(shown, "hub")) == rules
    assert merged(rules, parse_permissions(shown, "hub")) == rules
    for paths in rules.values():
        assert paths
        for entry in paths.values():
            assert entry.allowed or entry.prohibited
            assert not entry.allowed & entry.prohibited


@settings(max_examples=50)
@given(objects())
def test_removing_all_that_is_there_leaves_nothing(value: dict[str, Any]) -> None:
    rules = overwritten(parse_permissions(value, "hub"))
    shown = shown_permissions(rules, "hub")
    assert removed(rules, parse_removals(shown, "hub")) == {}
