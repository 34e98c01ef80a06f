"""Questions about the policy: the answers come from the code of the live gate."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from vestibule.protocol.actions import NEEDS, Need, Section
from vestibule.protocol.errors import ErrorCode, InvalidName
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import parse_pattern
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory import changes, protection
from vestibule.server.directory.arguments import parse_text
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.errors import (
    DirectoryError,
    invalid_argument,
    user_not_found,
)
from vestibule.server.directory.permissions import VERBS
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.verdict import Allowed, Denied, Grant


__all__ = ["explain", "is_authorized", "what_if", "who_can"]

_TURN: Final = 50
"""Users that are judged before others have a turn: a few milliseconds."""

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
def _component_need(globally: frozenset[GlobalPermission]) -> Need:
    call = _NEEDS[Section.METHODS, "call"]
    return Need(section=call.section, verb=call.verb, path=call.path, globally=globally)


def _need(policy: Policy, section: Section, verb: str, path: str) -> Need:
    """Give what an action at a path needs, own methods of the broker included."""
    if (section, verb) == (Section.METHODS, "call"):
        broker, *rest = path.split("/")
        if broker == policy.broker_name and len(rest) > 1:
            methods = policy.components.get(rest[0])
            if methods is not None:
                named = methods.get("/".join(rest[1:]), ())
                return _component_need(frozenset(named))
    return _NEEDS[section, verb]


def _action(value: object) -> tuple[Section, str]:
    """Read an action such as `events.subscribe`."""
    section, _, verb = parse_text(value, "action").partition(".")
    for known in Section:
        if section == known and verb in VERBS[known].every:
            return known, verb
    raise invalid_argument("action", "is no section and verb")


def _name(text: str) -> Name:
    try:
        return parse_name(text)
    except InvalidName as problem:
        raise DirectoryError(
            ErrorCode.INVALID_PATH, str(problem), {"argument": "path"}
        ) from None


def _question(
    policy: Policy, action: object, path: object
) -> Callable[[Subject], Allowed | Denied]:
    """Read an action and a path as something that a subject can be asked."""
    section, verb = _action(action)
    text = parse_text(path, "path")
    if "*" in text and (section, verb) in _PATTERNS:
        try:
            pattern = parse_pattern(text)
        except InvalidName as problem:
            raise DirectoryError(
                ErrorCode.INVALID_PATH, str(problem), {"argument": "path"}
            ) from None
        need = _NEEDS[section, verb]
        return lambda subject: subject.decide_pattern(need, pattern)
    name = _name(text)
    need = _need(policy, section, verb, name)
    return lambda subject: subject.decide(need, name)


def _subject(policy: Policy, username: object) -> Subject:
    name = parse_text(username, "username")
    user = policy.model.user(name)
    if user is None:
        raise user_not_found(name)
    return policy.subject(user.username, None)


def explain(
    policy: Policy, username: object, action: object, path: object
) -> dict[str, Any]:
    """Tell whether a user may do something, and which grant decides it.

    Raises:
        DirectoryError: INVALID_ARGUMENT, INVALID_PATH or USER_NOT_FOUND.
    """
    ask = _question(policy, action, path)
    subject = _subject(policy, username)
    verdict = ask(subject)
    return {
        "allowed": isinstance(verdict, Allowed),
        "reason": verdict.reason,
        "grant": _shown(verdict.grant),
        "void": [
            {
                "holder": one.holder,
                "section": str(one.section),
                "path": one.path,
                "problem": one.problem,
            }
            for one in subject.void
        ],
    }


async def who_can(policy: Policy, action: object, path: object) -> list[dict[str, Any]]:
    """List the users who may do something, by name; others have turns meanwhile.

    Raises:
        DirectoryError: INVALID_ARGUMENT or INVALID_PATH.
    """
    ask = _question(policy, action, path)
    found: list[dict[str, Any]] = []
    for at, username in enumerate(sorted(policy.model.users), start=1):
        verdict = ask(policy.subject(username, None))
        if isinstance(verdict, Allowed):
            found.append({"username": username, "grant": _shown(verdict.grant)})
        if at % _TURN == 0:
            await asyncio.sleep(0)
    return found


def is_authorized(policy: Policy, username: object, query: object) -> dict[str, Any]:
    """Tell what of a list of actions a user may not do.

    Raises:
        DirectoryError: INVALID_ARGUMENT, INVALID_PATH or USER_NOT_FOUND.
    """
    parse_text(username, "username")
    asked = list(_asked(query))
    subject = _subject(policy, username)
    forbidden = []
    for section, path, verb in asked:
        name = _name(path)
        verdict = subject.decide(_need(policy, section, verb, name), name)
        if not isinstance(verdict, Allowed):
            forbidden.append({"section": str(section), "path": path, "action": verb})
    return {"authorized": not forbidden, "forbidden": forbidden}


def _asked(query: object) -> Iterator[tuple[Section, str, str]]:
    """Read a query as sections, paths and verbs."""
    if not isinstance(query, dict) or not query:
        raise invalid_argument("query", "is no dict with sections")
    for key, value in query.items():
        match key, value:
            case (("methods" | "events"), list()):
                (verb,) = VERBS[Section(key)].default
                for path in value:
                    yield Section(key), parse_text(path, "query"), verb
            case (("web" | "data"), dict()):
                for path, entry in value.items():
                    for verb in _verbs(Section(key), entry):
                        yield Section(key), parse_text(path, "query"), verb
            case _:
                raise invalid_argument("query", "has an unknown section or no paths")


def _verbs(section: Section, entry: object) -> Iterable[str]:
    match entry:
        case {"actions": [*verbs], **rest} if verbs and not rest:
            every = VERBS[section].every
            if all(isinstance(verb, str) and verb in every for verb in verbs):
                return verbs
    raise invalid_argument("query", "has an entry without known actions")


def what_if(
    policy: Policy, draft: Draft, said: object, *question: object
) -> dict[str, Any]:
    """Answer `explain` as it is, and as it would be after some changes.

    `question` is username, action and path; `draft` is of the policy's own model, and
    is used up.

    Raises:
        DirectoryError: as `explain`, or what a change is refused with.
    """
    before = explain(policy, *question)
    if not isinstance(said, list):
        raise invalid_argument("changes", "is no list")
    for one in said:
        _apply(draft, one)
    change = draft.finish()
    if change is None:
        return {"before": before, "after": before}
    supposed = policy.what_if(change.after)
    protection.check(change, policy, supposed)
    return {"before": before, "after": explain(supposed, *question)}


def _apply(draft: Draft, said: object) -> None:
    match said:
        case {"method": str(method), **rest} if rest.keys() <= {"args", "kwargs"}:
            args, kwargs = rest.get("args", []), rest.get("kwargs", {})
            known = method in changes.__all__
            if known and isinstance(args, list) and isinstance(kwargs, dict):
                function = getattr(changes, method)
                try:
                    bound = inspect.signature(function).bind(draft, *args, **kwargs)
                except TypeError as problem:
                    raise invalid_argument("changes", str(problem)) from None
                function(*bound.args, **bound.kwargs)
                return
    raise invalid_argument("changes", "has an entry that is no changing method")


def _shown(grant: Grant | None) -> dict[str, Any] | None:
    if grant is None:
        return None
    return {
        "holder": grant.holder,
        "section": grant.section,
        "pattern": grant.pattern,
        "action": grant.action,
        "authorized": grant.authorized,
    }
