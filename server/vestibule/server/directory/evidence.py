"""All that speaks for and against a decision, and through which groups it came.

A decision itself needs the first thing that settles it; this is for people who ask.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vestibule.protocol.actions import Need
from vestibule.protocol.names import Name
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.model import Model
from vestibule.server.directory.paths import NAMED_SECTIONS
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.verdict import Allowed, Denied, Grant


__all__ = ["MOST", "Chains", "matching", "shown_grant"]

MOST: Final = 100
"""Grants that an answer lists; it says how many more there are."""

_GROUP: Final = "group:"


class Chains:
    """The groups through which each effective group of a subject came, nearest first."""

    def __init__(self, model: Model, subject: Subject) -> None:
        self._through: dict[str, tuple[str, ...]] = {}
        level: dict[str, tuple[str, ...]]
        level = {name: (name,) for name in sorted(subject.groups)}
        while level:
            following: dict[str, tuple[str, ...]] = {}
            for name, chain in level.items():
                group = model.groups.get(name)
                if group is None or name in self._through:
                    continue
                self._through[name] = chain
                for included in sorted(group.includes):
                    following.setdefault(included, (*chain, included))
            level = following

    def to(self, holder: str) -> list[str]:
        """Give the groups from one of the subject's own to a holder, both included.

        The shortest way; none for what the user holds itself.
        """
        return list(self._through.get(holder.removeprefix(_GROUP), ()))

    @property
    def all(self) -> Mapping[str, tuple[str, ...]]:
        """The chain to each effective group, by its name."""
        return self._through


def matching(
    policy: Policy, subject: Subject, need: Need, asked: Name | Pattern
) -> Iterator[Grant]:
    """Give every prohibition, then every allow, that matches what is asked.

    `subject` is of this policy. For a pattern these are the prohibitions that cover it
    and what allows a part of it.
    """
    allows: list[Grant] = []
    if need.section is not None and need.verb is not None:
        forms = _Forms(policy, asked, named=need.section in NAMED_SECTIONS)
        for pattern, verdict in subject.holders.rules(need.section, need.verb):
            if verdict.grant is not None and forms.match(pattern, verdict):
                if isinstance(verdict, Denied):
                    yield verdict.grant
                else:
                    allows.append(verdict.grant)
    yield from dict.fromkeys(allows)
    yield from subject.grants(need, asked)


class _Forms:
    """What is asked, as rules may match it: whole, and behind the broker's name."""

    def __init__(self, policy: Policy, asked: Name | Pattern, *, named: bool) -> None:
        self._names: list[Name] = []
        self._patterns: list[Pattern] = []
        self._covered: list[Pattern] = []
        if isinstance(asked, Name):
            texts = [text for text, _ in policy.forms(asked)]
            self._names = [Name(text) for text in (texts if named else texts[:1])]
            return
        self._patterns = [asked, *(policy.below_broker(asked) if named else ())]
        says_name = asked.segments[0] == policy.broker_name
        self._covered = self._patterns if says_name else [asked]

    def match(self, pattern: Pattern, verdict: Allowed | Denied) -> bool:
        """Whether a rule counts for what is asked."""
        if self._names:
            return any(map(pattern.matches, self._names))
        if isinstance(verdict, Denied):
            return any(map(pattern.covers, self._covered))
        return any(map(pattern.overlaps, self._patterns))


def shown_grant(grant: Grant) -> dict[str, Any]:
    """Give a grant as answers show it."""
    return {
        "holder": grant.holder,
        "section": grant.section,
        "pattern": grant.pattern,
        "action": grant.action,
        "authorized": grant.authorized,
    }
