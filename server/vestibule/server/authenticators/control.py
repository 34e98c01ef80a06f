"""Logins decided by a client session that registered for an entry of the chain.

What such a session hears and may answer is docs/authentication.md, "Control
authenticators".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

import msgspec
import structlog

from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import InvalidBody
from vestibule.protocol.roles import roles_to_string, string_to_roles
from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import (
    Entrance,
    NotAdmitted,
    expiry_of,
    properties_of,
)
from vestibule.server.config_authenticators import AuthenticatorEntry
from vestibule.server.directory.names import valid_group_name
from vestibule.server.directory.roles import BOUND, DEFAULTS, Roles
from vestibule.server.properties import PRINCIPAL, ROLES
from vestibule.server.session import Session


__all__ = ["Absent", "Asking", "ControlAuthenticator", "Unanswered"]

log = structlog.get_logger("vestibule.login")


class Absent(Exception):  # noqa: N818 - what nobody is
    """Nobody is registered who could be asked."""


class Unanswered(Exception):  # noqa: N818 - what the question is
    """Who was asked failed, was late, or left; the text says which."""


class Asking(Protocol):
    """Puts questions to registered sessions."""

    async def ask(
        self,
        name: str,
        question: msgspec.Raw,
        *,
        seconds: float,
        but: Session | None,
    ) -> msgspec.Raw:
        """Give the answer of one session registered under `name`, not of `but`.

        Raises:
            Absent: there is none.
            Unanswered: none came in `seconds`.
        """


class _Said(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What an authenticator answers."""

    action: Literal["allow", "deny", "abstain"]
    properties: dict[Any, Any] | None = None
    directory_groups: bool = False
    reason: str | None = None


class ControlAuthenticator:
    """An entry `control:<name>`. `clock` tells seconds since 1970."""

    def __init__(
        self,
        entry: AuthenticatorEntry,
        asking: Asking,
        entrance: Entrance,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.name: Final = entry.name
        self._registered_as: Final = entry.control or ""
        self._entry: Final = entry
        self._asking: Final = asking
        self._entrance: Final = entrance
        self._clock: Final = clock

    async def authenticate(self, attempt: Attempt) -> Answer:
        """Ask one registered session, and do what the entry says if it does not answer.

        A session is never asked about its own re-authentication.
        """
        try:
            body = await self._asking.ask(
                self._registered_as,
                encode_body(self._question(attempt)),
                seconds=self._entry.timeout,
                but=attempt.reauthentication,
            )
            said = _read(body)
        except Absent:
            return self._else(self._entry.on_absent, "nobody is registered")
        except Unanswered as failure:
            log.warning("control.failed", authenticator=self.name, problem=str(failure))
            return self._else(self._entry.on_failure, str(failure))
        match said.action:
            case "abstain":
                return None
            case "deny":
                return Refusal(authenticator=self.name, told=said.reason)
            case "allow":
                return self._allowed(said, attempt)

    def _else(self, policy: str, why: str) -> Refusal | None:
        return None if policy == "skip" else Refusal(authenticator=self.name, told=why)

    def _question(self, attempt: Attempt) -> dict[str, Any]:
        """Give what is asked. Where a proof was checked, no secret is in it."""
        return {
            "principal": attempt.username,
            "credentials": {
                key: value
                for key, value in attempt.auth_data.items()
                if key != "username"
            },
            "session_properties": self._session_properties(attempt),
            "proposed_properties": dict(attempt.properties),
            "reauthentication": attempt.reauthentication is not None,
        }

    def _session_properties(self, attempt: Attempt) -> dict[str, str]:
        session = attempt.reauthentication
        policy = self._entrance.directory.policy
        # What a plain Allow would give, so that it can be added to.
        roles = roles_to_string(policy.subject(attempt.username, DEFAULTS).groups)
        if session is None:
            return {
                "$SessionId": attempt.connection.session_id,
                "$ClientIP": attempt.connection.remote_address,
                "$StartTime": str(int(self._clock() * 1_000)),
                PRINCIPAL: attempt.username,
                ROLES: roles,
            }
        return {**session.fixed_properties, ROLES: roles, **session.properties}

    def _allowed(self, said: _Said, attempt: Attempt) -> Admission | Refusal:
        """Check what is allowed; what is malformed in it denies."""
        try:
            properties = properties_of(
                {} if said.properties is None else said.properties
            )
            username = properties.fixed.get(PRINCIPAL, attempt.username)
            if username:
                username = self._entrance.named(username, attempt, any_user=True)
            return Admission(
                username,
                self.name,
                self._roles(said, properties.fixed, username),
                properties=properties.user_defined,
                location=properties.location,
                expires_at=expiry_of(properties, self._clock()),
            )
        except NotAdmitted as problem:
            return Refusal(authenticator=self.name, told=str(problem))

    def _roles(self, said: _Said, fixed: Mapping[str, str], username: str) -> Roles:
        text = fixed.get(ROLES)
        if text is None:
            if not said.directory_groups:
                return DEFAULTS
            if not username or self._entrance.directory.user(username) is None:
                raise NotAdmitted("directory_groups of nobody")
            return BOUND
        if said.directory_groups:
            raise NotAdmitted("$Roles and directory_groups together")
        try:
            names = string_to_roles(text)
        except ValueError:
            raise NotAdmitted("malformed $Roles") from None
        if not all(valid_group_name(name) for name in names):
            raise NotAdmitted("malformed $Roles")
        return Roles.fixed(names)


def _read(body: msgspec.Raw) -> _Said:
    try:
        return msgspec.convert(decode_body(body), _Said)
    except (InvalidBody, msgspec.ValidationError):
        raise Unanswered("an answer of another form") from None
