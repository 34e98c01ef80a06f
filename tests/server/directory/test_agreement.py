"""The live gate and every question about it give the same answers, on any directory."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings, strategies as st
from msgspec import Raw

from directories import COMPONENTS
from standing import session
from vestibule.protocol.actions import Section, Topic
from vestibule.protocol.codec import encode_body
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import Pattern, parse_pattern
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.counters import Counters
from vestibule.server.directory import questions
from vestibule.server.directory.capabilities import what_can
from vestibule.server.directory.comparing import differences
from vestibule.server.directory.data import pack
from vestibule.server.directory.model import Entry, Group, Model, Rules, User
from vestibule.server.directory.paths import InvalidPath, stored_path
from vestibule.server.directory.permissions import VERBS
from vestibule.server.directory.policy import Policy
from vestibule.server.gate import CALL, PUBLISH, SUBSCRIBE, Gate, Right, Ruling
from vestibule.server.hooks import Hooks
from vestibule.server.verdict import Allowed


BROKER = "hub"
SECTIONS = (Section.METHODS, Section.EVENTS, Section.DATA)
ASKED: dict[tuple[Section, str], Right] = {
    (Section.METHODS, "call"): CALL,
    (Section.EVENTS, "publish"): PUBLISH,
    (Section.EVENTS, "subscribe"): SUBSCRIBE,
}
"""What is a message already, and so has a live gate to compare with."""

segments = st.sampled_from(["a", "b", "a", "b", BROKER, "security"])
names = st.lists(segments, min_size=1, max_size=3).map("/".join).map(parse_name)
globs = st.sampled_from(["a", "b", "*", "**", "a*", BROKER, "security"])
written = st.lists(globs, min_size=1, max_size=3).map("/".join)
templates = st.sampled_from(["{username}/*", "{application_data.x}", "*/{username}"])
verbs = {
    one: st.sampled_from([frozenset({verb}) for verb in sorted(VERBS[one].every)])
    | st.just(VERBS[one].every)
    for one in SECTIONS
}
sides = st.sampled_from(["allowed", "allowed", "prohibited", "both"])


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    """Draw what a holder grants and prohibits; what parsing refuses is left out."""
    found: dict[Section, dict[str, Entry]] = {}
    for _ in range(draw(st.integers(0, 4))):
        section, text = draw(st.sampled_from(SECTIONS)), draw(written | templates)
        try:
            path = stored_path(text, section, BROKER)
        except InvalidPath:
            continue
        side = "allowed" if "{" in path else draw(sides)
        given_, taken = draw(verbs[section]), draw(verbs[section])
        entry = Entry(
            frozenset()
            if side == "prohibited"
            else given_ - (taken if side == "both" else frozenset()),
            frozenset() if side == "allowed" else taken,
            draw(st.booleans()),
        )
        if entry.allowed or entry.prohibited:
            found.setdefault(section, {})[path] = entry
    return found


@st.composite
def groups(draw: st.DrawFn, name: str, others: tuple[str, ...]) -> Group:
    """Draw a group that includes later ones only, so there is no circle."""
    few = st.frozensets(st.sampled_from(list(PathPermission)[:4]), max_size=2)
    return Group(
        name=name,
        includes=draw(st.frozensets(st.sampled_from(others)))
        if others
        else frozenset(),
        rules=draw(rules()),
        global_permissions=draw(
            st.frozensets(st.sampled_from(list(GlobalPermission)), max_size=2)
        ),
        default_path_permissions=draw(few),
        path_permissions=draw(st.dictionaries(names.map(str), few, max_size=2)),
    )


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a directory of four groups and two users."""
    order = ("G", "H", "I", "J")
    drawn = [draw(groups(one, order[at + 1 :])) for at, one in enumerate(order)]
    users = [
        User(
            username=name,
            user_id=name,
            groups=draw(st.frozensets(st.sampled_from(order), max_size=2)),
            rules=draw(rules()),
            application_data=pack({"x": draw(st.sampled_from(["a", "b", ["a", "b"]]))}),
        )
        for name in ("lisa", "bob")
    ]
    return Model(
        users={one.username: one for one in users},
        groups={one.name: one for one in drawn},
        isolated_paths=draw(st.frozensets(names.map(str), max_size=1)),
        named_roles=draw(st.frozensets(st.sampled_from(order), max_size=1)),
    )


def policy_of(model: Model) -> Policy:
    return Policy(model, broker_name=BROKER, components=COMPONENTS)


policies = models().map(policy_of)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """Draw a directory before and after lisa's own rules, or a group, are others."""
    before = draw(models())
    if draw(st.booleans()):
        lisa = replace(before.users["lisa"], rules=draw(rules()))
        after = replace(before, users={**before.users, "lisa": lisa})
    else:
        name = draw(st.sampled_from(sorted(before.groups)))
        group = replace(before.groups[name], rules=draw(rules()))
        after = replace(before, groups={**before.groups, name: group})
    return policy_of(before), policy_of(after)


def gate() -> Gate:
    hooks = Hooks(None, timeout=1, login_timeout=1, counters=Counters())
    return Gate(
        hooks,
        broker_name=BROKER,
        components=frozenset(COMPONENTS),
        remembered_names=10,
        denied=lambda *_: None,
    )


