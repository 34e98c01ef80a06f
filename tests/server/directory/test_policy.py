"""Deciding: precedence, assignments, isolation, patterns, own components."""

import gc
import itertools
import json
import random
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings, strategies as st

from directories import COMPONENTS
from vestibule.protocol.actions import DELIVERY, NEEDS, Action, Need, Section, Topic
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import parse_pattern
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory import closure
from vestibule.server.directory.data import pack
from vestibule.server.directory.model import Entry, Group, Model, Rules, User
from vestibule.server.directory.policy import Policy
from vestibule.server.verdict import Allowed, Denied, Grant


SUBSCRIBE = NEEDS[Topic.EVENT, Action.SUBSCRIBE]
PUBLISH = NEEDS[Topic.EVENT, Action.PUBLISH]
CALL = NEEDS[Topic.RPC, Action.CALL]
PROVIDE = NEEDS[Topic.RPC, Action.PROVIDE]
HEAR = DELIVERY[Topic.EVENT, Action.SUBSCRIBE]
READ, SELECT, UPDATE = (
    PathPermission.READ_TOPIC,
    PathPermission.SELECT_TOPIC,
    PathPermission.UPDATE_TOPIC,
)


def policy(
    *groups: Group,
    users: Iterable[User] = (),
    isolated: Iterable[str] = (),
    **more: Any,
) -> Policy:
    model = Model(
        groups={group.name: group for group in groups},
        users={user.username: user for user in users},
        isolated_paths=frozenset(isolated),
        **more,
    )
    return Policy(model, broker_name="hub", components=COMPONENTS)


def rules(section: Section, **entries: Entry) -> Rules:
    return {section: entries}


def allow(*verbs: str, deep: bool = False) -> Entry:
    return Entry(allowed=frozenset(verbs), deep=deep)


def prohibit(*verbs: str, deep: bool = False) -> Entry:
    return Entry(prohibited=frozenset(verbs), deep=deep)


def events(name: str, /, **entries: Entry) -> Group:
    return Group(name=name, rules={Section.EVENTS: entries})


def test_silence_is_a_denial_that_is_no_prohibition() -> None:
    verdict = policy().subject("lisa", []).decide(SUBSCRIBE, parse_name("a"))
    assert isinstance(verdict, Denied)
    assert not verdict.forbidden
    assert verdict.grant is None


def test_each_verdict_names_the_grant_that_decided_it() -> None:
    groups = (
        events("G", a=allow("subscribe"), b=prohibit("subscribe")),
        Group(name="A", path_permissions={"c": frozenset({SELECT})}),
        Group(name="D", default_path_permissions=frozenset({UPDATE})),
        Group(
            name="W",
            global_permissions=frozenset({GlobalPermission.REGISTER_HANDLER}),
        ),
    )
    subject = policy(*groups).subject("lisa", ["G", "A", "D", "W"])

    def grant(need: Need, name: str) -> Grant | None:
        return subject.decide(need, parse_name(name)).grant

    assert grant(SUBSCRIBE, "a") == Grant("group:G", "events", "a", "subscribe", True)  # noqa: FBT003 - a row of a table
    assert grant(SUBSCRIBE, "b") == Grant("group:G", "events", "b", "subscribe", False)  # noqa: FBT003 - as above
    assert grant(SUBSCRIBE, "c/d") == Grant(
        "group:A", "assignment", "c", "SELECT_TOPIC", authorized=True
    )
    assert grant(PUBLISH, "a") == Grant(
        "group:D", "assignment", "default", "UPDATE_TOPIC", authorized=True
    )
    assert grant(PROVIDE, "a") == Grant(
        "group:W", "global", "", "REGISTER_HANDLER", authorized=True
    )
    forbidden = subject.decide(SUBSCRIBE, parse_name("b"))
    assert isinstance(forbidden, Denied)
    assert forbidden.forbidden
    assert subject.forbids(SUBSCRIBE, parse_name("b")) == forbidden
    assert subject.forbids(SUBSCRIBE, parse_name("a")) is None


