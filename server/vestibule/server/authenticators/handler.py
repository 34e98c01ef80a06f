"""The permission handler as a member of the chain."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import NotAdmitted, sendable
from vestibule.server.directory import Directory
from vestibule.server.directory.names import SYSTEM_PREFIX, valid_username
from vestibule.server.directory.roles import BOUND, Roles
from vestibule.server.handler import Identity
from vestibule.server.hooks import LOGIN_FAILED, Hooks, Refused
from vestibule.server.properties import (
    GivenProperties,
    InvalidProperties,
    given_properties,
)


__all__ = ["HandlerAuthenticator", "NoIdentity", "admission_of"]

log = structlog.get_logger("vestibule.login")


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
    groups = _groups(identity.groups)
    properties = _properties(identity.properties)
    return Admission(
        username,
        HandlerAuthenticator.name,
        Roles.fixed(groups) if groups else BOUND,
        client_data=_client_data(identity.client_data),
        server_data=identity.server_data,
        properties=properties.user_defined,
        location=properties.location,
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


def _properties(properties: object) -> GivenProperties:
    if properties is None:
        properties = {}
    if not isinstance(properties, Mapping):
        raise NoIdentity("properties")
    try:
        return given_properties(properties)
    except InvalidProperties:
        raise NoIdentity("properties") from None


def _client_data(data: Any) -> Any:
    try:
        return sendable(data)
    except NotAdmitted:
        raise NoIdentity("client_data") from None


class HandlerAuthenticator:
    """The permission handler's `is_valid_user` as a member of the chain."""

    name: Final = "handler"

    def __init__(self, hooks: Hooks, directory: Directory) -> None:
        self._hooks: Final = hooks
        self._directory: Final = directory

    async def authenticate(self, attempt: Attempt) -> Answer:
        """Ask the handler; what it answers must make a session, or it is a failure."""
        # A copy of its own: it may change what it is given.
        auth_data = copy.deepcopy(dict(attempt.given))
        identity = await self._hooks.is_valid_user(attempt.connection, auth_data)
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
        for group in sorted(admission.roles.groups):
            if self._directory.group(group) is None:
                log.warning("handler.unknown_group", group=group)
        return replace(admission, username=username)


def _sendable(data: Any) -> Any:
    """Give what can be sent to a client, None for what cannot."""
    try:
        return _client_data(data)
    except NoIdentity as problem:
        _warn_of_nonsense(str(problem))
        return None


def _warn_of_nonsense(what: str) -> None:
    log.warning("handler.nonsense", method="is_valid_user", answered=what)
