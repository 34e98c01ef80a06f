"""A live session that logs in anew, as the same or another user."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from msgspec import Raw

from vestibule.client.channel import value_of
from vestibule.client.checks import text, text_map
from vestibule.client.errors import LoginRefused, RequestFailed
from vestibule.client.lifecycle import Lifecycle
from vestibule.client.login import Login
from vestibule.client.pending import About
from vestibule.client.schemes import login_of
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.messages import Message, Reauthenticate


__all__ = ["NO_PROPERTIES", "Reauthentication"]

REAUTHENTICATE: Final = About(Topic.AUTH, Action.LOGIN)

NO_PROPERTIES: Final[Mapping[str, str]] = {}

_UNJUDGED: Final = frozenset(
    {
        ErrorCode.BUSY,
        ErrorCode.INVALID_AUTH_MSG,
        ErrorCode.SCHEME_NOT_AVAILABLE,
        ErrorCode.SERVER_KEY_UNVERIFIED,
    }
)
"""Refusals of a login that say nothing of its credentials: nobody looked at them."""

_NOT_OF_LOGIN: Final = frozenset(
    {
        ErrorCode.MESSAGE_DENIED,
        ErrorCode.MESSAGE_PERMISSION_ERROR,
        ErrorCode.REQUEST_TIMEOUT,
        ErrorCode.INVALID_MESSAGE_DATA,
        ErrorCode.UNKNOWN_ACTION,
        ErrorCode.UNKNOWN_TOPIC,
        ErrorCode.LIMIT_EXCEEDED,
        ErrorCode.STORAGE_FAILED,
    }
)
"""Codes that any request may fail with; all others are refusals of the login."""


class Reauthentication:
    """Asks the broker to judge the session anew; a refusal changes nothing."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle: Final = lifecycle

    async def attempt(
        self,
        principal: str,
        credentials: str | Mapping[str, object],
        properties: Mapping[str, str] = NO_PROPERTIES,
    ) -> LoginRefused | None:
        """Give the refusal of who judged the credentials; None: the switch is made.

        Cancelled, it still takes in what the broker answers.

        Raises:
            LoginRefused: nobody judged: BUSY, SCHEME_NOT_AVAILABLE,
                SERVER_KEY_UNVERIFIED, …
            RequestFailed, ConnectionLost, SessionClosed: as every request.
            TypeError, ValueError: before anything is sent.
        """
        login = _login(principal, credentials, properties)

        def make(id_: int) -> Message:
            # Only now: a signature is of the connection that it is sent on.
            opening = self._lifecycle.opening(login)
            return Reauthenticate(id_, login.scheme, encode_body(opening.fields))

        try:
            await self._lifecycle.channel.ask(
                make, REAUTHENTICATE, "", then=partial(self._switched, login)
            )
        except RequestFailed as failure:
            if failure.code in _NOT_OF_LOGIN:
                raise
            refusal = LoginRefused(failure.code, failure.message, failure.details)
            if refusal.code in _UNJUDGED:
                raise refusal from None
            return refusal
        return None

    def _switched(self, login: Login, body: Raw) -> None:
        try:
            answer = value_of(body, REAUTHENTICATE, "")
        except RequestFailed as failure:
            self._lifecycle.channel.report(failure)
            answer = None
        facts = answer if isinstance(answer, dict) else {}
        self._lifecycle.switched(
            login, str(facts.get("username", "")), facts.get("client_data")
        )


def _login(principal: object, credentials: object, properties: object) -> Login:
    data: dict[str, Any]
    match credentials:
        case str():
            data = {"password": credentials}
        case Mapping():
            data = dict(credentials)
        case _:
            raise TypeError("credentials is a password, or a mapping of login data")
    if "username" in data:
        raise ValueError("credentials holds a username: principal says it")
    proposed = text_map(properties, "properties")
    if proposed:
        data["properties"] = proposed
    return login_of({"username": text(principal, "principal"), **data})
