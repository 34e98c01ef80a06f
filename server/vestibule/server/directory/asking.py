"""Questions as they are asked: an action and a path, read into what the gate asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vestibule.protocol.actions import NEEDS, Need, Section
from vestibule.protocol.errors import ErrorCode, InvalidName
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import Pattern, parse_pattern
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.arguments import parse_text
from vestibule.server.directory.errors import DirectoryError, invalid_argument
from vestibule.server.directory.permissions import VERBS
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.verdict import Allowed, Denied


__all__ = ["Question", "asked_name", "need_of", "parse_question"]

_PATTERNS: Final = frozenset({(Section.EVENTS, "subscribe"), (Section.DATA, "read")})
"""What can be asked for a pattern too."""

_ASSIGNED: Final = {
    (Section.DATA, "read"): PathPermission.READ_TOPIC,
    (Section.DATA, "update"): PathPermission.UPDATE_TOPIC,
    (Section.DATA, "create"): PathPermission.MODIFY_TOPIC,
    (Section.DATA, "delete"): PathPermission.MODIFY_TOPIC,
}
"""What grants the verbs of messages that are not there yet."""


def _all_needs() -> Iterator[tuple[tuple[Section, str], Need]]:
    for section, verbs in VERBS.items():
        for verb in verbs.every:
            assigned = _ASSIGNED.get((section, verb))
            path = frozenset() if assigned is None else frozenset({assigned})
            yield (section, verb), Need(section=section, verb=verb, path=path)
    for need in NEEDS.values():
        if need.section is not None and need.verb is not None:
            yield (need.section, need.verb), need


_NEEDS: Final = dict(_all_needs())


@lru_cache(maxsize=256)
def _component_need(globally: frozenset[GlobalPermission] | None) -> Need:
    call = _NEEDS[Section.METHODS, "call"]
    return Need(
        section=call.section,
        verb=call.verb,
        path=call.path,
        globally=globally or frozenset(),
        everybody=globally is None,
    )


def need_of(policy: Policy, section: Section, verb: str, path: str) -> Need:
    """Give what an action at a path needs, own methods of the broker included."""
    if (section, verb) == (Section.METHODS, "call"):
        broker, *rest = path.split("/")
        if broker == policy.broker_name and len(rest) > 1:
            methods = policy.components.get(rest[0])
            if methods is not None:
                named = methods.get("/".join(rest[1:]), ())
                return _component_need(None if named is None else frozenset(named))
    return _NEEDS[section, verb]


def _action(value: object) -> tuple[Section, str]:
    """Read an action such as `events.subscribe`."""
    section, _, verb = parse_text(value, "action").partition(".")
    for known in Section:
        if section == known and verb in VERBS[known].every:
            return known, verb
    raise invalid_argument("action", "is no section and verb")


def asked_name(text: str) -> Name:
    """Read a concrete path.

    Raises:
        DirectoryError: INVALID_PATH.
    """
    try:
        return parse_name(text)
    except InvalidName as problem:
        raise DirectoryError(
            ErrorCode.INVALID_PATH, str(problem), {"argument": "path"}
        ) from None


@dataclass(frozen=True, slots=True)
class Question:
    """May somebody do this, here?"""

    need: Need
    asked: Name | Pattern

    def ask(self, subject: Subject) -> Allowed | Denied:
        """Have it answered by what answers for live messages."""
        if isinstance(self.asked, Name):
            return subject.decide(self.need, self.asked)
        return subject.decide_pattern(self.need, self.asked)


def parse_question(policy: Policy, action: object, path: object) -> Question:
    """Read an action such as `events.subscribe`, and a full path.

    A path may be a pattern where something can be subscribed to or watched.

    Raises:
        DirectoryError: INVALID_ARGUMENT or INVALID_PATH.
    """
    section, verb = _action(action)
    text = parse_text(path, "path")
    if "*" in text and (section, verb) in _PATTERNS:
        try:
            pattern = parse_pattern(text)
        except InvalidName as problem:
            raise DirectoryError(
                ErrorCode.INVALID_PATH, str(problem), {"argument": "path"}
            ) from None
        return Question(_NEEDS[section, verb], pattern)
    name = asked_name(text)
    return Question(need_of(policy, section, verb, name), name)
