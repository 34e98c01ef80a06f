"""What changes would bring: who would gain or lose what, while nothing is changed."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from vestibule.server.directory import protection
from vestibule.server.directory.asking import parse_question
from vestibule.server.directory.comparing import Right, differences
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.directory.questions import TURN, explained, subject_of
from vestibule.server.directory.supposing import suppose
from vestibule.server.directory.transition import Change


__all__ = ["Prospect", "answered", "prospect", "users_touched"]

_MOST_USERS: Final = 100
_MOST_RIGHTS: Final = 100
"""Users in an answer, and rights listed for each; it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """The policy in force, and the one that some changes would put in its place."""

    now: Policy
    supposed: Policy
    change: Change | None
    """None where the changes would change nothing."""


def prospect(policy: Policy, draft: Draft, changes: object) -> Prospect:
    """Suppose some changes, given as dicts of `method`, `args` and `kwargs`.

    `draft` is of the policy's own model, and is used up.

    Raises:
        DirectoryError: INVALID_ARGUMENT, or what a change is refused with.
    """
    suppose(policy, draft, changes)
    change = draft.finish()
    if change is None:
        return Prospect(policy, policy, None)
    supposed = policy.what_if(change.after)
    protection.check(change, policy, supposed)
    return Prospect(policy, supposed, change)


def answered(
    found: Prospect, username: object, action: object, path: object
) -> dict[str, Any]:
    """Answer `explain` as it is, and as it would be.

    Raises:
        DirectoryError: as `explain`; USER_NOT_FOUND also for whom the changes delete.
    """
    question = parse_question(found.now, action, path)
    before = explained(found.now, subject_of(found.now, username), question)
    after = explained(found.supposed, subject_of(found.supposed, username), question)
    return {"before": before, "after": after}


async def users_touched(found: Prospect) -> dict[str, Any]:
    """List whose rights the changes would alter; others have turns meanwhile."""
    rows: list[dict[str, Any]] = []
    left_out = 0
    for at, username in enumerate(_candidates(found), start=1):
        if at % TURN == 0:
            await asyncio.sleep(0)
        before = _subject(found.now, username)
        after = _subject(found.supposed, username)
        if before.same_rights(after):
            continue
        if len(rows) == _MOST_USERS:
            left_out += 1
            continue
        gains, loses = differences(found.now, before, after)
        if gains or loses:
            beyond = sum(max(0, len(one) - _MOST_RIGHTS) for one in (gains, loses))
            rows.append(
                {
                    "username": username,
                    "gains": _shown(gains),
                    "loses": _shown(loses),
                    "left_out": beyond,
                }
            )
    return {"users": rows, "users_left_out": left_out}


def _candidates(found: Prospect) -> list[str]:
    """Give the users who may be touched, by name."""
    change = found.change
    if change is None:
        return []
    before, after = change.before, change.after
    everybody = (
        bool(change.groups)
        or before.isolated_paths != after.isolated_paths
        or before.named_roles != after.named_roles
    )
    names = before.users.keys() | after.users.keys() if everybody else change.users
    return sorted(names)


def _subject(policy: Policy, username: str) -> Subject:
    """Give a user to compare; one who is not there has nothing."""
    there = policy.model.user(username) is not None
    return policy.subject(username, None if there else frozenset())


def _shown(rights: Iterable[Right]) -> list[dict[str, str]]:
    return [
        {"section": str(one.section), "path": one.path, "action": str(one.action)}
        for one in islice(rights, _MOST_RIGHTS)
    ]
