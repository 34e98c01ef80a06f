"""Logins and their profiles and tokens: who comes in under which limits, and by what.

It has a say in every login twice: early, about what nothing in the login can change,
and last, when the chain has let somebody in. Logins by token it checks itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from vestibule.protocol.errors import ErrorCode
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.config_profiles import LoginType
from vestibule.server.directory import Directory
from vestibule.server.directory.model import ADMIN_USER
from vestibule.server.directory.tokens import Token
from vestibule.server.families import Continued, Family
from vestibule.server.handler import ConnectionData
from vestibule.server.profiles import Arrival, Profiles
from vestibule.server.secret import Secret
from vestibule.server.session import Session
from vestibule.server.tokens import BY_DIRECTORY, Tokens, wrong_address


__all__ = ["TokenLogins"]

_WEBSOCKET: Final[LoginType] = "websocket"


class TokenLogins:
    """The entry of every login, and the checker of those by token.

    `clock` is that of the loop, in seconds.
    """

    def __init__(
        self,
        tokens: Tokens,
        directory: Directory,
        profiles: Profiles,
        *,
        sessions: Mapping[str, Session],
        clock: Callable[[], float],
        admin_network_logins: bool,
    ) -> None:
        self._tokens: Final = tokens
        self._directory: Final = directory
        self._profiles: Final = profiles
        self._sessions: Final = sessions
        self._clock: Final = clock
        self._admin_network_logins: Final = admin_network_logins

    # By token.

    def account(self, attempt: Attempt) -> str | None:
        """Give the name that failures are counted under: the token's user."""
        token = self._directory.tokens.find(_text(attempt))
        return attempt.account if token is None else token.username

    async def check(self, attempt: Attempt) -> Admission | Refusal:
        """Find the token, and judge it as it is from there now."""
        address = attempt.connection.remote_address
        found = self._tokens.find(_text(attempt), address=address)
        if isinstance(found, Refusal):
            return found
        token, _ = found
        if attempt.username not in {"", token.username}:
            return Refusal(authenticator=BY_DIRECTORY, told="token of another user")
        return Admission(
            token.username,
            BY_DIRECTORY,
            user_id=token.user_id,
            answer={"token": _text(attempt)},
            proof=token,
        )

    # Every login.

    def early(self, attempt: Attempt) -> Refusal | None:
        """Refuse what no proof could admit, before any is looked at."""
        return self._from_afar(attempt.connection, attempt.username)

    async def enter(
        self, attempt: Attempt, admission: Admission
    ) -> Admission | Refusal:
        """Put a login that was decided under its profile, and give it a token.

        When this returns, the token is on disk. Where it cannot be, the login goes on
        without one.
        """
        username = admission.username
        refusal = self._from_afar(attempt.connection, username)
        if refusal is not None:
            return refusal
        if isinstance(admission.proof, Token):
            return self._again(attempt, admission, admission.proof)
        if isinstance(admission.proof, Continued):
            return self._resumed(attempt, admission, admission.proof)
        subject = self._directory.policy.subject(username, admission.roles)
        arrival = Arrival(
            login_type=_WEBSOCKET,
            username=username,
            groups=subject.effective_groups,
            address=attempt.connection.remote_address,
            authenticator=admission.authenticator,
        )
        profile = self._profiles.choose(arrival)
        if not profile.accepts(arrival.address):
            return wrong_address(admission.authenticator)
        user = self._directory.user(username) if admission.roles.bound else None
        issued = None
        if user is not None and profile.token_logins:
            issued = await self._tokens.issue(user, profile, _WEBSOCKET)
        if issued is None:
            return _entered(admission, self._tokens.without_token(profile), None)
        token, secret = issued
        if token.revoked_at is not None:
            # The user was deleted, disabled or given another password meanwhile.
            return Refusal(authenticator=admission.authenticator, evaluated=False)
        return _entered(admission, self._tokens.family(token, profile), secret)

    def _again(
        self, attempt: Attempt, admission: Admission, proof: Token
    ) -> Admission | Refusal:
        """Let one more session in under a token, if it is good still."""
        found = self._tokens.judged(proof, attempt.connection.remote_address)
        if isinstance(found, Refusal):
            return found
        family = self._tokens.family(*found)
        family.active_at = self._clock()
        return replace(admission, family=family)

    def _resumed(
        self, attempt: Attempt, admission: Admission, was: Continued
    ) -> Admission | Refusal:
        """Let somebody who was cut off go on under the token and limits of before.

        Otherwise coming back would lengthen what a profile limits.
        """
        session = self._sessions.get(admission.replaces)
        if session is not None:
            was = session.continued
        family, now = was.family, self._clock()
        token = self._directory.tokens.get(family.token_id or "")
        void = family.token_id is not None and (
            token is None or token.revoked_at is not None
        )
        due = family.due
        if void or family.used_up or (due is not None and now >= due):
            return Refusal(authenticator=BY_DIRECTORY, evaluated=False)
        if not family.profile.accepts(attempt.connection.remote_address):
            return wrong_address(BY_DIRECTORY)
        family = self._tokens.known(family)
        family.active_at = now
        return _entered(admission, family, was.token)

    def _from_afar(self, connection: ConnectionData, username: str) -> Refusal | None:
        if self._admin_network_logins or connection.local or username != ADMIN_USER:
            return None
        return Refusal(
            ErrorCode.ADMIN_LOCAL_ONLY,
            "the administrator logs in from inside the broker alone",
            authenticator=BY_DIRECTORY,
            evaluated=False,
        )


def _text(attempt: Attempt) -> str:
    return str(attempt.auth_data.get("token", ""))


def _entered(admission: Admission, family: Family, token: Secret | None) -> Admission:
    text = None if token is None else token.reveal()
    return replace(admission, family=family, answer={**admission.answer, "token": text})
