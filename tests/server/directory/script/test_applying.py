"""Commands on a draft: random stores against the plain algorithm, and large scripts."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from vestibule.protocol.names import parse_name
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.model import GUEST_GROUP, Group, Model, User
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.script import (
    Answers,
    Report,
    Surroundings,
    View,
    apply,
    parse,
)
from vestibule.server.directory.transition import Change
from vestibule.server.directory.verifier import Verifier


S, A = View.SECURITY, View.AUTHENTICATION
ROLES = "ABCD"
SEGMENTS = "xy"
PATHS = ["x", "y", "x/y", "x/x", "x/y/x", "y/x/y"]
GLOBALS = ["VIEW_SESSION", "MODIFY_SESSION", "REGISTER_HANDLER"]
PERMISSIONS = ["READ_TOPIC", "SELECT_TOPIC", "UPDATE_TOPIC", "MODIFY_TOPIC"]

role = st.sampled_from(ROLES)
path = st.sampled_from(PATHS)


class Drawn(NamedTuple):
    """One command: what it does, to which role or path, with which names."""

    does: str
    role: str
    path: str
    names: list[str]

    @property
    def line(self) -> str:
        listed = " ".join(self.names)
        match self.does:
            case "globals":
                return f"set '{self.role}' permissions [{listed}]"
            case "default":
                return f"set '{self.role}' default path permissions [{listed}]"
            case "assign":
                return f"set '{self.role}' path '{self.path}' permissions [{listed}]"
            case "remove":
                return f"remove '{self.role}' permissions for path '{self.path}'"
            case "includes":
                quoted = " ".join(f"'{name}'" for name in self.names)
                return f"set '{self.role}' includes [{quoted}]"
            case _:
                return f"{self.does} path '{self.path}'"


def drawn(does: Iterable[str], names: Sequence[str]) -> st.SearchStrategy[Drawn]:
    listed = st.lists(st.sampled_from(names), max_size=3)
    return st.builds(Drawn, st.sampled_from(list(does)), role, path, listed)


COMMANDS = st.one_of(
    drawn(["globals"], GLOBALS),
    drawn(["default", "assign"], PERMISSIONS),
    drawn(["remove", "isolate", "deisolate"], PERMISSIONS),
    drawn(["includes"], ROLES),
)


class Naive:
    """A store of dicts, decided by the words of the documentation."""

    def __init__(self) -> None:
        self.globals: dict[str, set[str]] = {}
        self.defaults: dict[str, set[str]] = {}
        self.assigned: dict[str, dict[str, set[str]]] = {}
        self.includes: dict[str, set[str]] = {}
        self.isolated: set[str] = set()

    def closure(self, names: Iterable[str]) -> set[str]:
        found = set(names)
        while True:
            more = {one for name in found for one in self.includes.get(name, ())}
            if more <= found:
                return found
            found |= more

    def apply(self, command: Drawn) -> bool:
        """Do what a command says; False if it fails."""
        does, role, path, names = command
        match does:
            case "globals":
                self.globals[role] = set(names)
            case "default":
                self.defaults[role] = set(names)
            case "assign":
                self.assigned.setdefault(role, {})[path] = set(names)
            case "remove":
                self.assigned.get(role, {}).pop(path, None)
            case "includes":
                if role in self.closure(names):
                    return False
                self.includes[role] = set(names)
            case "isolate":
                self.isolated.add(path)
            case _:
                self.isolated.discard(path)
        return True

    def path_permissions(self, roles: Iterable[str], path: str) -> set[str]:
        result: set[str] = set()
        for role in self.closure(roles):
            assigned, place = self.assigned.get(role, {}), path
            while True:
                if place in assigned:
                    result |= assigned[place]
                    break
                if place in self.isolated:
                    break
                if "/" not in place:
                    result |= self.defaults.get(role, set())
                    break
                place = place.rpartition("/")[0]
        return result

    def global_permissions(self, roles: Iterable[str]) -> set[str]:
        names = self.closure(roles)
        return {one for name in names for one in self.globals.get(name, ())}


def applied(
    script: str, view: View, model: Model, *, by: str = "_ADMIN"
) -> tuple[Change | None, tuple[Report, ...]]:
    parsed = parse(script, view)
    assert parsed.reports == ()
    draft = Draft(model, now=1, broker_name="hub", by=by)
    surroundings = Surroundings(frozenset(), lambda _: False)
    reports = apply(parsed.commands, draft, Answers(), surroundings)
    return (None if reports else draft.finish()), reports


@given(
    st.lists(st.lists(COMMANDS, max_size=6), max_size=4),
    st.frozensets(role, max_size=3),
    path,
)
@settings(max_examples=150, deadline=None)
def test_random_stores_are_decided_as_the_algorithm_says(
    scripts: list[list[Drawn]], roles: frozenset[str], asked: str
) -> None:
    model, naive = Model(), Naive()
    for commands in scripts:
        good = [command for command in commands if naive.apply(command)]
        bad = len(commands) - len(good)
        _, reports = applied("\n".join(one.line for one in commands), S, model)
        assert len(reports) == bad
        change, reports = applied("\n".join(one.line for one in good), S, model)
        assert reports == ()
        model = model if change is None else change.after
    policy = Policy(model, broker_name="hub", components={})
    subject = policy.subject("", roles)
    assert set(subject.global_permissions) == naive.global_permissions(roles)
    for one in (asked, "x/y/x/y", "z"):
        expected = naive.path_permissions(roles, one)
        assert set(subject.path_permissions(parse_name(one))) == expected
    assert mentioned(model) == model.groups.keys()


def mentioned(model: Model) -> set[str]:
    """Give the groups that say something or are included."""
    said = {group.name for group in model.groups.values() if not group.is_empty}
    return said.union(*(group.includes for group in model.groups.values()))


def test_a_failing_command_is_left_out_and_the_rest_is_tried() -> None:
    script = "set 'A' includes ['B']\nset 'B' includes ['A']\nset 'B' includes ['C']"
    _, reports = applied(script, S, Model())
    assert [(one.line, one.column) for one in reports] == [(2, 19)]


# Large scripts: what they cost follows what they say, not what is there.

USERS: Mapping[str, User] = {
    f"u{n}": User(username=f"u{n}", user_id=str(n), groups=frozenset({GUEST_GROUP}))
    for n in range(50_000)
}
CROWD = Model(users=USERS, groups={GUEST_GROUP: Group(name=GUEST_GROUP)})
CHAIN = 2_500

LARGE = {
    "one role": (S, [f"set 'A' path '{n}' permissions" for n in range(8_000)]),
    "two chains, tied and untied": (
        S,
        [f"set 'a{n}' includes ['a{n + 1}']" for n in range(CHAIN)]
        + [f"set 'b{n}' includes ['b{n + 1}']" for n in range(CHAIN)]
        + [
            f"set 'a{CHAIN}' includes{to}"
            for _ in range(1_500)
            for to in ("['b0']", "")
        ],
    ),
    "remove": (A, [f"remove principal 'u{n}'" for n in range(9_500)]),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_script_is_applied_in_time(name: str) -> None:
    view, lines = LARGE[name]
    script = "\n".join(lines)
    start = time.process_time()
    change, reports = applied(script, view, CROWD)
    taken = time.process_time() - start
    assert reports == ()
    assert change is not None
    # Whatever takes time by what is there, and not by what is said, takes minutes.
    assert taken < 10


# Passwords.

FIRST, SECOND = (Verifier(bytes([n]), 1, 1, b"", b"") for n in (1, 2))


def test_what_hashing_has_not_found_out_is_supposed_and_noted() -> None:
    answers = Answers()
    assert answers.matches(FIRST, "a", supposed=True)
    assert not answers.matches(FIRST, "b", supposed=False)
    assert set(answers.asked.values()) == {"a", "b"}
    assert not answers.complete
    answers.found(FIRST, "a", right=True)
    answers.begin()
    assert answers.matches(FIRST, "a", supposed=False)
    # Another is known to be wrong, for one is known to be right.
    assert not answers.matches(FIRST, "b", supposed=True)
    answers.found(SECOND, "x", right=False)
    assert answers.known(SECOND, "x") is False
    assert answers.known(SECOND, "y") is None
    assert answers.complete


def test_what_a_line_sets_is_known_before_it_is_hashed() -> None:
    answers = Answers()
    stand_in = answers.verifier(3, "pw")
    assert answers.wanted == {3: "pw"}
    assert answers.matches(stand_in, "pw", supposed=False)
    assert not answers.matches(stand_in, "other", supposed=True)
    answers.begin()
    assert answers.verifier(3, "pw") == stand_in
    assert answers.wanted == {3: "pw"}
    answers.made(3, "pw", FIRST)
    answers.begin()
    assert answers.verifier(3, "pw") is FIRST
    assert answers.complete
    assert answers.matches(FIRST, "pw", supposed=False)


def test_codes_of_permissions_are_those_of_the_wire() -> None:
    assert GlobalPermission.MODIFY_SECURITY.code == 7
    assert PathPermission.EXPOSE_BRANCH.code == 11
