"""What one subject may do and another may not: a user before a change, and after it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vestibule.protocol.actions import Need, Section
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.asking import need_of
from vestibule.server.directory.assignments import DEFAULT
from vestibule.server.directory.capabilities import Stance
from vestibule.server.directory.index import PatternIndex
from vestibule.server.directory.paths import NAMED_SECTIONS
from vestibule.server.directory.permissions import VERBS
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.verdict import Allowed, Grant


__all__ = ["Right", "differences"]


class Right(NamedTuple):
    """Something that one has and the other has not."""

    section: str
    """Of a rule; or `assignment`, or `global`."""
    path: str
    """A name, or a pattern as subscriptions have it; `default`; empty for `global`."""
    action: str
    """The verb, or the permission."""


def differences(
    policy: Policy, before: Subject, after: Subject
) -> tuple[list[Right], list[Right]]:
    """Give what `after` has gained, and what it has lost.

    At names this is what the gate would answer. At patterns rules are compared with
    rules: one is there if an allow covers it and no prohibition does, and a prohibition
    that only meets what is allowed takes itself away. Where rules decide with or
    without the broker's name in front, it is told without.
    """
    gains: dict[Right, None] = {}
    loses: dict[Right, None] = {}
    for right, given in _Comparison(policy, before, after).found():
        (gains if given else loses)[right] = None
    return _shortened(policy, gains), _shortened(policy, loses)


def _shortened(policy: Policy, rights: dict[Right, None]) -> list[Right]:
    """Sort, leaving out what is told behind the broker's name too."""
    named = frozenset(map(str, NAMED_SECTIONS))
    kept = [
        one
        for one in rights
        if not (
            one.section in named
            and one.path.startswith(policy.broker_prefix)
            and one._replace(path=one.path.removeprefix(policy.broker_prefix)) in rights
        )
    ]
    return sorted(kept)


class _Stance:
    """What allows and prohibits one verb, at whole paths, for one subject."""

    def __init__(self, policy: Policy, subject: Subject, need: Need) -> None:
        section, verb = need.section, need.verb
        assert section is not None  # noqa: S101 - made of a section and a verb
        assert verb is not None  # noqa: S101 - as above
        rules = Stance(subject, section, verb)
        prefix = policy.broker_prefix if section in NAMED_SECTIONS else None
        self.allows: Final = _whole(rules.allows, prefix)
        self.prohibitions: Final = _whole(rules.prohibitions, prefix)
        self.otherwise: Final = bool(
            (need.path and subject.closure.assigning)
            or (need.globally and need.globally <= subject.global_permissions)
        )
        """Whether something else than a rule may allow it somewhere."""

    def grants(self, pattern: Pattern, *, partly: bool) -> bool:
        """Whether a pattern is granted, but for what is prohibited inside of it.

        `partly`: or a part of it, which has no pattern of its own.
        """
        if self.prohibitions.covering(pattern) is not None:
            return False
        if self.allows.covering(pattern) is not None:
            return True
        return partly and (
            self.otherwise
            or any(
                one.overlaps(pattern) and not pattern.covers(one)
                for one, _ in self.allows.near(pattern)
            )
        )


def _whole(rules: PatternIndex[Grant], prefix: str | None) -> PatternIndex[Grant]:
    """Give rules at whole paths: as they stand, and behind the broker's name."""
    if prefix is None:
        return rules
    behind = [(Pattern(f"{prefix}{one.text}"), grant) for one, grant in rules.items]
    return PatternIndex([*rules.items, *behind])


class _Comparison:
    def __init__(self, policy: Policy, before: Subject, after: Subject) -> None:
        self._policy: Final = policy
        self._before: Final = before
        self._after: Final = after

    def found(self) -> Iterator[tuple[Right, bool]]:
        """Give what differs, and whether it is there afterwards."""
        before, after = self._before, self._after
        held = after.global_permissions
        for one in before.global_permissions ^ held:
            yield Right("global", "", one), one in held
        yield from self._assigned()
        for section in Section:
            for verb in VERBS[section].every:
                yield from self._ruled(section, verb)

    def _assigned(self) -> Iterator[tuple[Right, bool]]:
        """Compare assignments by default, and at each place where one may count."""
        before, after = self._before, self._after
        was, is_ = before.default_permissions, after.default_permissions
        for permission in was ^ is_:
            yield Right("assignment", DEFAULT, permission), permission in is_
        for place in before.places | after.places:
            name = parse_name(place)
            was, is_ = before.path_permissions(name), after.path_permissions(name)
            for permission in was ^ is_:
                yield Right("assignment", place, permission), permission in is_

    def _ruled(self, section: Section, verb: str) -> Iterator[tuple[Right, bool]]:
        need = need_of(self._policy, section, verb, "")
        old = _Stance(self._policy, self._before, need)
        new = _Stance(self._policy, self._after, need)
        for pattern, partly in _candidates(old, new).items():
            if pattern.literal:
                name = parse_name(pattern.text)
                was, is_ = (self._allows(one, section, verb, name) for one in self._two)
            else:
                was, is_ = (one.grants(pattern, partly=partly) for one in (old, new))
            if was is not is_:
                yield Right(section, pattern.text, verb), is_

    @property
    def _two(self) -> tuple[Subject, Subject]:
        return self._before, self._after

    def _allows(
        self, subject: Subject, section: Section, verb: str, name: Name
    ) -> bool:
        """Ask as the gate does."""
        need = need_of(self._policy, section, verb, name)
        return isinstance(subject.decide(need, name), Allowed)


def _candidates(old: _Stance, new: _Stance) -> dict[Pattern, bool]:
    """Give the patterns at which answers may differ; True: of prohibitions alone."""
    found = dict.fromkeys(_altered(old.allows, new.allows), False)
    for prohibited in _altered(old.prohibitions, new.prohibitions):
        found.setdefault(prohibited, True)
        for stance in (old, new):
            for allowed, _ in stance.allows.near(prohibited):
                if prohibited.covers(allowed):
                    found[allowed] = False
    return found


def _altered(old: PatternIndex[Grant], new: PatternIndex[Grant]) -> frozenset[Pattern]:
    """Give the patterns that one has and the other has not."""
    return frozenset(one for one, _ in old.items) ^ frozenset(
        one for one, _ in new.items
    )