def test_assignments_of_several_roles_add_up() -> None:
    one = Group(name="A", path_permissions={"n": frozenset({SELECT})})
    other = Group(name="B", path_permissions={"n": frozenset({READ})})
    subject = policy(one, other).subject("", ["A", "B"])
    assert isinstance(subject.decide(HEAR, parse_name("n/x")), Allowed)
    alone = policy(one, other).subject("", ["A"])
    assert isinstance(alone.decide(HEAR, parse_name("n/x")), Denied)
    assert isinstance(alone.decide(SUBSCRIBE, parse_name("n/x")), Allowed)


def vectors() -> list[dict[str, Any]]:
    path = Path(__file__).parents[2] / "vectors" / "path_permission_vectors.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return list(loaded["vectors"])


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_s20_path_permission_vectors(vector: dict[str, Any]) -> None:
    store = vector["store"]
    names = {
        *store["includes"],
        *(name for names in store["includes"].values() for name in names),
        *store["default_path_permissions"],
        *store["path_permissions"],
    }
    groups = [
        Group(
            name=name,
            includes=frozenset(store["includes"].get(name, ())),
            default_path_permissions=frozenset(
                map(PathPermission, store["default_path_permissions"].get(name, ()))
            ),
            path_permissions={
                path: frozenset(map(PathPermission, permissions))
                for path, permissions in store["path_permissions"].get(name, {}).items()
            },
        )
        for name in names
    ]
    made = policy(*groups, isolated=store["isolated_paths"])
    subject = made.subject("u", vector["roles"])
    name = parse_name(vector["path"])

    assert sorted(subject.path_permissions(name)) == vector["permissions"]
    allowed = isinstance(subject.decide(PUBLISH, name), Allowed)
    assert allowed is ("UPDATE_TOPIC" in vector["permissions"])


def test_own_components_are_isolated() -> None:
    send = frozenset({PathPermission.SEND_TO_MESSAGE_HANDLER})
    group = Group(
        name="A",
        default_path_permissions=send,
        path_permissions={"hub": send, "hub/security/get_user": send},
    )
    subject = policy(group).subject("", ["A"])

    def may(name: str) -> bool:
        return isinstance(subject.decide(CALL, parse_name(name)), Allowed)

    assert may("hub/c/m")
    assert may("hub/security/get_user")
    assert not may("hub/security/add_user")
    assert "isolated" in subject.decide(CALL, parse_name("hub/security/x")).reason


def test_a_rule_matches_with_and_without_the_brokers_name() -> None:
    entries = {"c/m": allow("call"), "x": allow("call"), "c/q/*": prohibit("call")}
    group = Group(name="G", rules={Section.METHODS: entries})
    subject = policy(group).subject("", ["G"])

    def may(name: str) -> bool:
        return isinstance(subject.decide(CALL, parse_name(name)), Allowed)

    assert may("c/m")
    assert may("hub/c/m")
    assert may("hub/x")
    assert not may("hub/hub/c/m")
    assert not may("hubX/c/m")
    assert not may("hub")
    assert subject.forbids(CALL, parse_name("hub/c/q/1")) is not None


def test_data_paths_are_record_names_as_they_stand() -> None:
    need = Need(section=Section.DATA, verb="read")
    group = Group(name="G", rules={Section.DATA: {"r/a": allow("read")}})
    subject = policy(group).subject("", ["G"])
    assert isinstance(subject.decide(need, parse_name("r/a")), Allowed)
    assert isinstance(subject.decide(need, parse_name("hub/r/a")), Denied)


def test_a_session_that_is_not_bound_has_a_users_prohibitions_only() -> None:
    lisa = User(
        username="lisa",
        user_id="1",
        groups=frozenset({"G"}),
        application_data=pack({"x": "secret"}),
        rules=rules(Section.EVENTS, a=allow("subscribe"), b=prohibit("subscribe")),
    )
    every = {"*": allow("subscribe")}
    group = events("G", **every)
    filled = {
        "u/{username}": allow("subscribe"),
        "t/{application_data.x}": allow("subscribe"),
        "i/{user_id}": allow("subscribe"),
    }
    made = policy(group, events("T", **filled), users=[lisa])

    bound, unbound = made.subject("lisa", None), made.subject("lisa", ["T"])
    for name, expected in (
        ("a", (Allowed, Denied)),
        ("b", (Denied, Denied)),
        ("c", (Allowed, Denied)),
        ("u/lisa", (Denied, Allowed)),
        ("t/secret", (Denied, Denied)),
        ("i/1", (Denied, Denied)),
    ):
        asked = parse_name(name)
        got = tuple(type(one.decide(SUBSCRIBE, asked)) for one in (bound, unbound))
        assert got == expected, name
    assert unbound.forbids(SUBSCRIBE, parse_name("b")) is not None
    assert {void.path for void in unbound.void} == {
        "t/{application_data.x}",
        "i/{user_id}",
    }


