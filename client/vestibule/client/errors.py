"""What the client raises: one class for each thing that a caller can do about it."""

from typing import Any, Final

from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import ErrorCode


__all__ = [
    "ConnectionClosed",
    "ConnectionLost",
    "HandshakeFailed",
    "LoginRefused",
    "MessageDenied",
    "RemoteError",
    "RequestFailed",
    "RequestTimeout",
    "SessionClosed",
    "VestibuleError",
]

_DENIALS: Final = frozenset(
    {
        "MESSAGE_DENIED",
        "MESSAGE_PERMISSION_ERROR",
        "PERMISSION_REVOKED",
        "TOKEN_LIMITED",
    }
)
"""Codes with which the gate refuses, besides those that begin with `perm/`."""

_TIMEOUTS: Final = frozenset({"REQUEST_TIMEOUT", "ACCEPT_TIMEOUT", "RESPONSE_TIMEOUT"})


class VestibuleError(Exception):
    """The base of everything that the client raises on purpose.

    `code` is one of docs/protocol.md, "Errors"; `details` depends on the code. None
    of the three ever holds a credential.
    """

    def __init__(
        self, code: str, message: str = "", details: dict[str, Any] | None = None
    ) -> None:
        self.code: Final = str(code)
        self.message: Final = message
        self.details: Final[dict[str, Any]] = {} if details is None else details
        super().__init__(self.code, message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class HandshakeFailed(VestibuleError):  # noqa: N818 - a name of the public contract
    """There is no connection: the upgrade or the handshake failed. Nothing was sent."""


class LoginRefused(VestibuleError):  # noqa: N818 - as above
    """A login was answered with a refusal.

    `reason` is the broker's text; `client_data` what a handler sent along.
    """

    @property
    def reason(self) -> str:
        """Why, in the words of whoever refused."""
        return self.message

    @property
    def client_data(self) -> Any:
        """What a permission handler sent along with its refusal, or None."""
        return self.details.get("client_data")


class _Ended(VestibuleError):  # noqa: N818 - as above
    """Something has ended, for an end reason of docs/protocol.md."""

    default: ErrorCode

    def __init__(self, reason: str) -> None:
        super().__init__(self.default, f"ended: {reason}")
        self.reason: Final = str(reason)


class ConnectionClosed(_Ended):
    """A login on a connection that has ended and never became a session."""

    default = ErrorCode.IS_CLOSED


class SessionClosed(_Ended):
    """A session that has ended for good was asked something or waited on."""

    default = ErrorCode.SESSION_CLOSED


class ConnectionLost(VestibuleError):  # noqa: N818 - as above
    """The connection ended while a request was open, and the client reconnects.

    Whether the request was done is not known; the client never repeats it.
    """

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.CONNECTION_LOST, "the connection ended before the answer came"
        )


class RequestFailed(VestibuleError):  # noqa: N818 - as above
    """The broker answered a request with an error.

    `topic`, `action` and `name` say what was asked; they are None where that is not
    known, as for a failure of a message that could not be read.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        details: dict[str, Any] | None = None,
        *,
        topic: Topic | None = None,
        action: Action | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(code, message, details)
        self.topic: Final = topic
        self.action: Final = action
        self.name: str | None = name


class MessageDenied(RequestFailed):
    """The broker's gate refused."""


class RemoteError(RequestFailed):
    """A provider raised: `name` is its exception's class name, `message` its text."""


class RequestTimeout(RequestFailed, TimeoutError):  # noqa: N818 - as above
    """An answer, or a provider, was not there in time."""


def request_failed(
    code: str,
    message: str,
    details: dict[str, Any],
    *,
    topic: Topic | None = None,
    action: Action | None = None,
    name: str | None = None,
) -> RequestFailed:
    """Make the exception that belongs to the code of a failed request."""
    kind: type[RequestFailed] = RequestFailed
    if code in _DENIALS or code.startswith("perm/"):
        kind = MessageDenied
    elif code in _TIMEOUTS:
        kind = RequestTimeout
    elif code == ErrorCode.REMOTE_ERROR:
        kind = RemoteError
        name = str(details.get("name", ""))
    return kind(code, message, details, topic=topic, action=action, name=name)
