"""Logins that are signed with the key of a user."""

import hmac
from functools import partial
from typing import Final

from vestibule.protocol.signatures import key_login, verifies
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.directory import Directory


__all__ = ["KeyChecker"]

_AUTHENTICATOR: Final = "directory"

_NO_KEY: Final = bytes(32)
"""Stands for the key of a name without one. It verifies nothing: it is of small
order."""


class KeyChecker:
    """Checks a signature over this connection, and whose key made it."""

    def __init__(self, directory: Directory) -> None:
        self._directory: Final = directory

    def account(self, attempt: Attempt) -> str | None:
        """Give the name that failures are counted under."""
        return attempt.account

    async def check(self, attempt: Attempt) -> Admission | Refusal:
        """Verify the signature under the key that was sent, then compare the keys.

        Both are done for every name.
        """
        if attempt.exporter is None:
            return Refusal(authenticator=_AUTHENTICATOR)
        name, sent = attempt.username, attempt.auth_data["public_key"]
        signed = key_login(attempt.exporter, name)
        good = verifies(sent, signed, attempt.auth_data["signature"])
        user = self._directory.user(name)
        own = None if user is None else user.public_key
        same = hmac.compare_digest(sent, own or _NO_KEY)
        if user is None or own is None or not (good and same):
            return Refusal(authenticator=_AUTHENTICATOR)
        if not self._directory.may_log_in(user):
            return Refusal(authenticator=_AUTHENTICATOR)
        return Admission(
            user.username,
            _AUTHENTICATOR,
            user_id=user.user_id,
            # Others may take their time, and the key be taken away meanwhile.
            stands=partial(self._has_key, user.username, own),
        )

    def _has_key(self, username: str, key: bytes) -> bool:
        user = self._directory.user(username)
        return user is not None and user.public_key == key
