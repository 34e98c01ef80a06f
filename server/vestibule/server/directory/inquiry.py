"""Questions of somebody who decides: about one subject, and about everybody.

For permission handlers (docs/handlers.md, "Asking the policy"): they get the answers
that administrators get, from the policy that decides the message at hand.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from vestibule.server.directory import capabilities, prospects, questions
from vestibule.server.directory.asking import parse_question
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.policy import Policy, Subject


__all__ = ["Inquiry"]


class Inquiry:
    """What a subject, and others under the same policy, may do.

    Nothing here changes anything. What is asked wrongly raises a `DirectoryError`.
    """

    __slots__ = ("_policy", "_subject")

    def __init__(self, subject: Subject) -> None:
        policy = subject.facts
        if not isinstance(policy, Policy):
            raise TypeError("the subject is of no policy")
        self._policy: Final = policy
        self._subject: Final = subject

    def explain(
        self, action: str, path: str, username: str | None = None
    ) -> dict[str, Any]:
        """Tell whether the session, or a user, may do something, and why."""
        question = parse_question(self._policy, action, path)
        subject = self._of(username)
        return questions.explained(self._policy, subject, question)

    async def who_can(self, action: str, path: str) -> list[dict[str, Any]]:
        """List the users who may do something, each with its grant."""
        return await questions.who_can(self._policy, action, path)

    async def what_can(self, username: str | None = None) -> dict[str, Any]:
        """List what the session, or a user, may do."""
        return await capabilities.what_can(self._policy, self._of(username))

    async def what_if(self, changes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """List the users who would gain or lose what by changes of the directory."""
        now = int(time.time() * 1000)
        draft = Draft(self._policy.model, now=now, broker_name=self._policy.broker_name)
        found = prospects.prospect(self._policy, draft, list(changes))
        return await prospects.users_touched(found)

    def _of(self, username: str | None) -> Subject:
        if username is None:
            return self._subject
        return questions.subject_of(self._policy, username)
