"""What the client raises: one class for each thing that a caller can do about it."""

from dataclasses import dataclass
from typing import Any, Final

from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import ErrorCode


__all__ = [
    "ConnectionClosed",
    "ConnectionLost",
    "ErrorReport",
    "HandshakeFailed",
    "LoginRefused",
    "MessageDenied",
    "RemoteError",
    "RequestFailed",
    "RequestTimeout",
    "ScriptError",
    "SessionClosed",
    "VersionConflict",
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
    """There is no connection: the upgrade or the handshake failed. Nothing was sent.

    SERVER_PROOF_INVALID comes later: a broker that took part in a SCRAM login has not
    proved that it knows the password. It has learnt none.
    """


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


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What is wrong with one line of a script. Lines and columns begin at 1."""

    message: str
    line: int
    column: int


class ScriptError(RequestFailed):
    """A script was refused, whole: nothing of it has happened."""

    @property
    def reports(self) -> tuple[ErrorReport, ...]:
        """What is wrong, by line; at most one a line and 100 in all."""
        reports = self.details.get("reports")
        return tuple(
            ErrorReport(
                str(report.get("message", "")),
                _number(report.get("line")),
                _number(report.get("column")),
            )
            for report in (reports if isinstance(reports, list) else ())
            if isinstance(report, dict)
        )

    def __str__(self) -> str:
        lines = [f"{one.line}:{one.column}: {one.message}" for one in self.reports]
        return "\n".join([super().__str__(), *lines])


class VersionConflict(RequestFailed):
    """The view has another version than was expected, and nothing was tried."""

    @property
    def expected(self) -> int:
        """The version that was expected."""
        return _number(self.details.get("expected"))

    @property
    def current(self) -> int:
        """The version that the view has."""
        return _number(self.details.get("current"))


def _number(value: object) -> int:
    """Read a number of an answer; 0 is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


_KINDS: Final[dict[str, type[RequestFailed]]] = {
    ErrorCode.SCRIPT_FAILED: ScriptError,
    ErrorCode.VERSION_CONFLICT: VersionConflict,
}
"""Codes that have an exception of their own."""


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
    kind = _KINDS.get(code, RequestFailed)
    if code in _DENIALS or code.startswith("perm/"):
        kind = MessageDenied
    elif code in _TIMEOUTS:
        kind = RequestTimeout
    elif code == ErrorCode.REMOTE_ERROR:
        kind = RemoteError
        name = str(details.get("name", ""))
    return kind(code, message, details, topic=topic, action=action, name=name)
