"""The directory as a member of the chain: users by their passwords, and the anonymous."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from vestibule.protocol.errors import ErrorCode
from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.directory import Directory
from vestibule.server.directory.model import AnonymousAction
from vestibule.server.directory.passwords import PasswordsBusy
from vestibule.server.directory.roles import ANONYMOUS


__all__ = ["DirectoryAuthenticator"]


class DirectoryAuthenticator:
    """Users of the directory by their passwords."""

    name: Final = "directory"

    def __init__(self, directory: Directory) -> None:
        self._directory: Final = directory

    async def authenticate(self, attempt: Attempt) -> Answer:
        """Verify username and password, at one cost whatever is wrong with them.

        Who is proved already is let in; an unknown name is left to who comes after.
        """
        if attempt.proven is not None:
            return self._admitted(attempt.proven, attempt)
        if attempt.anonymous:
            return self._anonymously(attempt)
        username = attempt.auth_data.get("username")
        password = attempt.auth_data.get("password")
        if not (isinstance(username, str) and isinstance(password, str)):
            return self._without_password(attempt)
        known = self._directory.user(username) is not None
        try:
            user = await self._directory.verify(username, password)
        except PasswordsBusy as busy:
            return Refusal(
                ErrorCode.BUSY,
                "busy",
                authenticator=self.name,
                retry_after=busy.retry_after,
                evaluated=False,
            )
        if user is not None:
            return self._admitted(Admission(user.username, self.name), attempt)
        return Refusal(authenticator=self.name) if known else None

    def _anonymously(self, attempt: Attempt) -> Answer:
        """Answer who says nothing about itself, by the policy for it."""
        match self._directory.policy.model.anonymous.action:
            case AnonymousAction.ALLOW:
                return self._admitted(Admission("", self.name, ANONYMOUS), attempt)
            case AnonymousAction.ABSTAIN:
                return None
            case AnonymousAction.DENY:
                return Refusal(
                    ErrorCode.ANONYMOUS_DISABLED,
                    "anonymous logins are disabled",
                    authenticator=self.name,
                    evaluated=False,
                )

    def _without_password(self, attempt: Attempt) -> Refusal | None:
        """Answer who says a name and nothing that proves it, or something else."""
        user = self._directory.user(attempt.username) if attempt.username else None
        return None if user is None else Refusal(authenticator=self.name)

    def _admitted(self, admission: Admission, attempt: Attempt) -> Admission:
        """Let in, with what it proposes and may."""
        return replace(admission, properties=self._trusted(attempt.properties))

    def _trusted(self, proposed: Mapping[str, str]) -> Mapping[str, str]:
        """Give what a client proposes and is trusted with."""
        trusted = self._directory.policy.model.trusted
        return MappingProxyType(
            {
                key: value
                for key, value in proposed.items()
                if key in trusted and trusted[key].accepts(value)
            }
        )