def test_who_follows_the_directory_has_the_defaults_of_its_kind() -> None:
    lisa = User(username="lisa", user_id="1", groups=frozenset({"G"}))
    made = policy(
        users=[lisa], named_roles=frozenset({"N"}), anonymous_roles=frozenset({"A"})
    )
    assert made.subject("lisa", None).groups == {"G", "N"}
    assert made.subject("stranger", None).groups == {"N"}
    assert made.subject("", None).groups == {"A"}
    assert made.subject("lisa", ["X"]).groups == {"X"}
    assert made.subject("lisa", ["X"]).effective_groups == frozenset()


@pytest.mark.parametrize("name", ["hub", "security", "upsert_user"])
def test_a_template_does_not_widen_to_the_brokers_own(name: str) -> None:
    user = User(username=name, user_id="1", groups=frozenset({"G"}))
    entries = {
        "{username}/*": allow("call", deep=True),
        "*/{username}/*": allow("call", deep=True),
        "x/{username}": allow("call"),
    }
    group = Group(name="G", rules={Section.METHODS: entries})
    subject = policy(group, users=[user]).subject(name, None)

    asked = parse_name("hub/security/upsert_user")
    assert isinstance(subject.decide(CALL, asked), Denied)
    assert isinstance(subject.decide(CALL, parse_name(f"hub/x/{name}")), Allowed)
    said = {"security/{username}": allow("call")}
    meant = Group(name="G", rules={Section.METHODS: said})
    administrator = policy(meant, users=[user]).subject(name, None)
    verdict = administrator.decide(CALL, parse_name(f"hub/security/{name}"))
    assert isinstance(verdict, Allowed)


def test_patterns_behind_the_brokers_name() -> None:
    entries = {"c/e/*": allow("subscribe", deep=True), "c/e/x": prohibit("subscribe")}
    subject = policy(events("G", **entries)).subject("", ["G"])

    def accepted(pattern: str) -> bool:
        verdict = subject.decide_pattern(SUBSCRIBE, parse_pattern(pattern))
        return isinstance(verdict, Allowed)

    for pattern in ("c/e/*", "hub/c/e/*", "h*/c/e/**", "**", "**/e/*", "*/c/**"):
        assert accepted(pattern), pattern
    for pattern in ("d/*", "hub/d/**", "xhub/c/e/*", "c/e/x", "hub/c/e/x"):
        assert not accepted(pattern), pattern


def test_a_prohibition_covers_a_pattern_star_by_star() -> None:
    def accepted(prohibited: str, pattern: str) -> bool:
        entries = {"**": allow("subscribe"), prohibited: prohibit("subscribe")}
        subject = policy(events("G", **entries)).subject("", ["G"])
        verdict = subject.decide_pattern(SUBSCRIBE, parse_pattern(pattern))
        return isinstance(verdict, Allowed)

    assert not accepted("d/*", "d/*")
    assert accepted("d/*", "d/**")
    assert not accepted("d/**", "d/**")
    assert not accepted("d/**", "d/*/x")
    assert accepted("d/a", "d/*")
    assert not accepted("d/*", "hub/d/*")
    assert accepted("d/*", "*/d/*")


def test_assignments_grant_a_pattern_at_its_literal_prefix() -> None:
    group = Group(
        name="A",
        path_permissions={"a": frozenset({SELECT}), "a/b": frozenset()},
    )
    default = Group(name="D", default_path_permissions=frozenset({SELECT}))
    made = policy(group, default)

    def accepted(pattern: str, *groups: str) -> bool:
        subject = made.subject("", groups)
        verdict = subject.decide_pattern(SUBSCRIBE, parse_pattern(pattern))
        return isinstance(verdict, Allowed)

    assert accepted("a/**", "A")
    assert accepted("a/x/*", "A")
    assert not accepted("a/b/*", "A")
    assert not accepted("**", "A")
    assert accepted("**", "D")
    assert not accepted("hub/security/*", "D")


