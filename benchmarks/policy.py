"""What a decision of the policy costs, remembered and not, allowed and denied.

    python benchmarks/policy.py [--json]

Exits 1 where a budget is passed: 0.3 us for a verdict that is remembered, 10 us for
one that is not, among 1,000 rules in one group or in ten, allowed or denied alike.
With `--json` it prints JSON lines, as `attacks.py` does.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from vestibule.protocol.actions import DELIVERY, NEEDS, Action, Need, Section, Topic
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.permissions import PathPermission
from vestibule.server.directory.model import Entry, Group, Model, User
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.subject import Subject
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.verdict import Allowed


RULES = 1_000
CACHED_US = 0.3
UNCACHED_US = 10.0
ROUNDS = 25
REPEATS = 20_000


@dataclass(frozen=True)
class Case:
    """A need, and names that are allowed and denied by it."""

    title: str
    need: Need
    section: Section
    verb: str
    prefix: str


CASES = (
    Case(
        "event delivery",
        DELIVERY[Topic.EVENT, Action.SUBSCRIBE],
        Section.EVENTS,
        "subscribe",
        "",
    ),
    Case(
        "method call",
        NEEDS[Topic.RPC, Action.CALL],
        Section.METHODS,
        "call",
        "hub/",
    ),
)

PATHS = ("area{0}/news", "area{0}/*", "shared/b{0}x*", "area{0}/*/end")
"""Literal, below a prefix, a star at a segment's end, a star between segments."""

ALLOWED = ("area{0}/news", "area{0}/x/y", "shared/b{0}xz/q", "area{0}/k/l/end")
DENIED = ("other{0}/news", "area{0}", "shared/c{0}xz/q", "area{0}/k/l/ends")


def groups_of(case: Case, number: int) -> list[Group]:
    """Give `number` groups with all the rules, assignments and some prohibitions."""
    groups = []
    for at in range(number):
        mine = range(at, RULES, number)
        allow = Entry(allowed=frozenset({case.verb}))
        prohibit = Entry(prohibited=frozenset({case.verb}))
        entries = {PATHS[one % 4].format(one): allow for one in mine}
        entries[f"secret{at}/*"] = prohibit
        groups.append(
            Group(
                name=f"G{at}",
                rules={case.section: entries},
                path_permissions={f"zone{at}": frozenset({PathPermission.READ_TOPIC})},
            )
        )
    return groups


def subject_of(case: Case, number: int) -> Subject:
    """Give a user in these groups."""
    groups = {group.name: group for group in groups_of(case, number)}
    user = User(username="lisa", user_id="1", groups=frozenset(groups))
    policy = Policy(
        Model(users={"lisa": user}, groups=groups),
        broker_name="hub",
        components={"security": SECURITY_METHODS},
    )
    return policy.subject("lisa", None)


def best(work: Callable[[], None], times: int) -> float:
    """Give the least microseconds of CPU that one of `times` decisions took."""
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        work()
        least = min(least, (time.thread_time() - start) / times)
    return least * 1e6


def uncached(subject: Subject, need: Need, names: list[Name]) -> float:
    """Time decisions about names that are not remembered."""

    def work() -> None:
        for name in names:
            # So that neither the verdict nor the name is remembered.
            subject._verdicts.clear()  # noqa: SLF001 - as above
            subject._facts._forms.clear()  # noqa: SLF001 - as above
            subject.decide(need, name)

    return best(work, len(names))


def cached(subject: Subject, need: Need, name: Name) -> float:
    """Time one decision again and again."""
    decide = subject.decide

    def work() -> None:
        for _ in range(REPEATS):
            decide(need, name)

    return best(work, REPEATS)


def tell(what: str, value: float, limit: float) -> None:
    """Print one figure as a JSON line."""
    row = {
        "id": "policy",
        "what": what,
        "value": round(value, 3),
        "unit": "us",
        "limit": limit,
        "passed": value <= limit,
    }
    print(json.dumps(row))


def main() -> int:
    """Time all cases; give the exit status."""
    passed = True
    as_json = "--json" in sys.argv[1:]
    if not as_json:
        print(f"{'':34}{'cached':>10}{'uncached':>10}  us")
    for case in CASES:
        for number in (1, 10):
            subject = subject_of(case, number)
            for word, paths in (("allowed", ALLOWED), ("denied", DENIED)):
                names = [
                    parse_name(case.prefix + paths[one % 4].format(one))
                    for one in range(RULES)
                ]
                verdicts = {type(subject.decide(case.need, name)) for name in names}
                if (Allowed in verdicts) is not (word == "allowed"):
                    raise AssertionError(f"{case.title}: not all are {word}")
                again = cached(subject, case.need, names[0])
                first = uncached(subject, case.need, names)
                passed &= again <= CACHED_US and first <= UNCACHED_US
                title = f"{case.title}, {number} groups, {word}"
                if as_json:
                    tell(f"{title}, remembered", again, CACHED_US)
                    tell(f"{title}, new", first, UNCACHED_US)
                else:
                    print(f"{title:34}{again:10.3f}{first:10.2f}")
    if not as_json:
        print(f"{'budget':34}{CACHED_US:10.3f}{UNCACHED_US:10.2f}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
