"""Questions about the policy: the answers come from the code of the live gate."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from vestibule.protocol.actions import Section
from vestibule.server.directory.arguments import parse_text
from vestibule.server.directory.asking import (
    Question,
    asked_name,
    need_of,
    parse_question,
)
from vestibule.server.directory.errors import invalid_argument, user_not_found
from vestibule.server.directory.evidence import MOST, Chains, matching, shown_grant
from vestibule.server.directory.paths import Void
from vestibule.server.directory.permissions import VERBS
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.verdict import Allowed, Grant


__all__ = [
    "TURN",
    "explain",
    "explained",
    "is_authorized",
    "shown_void",
    "subject_of",
    "who_can",
]

TURN: Final = 50
"""Users that are judged before others have a turn: a few milliseconds."""


def subject_of(policy: Policy, username: object) -> Subject:
    """Give somebody to ask about.

    Raises:
        DirectoryError: INVALID_ARGUMENT, or USER_NOT_FOUND.
    """
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
    question = parse_question(policy, action, path)
    return explained(policy, subject_of(policy, username), question)


def explained(policy: Policy, subject: Subject, question: Question) -> dict[str, Any]:
    """Tell what decides, through which groups it came, and what else matched."""
    verdict = question.ask(subject)
    chains = Chains(policy.model, subject)

    def shown(grant: Grant) -> dict[str, Any]:
        return {**shown_grant(grant), "through": chains.to(grant.holder)}

    matched = list(matching(policy, subject, question.need, question.asked))
    decided = verdict.grant
    return {
        "allowed": isinstance(verdict, Allowed),
        "reason": verdict.reason,
        "grant": None if decided is None else shown_grant(decided),
        "through": [] if decided is None else chains.to(decided.holder),
        "matched": [shown(grant) for grant in islice(matched, MOST)],
        "left_out": max(0, len(matched) - MOST),
        "void": [shown_void(one) for one in islice(subject.void, MOST)],
    }


def shown_void(void: Void) -> dict[str, Any]:
    """Give a template that could not be filled as answers show it."""
    return {
        "holder": void.holder,
        "section": str(void.section),
        "path": void.path,
        "problem": void.problem,
    }


async def who_can(policy: Policy, action: object, path: object) -> list[dict[str, Any]]:
    """List the users who may do something, by name; others have turns meanwhile.

    Raises:
        DirectoryError: INVALID_ARGUMENT or INVALID_PATH.
    """
    question = parse_question(policy, action, path)
    found: list[dict[str, Any]] = []
    for at, username in enumerate(sorted(policy.model.users), start=1):
        verdict = question.ask(policy.subject(username, None))
        if isinstance(verdict, Allowed):
            grant = None if verdict.grant is None else shown_grant(verdict.grant)
            found.append({"username": username, "grant": grant})
        if at % TURN == 0:
            await asyncio.sleep(0)
    return found


def is_authorized(policy: Policy, username: object, query: object) -> dict[str, Any]:
    """Tell what of a list of actions a user may not do.

    Raises:
        DirectoryError: INVALID_ARGUMENT, INVALID_PATH or USER_NOT_FOUND.
    """
    parse_text(username, "username")
    asked = list(_asked(query))
    subject = subject_of(policy, username)
    forbidden = []
    for section, path, verb in asked:
        name = asked_name(path)
        verdict = subject.decide(need_of(policy, section, verb, name), name)
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