def test_equal_questions_share_a_subject_and_others_do_not() -> None:
    made = policy(events("G", a=allow("subscribe")))
    first = made.subject("lisa", ["G"])
    assert made.subject("lisa", ("G", "G")) is first
    assert made.subject("bob", ["G"]) is not first
    assert made.subject("lisa", None) is not first
    number = id(first)
    del first
    gc.collect()
    assert isinstance(number, int)
    assert made.subject("lisa", ["G"]).groups == {"G"}


def test_verdicts_are_remembered_within_bounds() -> None:
    subject = policy(events("G", **{"*": allow("subscribe")})).subject("", ["G"])
    names = [parse_name(f"n{number}") for number in range(3_000)]
    for name in names:
        assert isinstance(subject.decide(SUBSCRIBE, name), Allowed)
    assert len(subject._verdicts) <= 1_024
    last = subject.decide(SUBSCRIBE, names[-1])
    assert subject.decide(SUBSCRIBE, names[-1]) is last


def test_the_same_rights_at_another_epoch() -> None:
    group, other = events("G", a=allow("subscribe")), events("H")
    before = policy(group, other)
    model = Model(epoch=2, groups={"G": group, "H": events("H", b=allow("publish"))})
    after = before.successor(model, ["H"])

    assert after.subject("x", ["G"]).same_rights(before.subject("x", ["G"]))
    assert not after.subject("x", ["H"]).same_rights(before.subject("x", ["H"]))
    assert not after.subject("x", ["G"]).same_rights(before.subject("y", ["G"]))
    isolated = before.successor(
        Model(groups=before.model.groups, isolated_paths=frozenset({"p"}))
    )
    assert not isolated.subject("x", ["G"]).same_rights(before.subject("x", ["G"]))


def test_groups_are_joined_where_they_are_asked_often_and_memory_allows() -> None:
    groups = [
        Group(
            name=name,
            rules={Section.EVENTS: {f"{name}/*": allow("subscribe", deep=True)}},
            path_permissions={f"at/{name}": frozenset({UPDATE})},
        )
        for name in ("A", "B")
    ]
    names = [parse_name(f"{group}/{at}") for group in "ABC" for at in range(60)]
    names += [parse_name(f"at/{group}/{at}") for group in "ABC" for at in range(60)]
    for budget, joined in ((0, 0), (1_000, 4)):
        with mock.patch.object(closure, "_BUDGET", budget):
            made = policy(*groups)
            subject = made.subject("", ["A", "B"])
            for name in names:
                first = name.segments[0]
                heard = isinstance(subject.decide(SUBSCRIBE, name), Allowed)
                assert heard is (first in ("A", "B")), name
                told = isinstance(subject.decide(PUBLISH, name), Allowed)
                assert told is (first == "at" and name.segments[1] != "C"), name
            assert made.closure(["A", "B"]).joined == joined


def test_p7_a_long_chain_decides_right_at_its_end() -> None:
    end = 1_000
    groups = [
        Group(name=f"g{at}", includes=frozenset({f"g{at + 1}"})) for at in range(end)
    ]
    last = events(f"g{end}", a=allow("subscribe"), b=prohibit("subscribe"))
    subject = policy(*groups, last).subject("", ["g0"])
    assert isinstance(subject.decide(SUBSCRIBE, parse_name("a")), Allowed)
    assert subject.forbids(SUBSCRIBE, parse_name("b")) is not None
    assert len(subject.effective_groups) == end + 1


def test_p7_a_user_in_5000_groups() -> None:
    groups = [events(f"g{at}", **{f"e{at}": allow("subscribe")}) for at in range(5_000)]
    names = frozenset(group.name for group in groups)
    lisa = User(username="lisa", user_id="1", groups=names)
    subject = policy(*groups, users=[lisa]).subject("lisa", None)
    assert isinstance(subject.decide(SUBSCRIBE, parse_name("e4999")), Allowed)
    assert isinstance(subject.decide(SUBSCRIBE, parse_name("e5000")), Denied)


# P3: an oracle that knows the words of the specification and nothing of the policy.


