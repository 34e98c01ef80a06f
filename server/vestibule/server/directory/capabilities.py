"""What a user may do: all of it, with what is left out of it, and where it came from."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from vestibule.protocol.actions import Section
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.asking import need_of
from vestibule.server.directory.evidence import Chains
from vestibule.server.directory.index import PatternIndex
from vestibule.server.directory.paths import NAMED_SECTIONS
from vestibule.server.directory.permissions import VERBS
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.directory.questions import shown_void
from vestibule.server.verdict import Allowed, Denied, Grant


__all__ = ["Stance", "what_can"]

_MOST: Final = 1_000
"""Rows in each list of an answer; it says how many more there are."""

_TURN: Final = 50
"""Rows that are made before others have a turn."""

_EXCEPTIONS: Final = 100
"""Exceptions listed with one allow."""


class Stance:
    """What allows one verb somewhere, and what prohibits it, for one subject."""

    __slots__ = ("allows", "prohibitions")

    def __init__(self, subject: Subject, section: Section, verb: str) -> None:
        allows: list[tuple[Pattern, Grant]] = []
        prohibitions: list[tuple[Pattern, Grant]] = []
        for pattern, verdict in subject.holders.rules(section, verb):
            if verdict.grant is not None:
                kind = prohibitions if isinstance(verdict, Denied) else allows
                kind.append((pattern, verdict.grant))
        self.allows: Final = PatternIndex(allows)
        self.prohibitions: Final = PatternIndex(prohibitions)


async def what_can(policy: Policy, subject: Subject) -> dict[str, Any]:
    """List what somebody may do.

    An allow all of which is prohibited is left out; prohibitions inside of one are
    listed with it, as its exceptions. `subject` is of this policy. Others have turns
    meanwhile.
    """
    chains = Chains(policy.model, subject)
    rows: dict[str, list[dict[str, Any]]] = {
        "groups": [
            {"name": name, "through": list(chain)}
            for name, chain in sorted(chains.all.items())
        ],
        "rules": await _rules(policy, subject, chains),
        "assignments": list(_assignments(policy, chains)),
        "isolated": [{"path": path} for path in sorted(policy.isolated)],
        "global_permissions": list(_globals(policy, chains)),
        "own_methods": [{"path": path} for path in _own_methods(policy, subject)],
        "void": [shown_void(one) for one in subject.void],
    }
    return {
        "username": subject.username,
        **{key: list(islice(found, _MOST)) for key, found in rows.items()},
        "left_out": sum(max(0, len(found) - _MOST) for found in rows.values()),
    }


async def _rules(
    policy: Policy, subject: Subject, chains: Chains
) -> list[dict[str, Any]]:
    """Give each allow once, with all its verbs, and the exceptions from it."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    count = 0
    for section in Section:
        for verb in sorted(VERBS[section].every):
            stance = Stance(subject, section, verb)
            for pattern, grant in stance.allows.items:
                count += 1
                if count % _TURN == 0:
                    await asyncio.sleep(0)
                if stance.prohibitions.covering(pattern) is not None:
                    continue
                key = (section, grant.holder, grant.pattern, pattern.text)
                row = rows.get(key)
                if row is None:
                    row = rows[key] = {
                        "section": str(section),
                        "pattern": grant.pattern,
                        "matches": pattern.text,
                        "actions": [],
                        "holder": grant.holder,
                        "through": chains.to(grant.holder),
                        "exceptions": [],
                    }
                row["actions"].append(verb)
                forms = _forms(policy, section, pattern)
                row["exceptions"].extend(
                    islice(_exceptions(stance, verb, forms), _EXCEPTIONS)
                )
    return sorted(rows.values(), key=_order)


def _exceptions(
    stance: Stance, verb: str, forms: Iterable[Pattern]
) -> Iterator[dict[str, Any]]:
    found: dict[Grant, None] = {}
    for form in forms:
        for pattern, grant in stance.prohibitions.near(form):
            if grant not in found and pattern.overlaps(form):
                found[grant] = None
                yield {
                    "pattern": grant.pattern,
                    "matches": pattern.text,
                    "action": verb,
                    "holder": grant.holder,
                }


def _order(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["section"], row["pattern"], row["holder"]


def _forms(policy: Policy, section: Section, pattern: Pattern) -> list[Pattern]:
    """Give where an allow counts: as it stands, and behind the broker's name."""
    if section not in NAMED_SECTIONS:
        return [pattern]
    return [pattern, Pattern(f"{policy.broker_name}/{pattern.text}")]


def _assignments(policy: Policy, chains: Chains) -> Iterator[dict[str, Any]]:
    """Give what groups assign to paths; an empty assignment takes away there."""
    for name, chain in sorted(chains.all.items()):
        group = policy.model.groups[name]
        places = [
            ("default", group.default_path_permissions),
            *sorted(group.path_permissions.items()),
        ]
        for path, permissions in places:
            if permissions or path != "default":
                yield {
                    "holder": group.holder,
                    "path": path,
                    "permissions": sorted(permissions),
                    "through": list(chain),
                }


def _globals(policy: Policy, chains: Chains) -> Iterator[dict[str, Any]]:
    for name, chain in sorted(chains.all.items()):
        group = policy.model.groups[name]
        for permission in sorted(group.global_permissions):
            yield {
                "permission": str(permission),
                "holder": group.holder,
                "through": list(chain),
            }


def _own_methods(policy: Policy, subject: Subject) -> Iterator[str]:
    """Give the broker's own methods that it may call, by whatever grant."""
    for component, methods in sorted(policy.components.items()):
        for method in sorted(methods):
            path = parse_name(f"{policy.broker_name}/{component}/{method}")
            need = need_of(policy, Section.METHODS, "call", path)
            if isinstance(subject.decide(need, path), Allowed):
                yield path.text
