"""What all members that vouch for a name share: whether it may come in, and with what."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import InvalidBody
from vestibule.server.attempts import Attempt
from vestibule.server.directory import Directory
from vestibule.server.directory.names import (
    SYSTEM_PREFIX,
    valid_group_name,
    valid_username,
)
from vestibule.server.properties import (
    EXPIRY_TIME,
    GivenProperties,
    InvalidProperties,
    given_properties,
)


__all__ = [
    "CLIENT_DATA_BYTES",
    "MOST_EXPIRY",
    "Entrance",
    "NotAdmitted",
    "expiry_of",
    "properties_of",
    "sendable",
]

CLIENT_DATA_BYTES: Final = 16 * 1024
"""What a client may be told at its login: as much as it may tell itself.
It fits the records of quarantine, in which refusals leave."""

MOST_EXPIRY: Final = 2**53
"""Later than any clock; and a number that every language can hold."""


class NotAdmitted(Exception):  # noqa: N818 - what becomes of the login
    """Why a login is refused: for the audit log, with nothing that the login said."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Who may come in under whose name. `locked` tells what the lockout says."""

    directory: Directory
    locked: Callable[[str, str], float | None]

    def named(
        self, username: object, attempt: Attempt, *, any_user: bool = False
    ) -> str:
        """Give the name of the session: as the directory spells it, if it knows it.

        A name of the system's is good for `any_user` alone, and if there is such a
        user.

        Raises:
            NotAdmitted: no name, one of the system's, or that of a user who may not
                log in, or is locked out where the login comes from.
        """
        if not valid_username(username) or not isinstance(username, str):
            raise NotAdmitted("no username")
        user = self.directory.user(username)
        if username.startswith(SYSTEM_PREFIX) and (user is None or not any_user):
            raise NotAdmitted("a username of the system's")
        if user is not None:
            username = user.username
            if not self.directory.may_log_in(user):
                raise NotAdmitted("the user is disabled or expired")
        address = attempt.connection.remote_address
        if self.locked(username, address) is not None:
            raise NotAdmitted("the user is locked out")
        return username

    def known_groups(self, names: Iterable[str]) -> frozenset[str]:
        """Give those of `names` that are groups, and none of the system's."""
        return frozenset(
            name
            for name in names
            if valid_group_name(name)
            and not name.startswith(SYSTEM_PREFIX)
            and self.directory.group(name) is not None
        )


def properties_of(properties: Mapping[Any, Any]) -> GivenProperties:
    """Check the properties that a session is given.

    Raises:
        NotAdmitted: a key or value that none can have, or too many.
    """
    try:
        return given_properties(properties)
    except InvalidProperties:
        raise NotAdmitted("malformed properties") from None


def expiry_of(properties: GivenProperties, now: float) -> int | None:
    """Read `$ExpiryTime`, in milliseconds; `now` is in seconds since 1970.

    Raises:
        NotAdmitted: no decimal number, or not in the future.
    """
    text = properties.fixed.get(EXPIRY_TIME)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_EXPIRY))):
        raise NotAdmitted("a malformed $ExpiryTime")
    expires_at = int(text)
    if not now * 1_000 < expires_at <= MOST_EXPIRY:
        raise NotAdmitted("an $ExpiryTime that is not in the future")
    return expires_at


def sendable(data: Any) -> Any:
    """Give a copy of what can be sent to a client in the answer to its login.

    Raises:
        NotAdmitted: it cannot be sent, or is longer than 16 KiB.
    """
    try:
        body = encode_body(data)
    except InvalidBody:
        raise NotAdmitted("client_data that cannot be sent") from None
    if len(bytes(body)) > CLIENT_DATA_BYTES:
        raise NotAdmitted("client_data that is too long")
    return decode_body(body)