def oracle_fits(pattern: list[str], name: list[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(oracle_fits(pattern[1:], name[at:]) for at in range(len(name) + 1))
    if not name or (pattern[0] != name[0] and (pattern[0] != "*" or name[0] == "**")):
        return False
    return oracle_fits(pattern[1:], name[1:])


def of_size(letters: str, most: int) -> list[str]:
    return [
        "/".join(one)
        for size in range(1, most + 1)
        for one in itertools.product(letters.split(), repeat=size)
    ]


ORACLE_NAMES = of_size("a b", 4)
ORACLE_NAMES += ["hub/" + name for name in of_size("a b", 3)]


def bits(pattern: str, *, of_rule: bool) -> int:
    """The names that a pattern fits, a rule's also behind the broker's name."""
    found = 0
    for at, name in enumerate(ORACLE_NAMES):
        forms = {name, name.removeprefix("hub/") if of_rule else name}
        split = pattern.split("/")
        found |= any(oracle_fits(split, form.split("/")) for form in forms) << at
    return found


FITS = {pattern: bits(pattern, of_rule=False) for pattern in of_size("a b * **", 3)}
RULE_FITS = {pattern: bits(pattern, of_rule=True) for pattern in FITS}


def oracle(allowed: str, prohibited: str | None, asked: str) -> tuple[bool, int]:
    """Whether the subscription is accepted, and what it hears then, as bits."""
    hidden = RULE_FITS.get(prohibited or "", 0)
    heard = FITS[asked] & RULE_FITS[allowed] & ~hidden
    if "*" not in asked:
        return bool(heard), heard
    covered = prohibited is not None and oracle_fits(
        prohibited.split("/"), asked.split("/")
    )
    return bool(RULE_FITS[allowed] & FITS[asked]) and not covered, heard


def test_p3_what_is_delivered_is_what_the_oracle_says() -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - drawn cases, named by their seed
    small, every = of_size("a b * **", 2), list(FITS)
    names = [parse_name(name) for name in ORACLE_NAMES]
    rounds = [(one, other, small) for one in small for other in (None, *small)]
    rounds += [
        (
            chance.choice(every),
            chance.choice([None, *every]),
            chance.choices(every, k=20),
        )
        for _ in range(1_000)
    ]
    for allowed, prohibited, asked in rounds:
        groups = [events("A", **{allowed: allow("subscribe")})]
        if prohibited is not None:
            groups.append(events("P", **{prohibited: prohibit("subscribe")}))
        subject = policy(*groups).subject("", ["A", "P"])
        received = sum(
            isinstance(subject.decide(HEAR, name), Allowed) << at
            for at, name in enumerate(names)
        )
        for pattern in asked:
            verdict = subject.decide_pattern(SUBSCRIBE, parse_pattern(pattern))
            accepted, heard = oracle(allowed, prohibited, pattern)
            where = f"seed {seed}: {allowed} {prohibited} {pattern}"
            assert isinstance(verdict, Allowed) is accepted, where
            assert received & FITS[pattern] == heard, where


# The compiled policy against one that is written as the specification reads.

GROUPS = ["G0", "G1", "G2", "G3"]
WRITTEN = st.lists(
    st.sampled_from(["a", "b", "*", "**", "a*", "*b", "hub"]), min_size=1, max_size=3
).map("/".join)
CONCRETE = st.lists(
    st.sampled_from(["a", "b", "ab", "hub", "security"]), min_size=1, max_size=4
).map("/".join)
SETS = st.frozensets(st.sampled_from([READ, SELECT, UPDATE]))
VERBS = st.frozensets(st.sampled_from(["subscribe", "publish"]))
ENTRIES = st.builds(
    lambda allowed, prohibited, deep: Entry(allowed - prohibited, prohibited, deep),
    VERBS,
    VERBS,
    st.booleans(),
)
RULES = st.dictionaries(WRITTEN, ENTRIES, max_size=4)


@st.composite
def stores(draw: st.DrawFn) -> Policy:
    groups = [
        Group(
            name=name,
            # Only later ones, so that there is no circle.
            includes=draw(st.frozensets(st.sampled_from(GROUPS[at + 1 :] or ["gone"]))),
            rules={Section.EVENTS: draw(RULES)},
            default_path_permissions=draw(SETS),
            path_permissions=draw(st.dictionaries(CONCRETE, SETS, max_size=3)),
        )
        for at, name in enumerate(GROUPS)
    ]
    user = User(
        username="lisa",
        user_id="1",
        groups=draw(st.frozensets(st.sampled_from([*GROUPS, "gone"]))),
        rules={Section.EVENTS: draw(RULES)},
    )
    isolated = draw(st.frozensets(CONCRETE, max_size=2))
    return policy(*groups, users=[user], isolated=isolated)


def naive_fits(written: str, deep: bool, name: str) -> bool:  # noqa: FBT001 - a column
    """Match by a regular expression, made from the table of wildcards."""
    segments = written.split("/")
    last = len(segments) - 1
    text = ""
    for at, segment in enumerate(segments):
        if segment == "**" or (deep and written == "*"):
            text += "(/[^/]+)*"
            continue
        text += "/" + "[^/]*".join(map(re.escape, segment.split("*")))
        inside = segment == "*" and 0 < at < last
        if deep and (inside or (at == last and segment.endswith("*"))):
            text += "(/[^/]+)*"
    return re.fullmatch(text, "/" + name) is not None


def naive_closure(model: Model, names: Iterable[str]) -> set[str]:
    found = {name for name in names if name in model.groups}
    while True:
        more = {
            included
            for name in found
            for included in model.groups[name].includes
            if included in model.groups
        }
        if more <= found:
            return found
        found |= more


def naive_permissions(made: Policy, groups: set[str], path: str) -> set[PathPermission]:
    segments = path.split("/")
    places = ["/".join(segments[:size]) for size in range(len(segments), 0, -1)]
    result: set[PathPermission] = set()
    for name in groups:
        group = made.model.groups[name]
        for place in places:
            if place in group.path_permissions:
                result |= group.path_permissions[place]
                break
            if place in made.model.isolated_paths or place == "hub/security":
                break
        else:
            result |= group.default_path_permissions
    return result


def naive(made: Policy, need: Need, path: str) -> bool | None:
    """True: allowed; False: prohibited; None: nothing says so."""
    lisa = made.model.users["lisa"]
    groups = naive_closure(made.model, lisa.groups)
    holders = [lisa.rules, *(made.model.groups[name].rules for name in groups)]
    forms = [path, path[4:]] if path.startswith("hub/") else [path]
    matching = [
        entry
        for holder in holders
        for written, entry in holder[Section.EVENTS].items()
        if any(naive_fits(written, entry.deep, form) for form in forms)
    ]
    if any(need.verb in entry.prohibited for entry in matching):
        return False
    if any(need.verb in entry.allowed for entry in matching):
        return True
    if need.path <= naive_permissions(made, groups, path):
        return True
    return None


@settings(max_examples=100)
@given(stores(), st.lists(CONCRETE, min_size=1, max_size=6), st.sampled_from([0, 32]))
def test_the_compiled_policy_decides_as_the_words_do(
    made: Policy, paths: list[str], patience: int
) -> None:
    with mock.patch.object(closure, "_PATIENCE", patience):
        compare_with_the_words(made, paths)


def compare_with_the_words(made: Policy, paths: list[str]) -> None:
    subject = made.subject("lisa", None)
    groups = naive_closure(made.model, made.model.users["lisa"].groups)
    assert subject.effective_groups == groups
    for path in paths:
        name = parse_name(path)
        assert subject.path_permissions(name) == naive_permissions(made, groups, path)
        for need in (SUBSCRIBE, PUBLISH, HEAR):
            verdict = subject.decide(need, name)
            expected = naive(made, need, path)
            assert isinstance(verdict, Allowed) is (expected is True)
            if isinstance(verdict, Denied):
                assert verdict.forbidden is (expected is False)
            forbidden = subject.forbids(need, name)
            assert (forbidden is not None) is (expected is False)


@settings(max_examples=100)
@given(stores(), WRITTEN, st.lists(CONCRETE, min_size=1, max_size=6))
def test_a_pattern_that_hears_something_is_not_refused_for_silence(
    made: Policy, written: str, paths: list[str]
) -> None:
    pattern = parse_pattern(written)
    subject = made.subject("lisa", None)
    verdict = subject.decide_pattern(SUBSCRIBE, pattern)
    if isinstance(verdict, Denied) and not verdict.forbidden:
        for path in paths:
            name = parse_name(path)
            allowed = subject.decide(SUBSCRIBE, name)
            if pattern.matches(name) and isinstance(allowed, Allowed):
                assert allowed.grant is not None
                assert allowed.grant.section == "assignment"