def live(policy: Policy, username: str, right: Right, name: Name | Pattern) -> bool:
    """Ask the gate for a session of a user."""
    asking, _ = session(policy, username, groups=None)
    ruling = gate().decide(asking, right, name, Raw(encode_body(None)))
    assert isinstance(ruling, Ruling)
    return isinstance(ruling.verdict, Allowed)


def allowed_by(matched: Iterable[dict[str, Any]]) -> bool:
    """Decide by all that matched, as a reader of the page would."""
    verdicts = [one["authorized"] for one in matched]
    return bool(verdicts) and all(verdicts)


@settings(max_examples=60, deadline=None)
@given(policies, st.lists(names, min_size=1, max_size=4), st.data())
def test_the_gate_and_every_question_agree(
    policy: Policy, asked: list[Name], data: st.DataObject
) -> None:
    for name in asked:
        section = data.draw(st.sampled_from(SECTIONS))
        verb = data.draw(st.sampled_from(sorted(VERBS[section].every)))
        action = f"{section}.{verb}"
        able = asyncio.run(questions.who_can(policy, action, name))
        for username in ("lisa", "bob"):
            why = questions.explain(policy, username, action, name)
            assert why["allowed"] is (username in [one["username"] for one in able])
            # Everything that matched decides as the decision did, and includes it.
            assert why["allowed"] is allowed_by(why["matched"])
            shown = {**(why["grant"] or {}), "through": why["through"]}
            assert why["grant"] is None or shown in why["matched"]
            if (section, verb) in ASKED and not own(name):
                right = ASKED[section, verb]
                assert live(policy, username, right, name) is why["allowed"]
            if section is Section.DATA or verb in ("call", "subscribe"):
                query: Any = (
                    {section: {name: {"actions": [verb]}}}
                    if section is Section.DATA
                    else {section: [name]}
                )
                answer = questions.is_authorized(policy, username, query)
                assert answer["authorized"] is why["allowed"]


def own(name: Name) -> bool:
    """Whether the gate asks about a name with another right: the broker's own methods."""
    return name.startswith(f"{BROKER}/security/")


@settings(max_examples=60, deadline=None)
@given(policies, written)
def test_the_gate_and_explain_agree_about_patterns(policy: Policy, text: str) -> None:
    if "{" in text:
        return
    try:
        asked = parse_pattern(text)
    except ValueError:
        return
    why = questions.explain(policy, "lisa", "events.subscribe", text)
    known: Name | Pattern = parse_name(text) if asked.literal else asked
    assert live(policy, "lisa", SUBSCRIBE, known) is why["allowed"]
    assert why["allowed"] is allowed_by(why["matched"])


def fits(matches: str, section: Section, name: Name) -> bool:
    """Whether a rule's pattern is about a name, or about it behind the broker's."""
    forms = [name]
    if section is not Section.DATA and name.startswith(f"{BROKER}/"):
        forms.append(parse_name(name.removeprefix(f"{BROKER}/")))
    return any(map(Pattern(matches).matches, forms))


@settings(max_examples=50, deadline=None)
@given(policies, st.lists(names, min_size=1, max_size=4))
def test_what_can_lists_what_rules_allow_and_nothing_else(
    policy: Policy, asked: list[Name]
) -> None:
    subject = policy.subject("lisa", None)
    can = asyncio.run(what_can(policy, subject))
    for section in SECTIONS:
        for verb in VERBS[section].every:
            for name in asked:
                listed = any(
                    verb in row["actions"]
                    and row["section"] == section
                    and fits(row["matches"], section, name)
                    and not any(
                        one["action"] == verb and fits(one["matches"], section, name)
                        for one in row["exceptions"]
                    )
                    for row in can["rules"]
                )
                why = questions.explain(policy, "lisa", f"{section}.{verb}", name)
                by_rule = why["allowed"] and why["grant"]["section"] == section
                assert listed is by_rule
    held = {one["permission"] for one in can["global_permissions"]}
    assert held == subject.global_permissions


@settings(max_examples=50, deadline=None)
@given(changes(), st.lists(names, min_size=2, max_size=6))
def test_what_differs_at_a_name_is_among_the_gains_and_losses(
    change: tuple[Policy, Policy], asked: list[Name]
) -> None:
    old, new = change
    before, after = old.subject("lisa", None), new.subject("lisa", None)
    gains, loses = differences(old, before, after)
    for section in SECTIONS:
        for verb in VERBS[section].every:
            for name in asked:
                action = f"{section}.{verb}"
                was = questions.explain(old, "lisa", action, name)
                is_ = questions.explain(new, "lisa", action, name)
                if was["allowed"] is is_["allowed"]:
                    continue
                told = gains if is_["allowed"] else loses
                assert [one for one in told if about(one, section, verb, name)], action


def about(right: Any, section: Section, verb: str, name: Name) -> bool:
    """Whether what is gained or lost can be why a name's answer is another."""
    if right.section == section:
        return right.action == verb and fits(right.path, section, name)
    # Assignments and global permissions are listed by what they are.
    return right.section in ("assignment", "global")


def test_every_message_with_a_rule_is_compared() -> None:
    assert {right.topic for right in ASKED.values()} == {Topic.RPC, Topic.EVENT}
