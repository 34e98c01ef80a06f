"""The chain that decides logins: each member allows, denies or abstains."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import structlog

from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody
from vestibule.server.directory import Directory
from vestibule.server.directory.names import SYSTEM_PREFIX, valid_username
from vestibule.server.directory.passwords import PasswordsBusy
from vestibule.server.handler import ConnectionData, Identity
from vestibule.server.hooks import LOGIN_FAILED, Hooks, Refused


__all__ = [
    "CLIENT_DATA_BYTES",
    "INVALID_CREDENTIALS",
    "Admission",
    "Authenticator",
    "Chain",
    "DirectoryAuthenticator",
    "HandlerAuthenticator",
    "NoIdentity",
    "Refusal",
    "admission_of",
]

INVALID_CREDENTIALS: Final = "invalid credentials"
"""The one reason for a wrong password, an unknown name, and all the rest."""

CLIENT_DATA_BYTES: Final = 16 * 1024
"""What a handler may tell a client at its login: as much as the client may tell it.
It fits the records of quarantine, in which refusals leave."""

_ANONYMOUS: Final = "_ANONYMOUS"
_NO_DATA: Final = frozenset({"properties", "info"})
"""Keys of login data that say nothing about who it is."""

log = structlog.get_logger("vestibule.login")


@dataclass(frozen=True, slots=True)
class Admission:
    """Let in. `groups` None binds the session to the directory user of the name."""

    username: str
    authenticator: str
    groups: tuple[str, ...] | None = None
    client_data: Any = None
    server_data: Any = None
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        return f"Admission({self.username!r}, {self.authenticator!r})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not let in: what the client is told.

    `evaluated` says that credentials were looked at, so that it counts as a failure.
    """

    code: ErrorCode = ErrorCode.INVALID_AUTH_DATA
    reason: str = INVALID_CREDENTIALS
    client_data: Any = None
    authenticator: str = ""
    retry_after: float | None = None
    evaluated: bool = True

    def __repr__(self) -> str:
        return f"Refusal({self.code}, {self.authenticator!r})"


Answer: TypeAlias = Admission | Refusal | None


class NoIdentity(Exception):  # noqa: N818 - what the handler gave
    """An `Identity` that makes no session; the text says which part of it."""


def admission_of(identity: Identity) -> Admission:
    """Check what a permission handler admits with, and take a copy of it.

    Raises:
        NoIdentity: a part of it is not what the contract says, or cannot be sent.
    """
    username = identity.username
    if not valid_username(username) or username.startswith(SYSTEM_PREFIX):
        raise NoIdentity("username")
    return Admission(
        username,
        HandlerAuthenticator.name,
        _groups(identity.groups) or None,
        _client_data(identity.client_data),
        identity.server_data,
        _properties(identity.properties),
    )


def _groups(groups: object) -> tuple[str, ...]:
    # Text iterates too, and would be groups of one letter each.
    if isinstance(groups, str | bytes) or not isinstance(groups, Iterable):
        raise NoIdentity("groups")
    try:
        given = tuple(groups)
    except Exception:  # noqa: BLE001 - a generator of the handler's may raise anything
        raise NoIdentity("groups") from None
    if not all(isinstance(group, str) for group in given):
        raise NoIdentity("groups")
    return given


def _properties(properties: object) -> Mapping[str, str]:
    if properties is None:
        properties = {}
    if not isinstance(properties, Mapping):
        raise NoIdentity("properties")
    given = dict(properties)
    if not all(isinstance(one, str) for pair in given.items() for one in pair):
        raise NoIdentity("properties")
    return MappingProxyType(given)


def _client_data(data: Any) -> Any:
    """Give a copy of what can be sent to a client in the answer to its login."""
    try:
        body = encode_body(data)
    except InvalidBody:
        raise NoIdentity("client_data") from None
    if len(bytes(body)) > CLIENT_DATA_BYTES:
        raise NoIdentity("client_data")
    return decode_body(body)


class Authenticator(Protocol):
    """A member of the chain."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""

    async def authenticate(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Answer:
        """Decide a login by `auth_data`, a fresh dict; None abstains."""


class HandlerAuthenticator:
    """The permission handler's `is_valid_user` as a member of the chain."""

    name: Final = "handler"

    def __init__(self, hooks: Hooks, directory: Directory) -> None:
        self._hooks: Final = hooks
        self._directory: Final = directory

    async def authenticate(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Answer:
        """Ask the handler; what it answers must make a session, or it is a failure."""
        identity = await self._hooks.is_valid_user(connection, auth_data)
        if identity is None:
            return None
        if isinstance(identity, Refused):
            return Refusal(
                reason=identity.reason,
                client_data=_sendable(identity.client_data),
                authenticator=self.name,
            )
        try:
            admission = admission_of(identity)
        except NoIdentity as problem:
            _warn_of_nonsense(str(problem))
            return Refusal(reason=LOGIN_FAILED, authenticator=self.name)
        user = self._directory.user(admission.username)
        if user is None:
            username = admission.username
        elif self._directory.may_log_in(user):
            # As the directory spells it: what befalls the user befalls the session.
            username = user.username
        else:
            return Refusal(authenticator=self.name)
        for group in admission.groups or ():
            if self._directory.group(group) is None:
                log.warning("handler.unknown_group", group=group)
        return replace(admission, username=username)


class DirectoryAuthenticator:
    """Users of the directory by their passwords."""

    name: Final = "directory"

    def __init__(self, directory: Directory) -> None:
        self._directory: Final = directory

    async def authenticate(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Answer:
        """Verify username and password, at one cost whatever is wrong with them."""
        del connection
        if _anonymous(auth_data):
            return Refusal(
                ErrorCode.ANONYMOUS_DISABLED,
                "anonymous logins are disabled",
                authenticator=self.name,
                evaluated=False,
            )
        username, password = auth_data.get("username"), auth_data.get("password")
        if not (isinstance(username, str) and isinstance(password, str)):
            return None
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
        if user is None:
            return Refusal(authenticator=self.name)
        return Admission(user.username, self.name)


class Chain:
    """The authenticators in order; all abstaining refuses."""

    def __init__(self, members: Iterable[Authenticator]) -> None:
        self._members: Final = tuple(members)

    async def authenticate(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Admission | Refusal:
        """Ask one after another; the first answer that is no abstention decides.

        A member that fails refuses, and nobody else is asked.
        """
        for member in self._members:
            try:
                answer = await member.authenticate(connection, dict(auth_data))
            except Exception as problem:  # noqa: BLE001 - whatever it is, it admits nobody
                log.error(  # noqa: TRY400 - the text may hold login data
                    "authenticator.failed",
                    authenticator=member.name,
                    exception=type(problem).__name__,
                )
                return Refusal(reason=LOGIN_FAILED, authenticator=member.name)
            if answer is not None:
                return answer
        return Refusal()


def _anonymous(auth_data: Mapping[str, Any]) -> bool:
    said = {key: value for key, value in auth_data.items() if key not in _NO_DATA}
    return not said or said == {"username": _ANONYMOUS}


def _sendable(data: Any) -> Any:
    """Give what can be sent to a client, None for what cannot."""
    try:
        return _client_data(data)
    except NoIdentity as problem:
        _warn_of_nonsense(str(problem))
        return None


def _warn_of_nonsense(what: str) -> None:
    log.warning("handler.nonsense", method="is_valid_user", answered=what)
