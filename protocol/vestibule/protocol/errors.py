"""Who is at fault, by which code: error codes, close codes, end reasons, exceptions."""

from enum import IntEnum, StrEnum
from typing import Final


__all__ = [
    "REASONS",
    "BadRecord",
    "CloseCode",
    "EndReason",
    "ErrorCode",
    "FramingError",
    "InvalidBody",
    "InvalidClientHello",
    "InvalidName",
    "InvalidServerHello",
    "LocalProtocolError",
    "MessageTooLarge",
    "PeerError",
    "VestibuleProtocolError",
    "reason_of",
]


class ErrorCode(StrEnum):
    """What a refusal is called on the wire and in exceptions (docs/protocol.md).

    A peer learns the code and a fixed text; why is for the audit log alone.
    """

    # Login (docs/protocol.md, "Login").
    INVALID_AUTH_DATA = "INVALID_AUTH_DATA"
    INVALID_AUTH_MSG = "INVALID_AUTH_MSG"
    TOO_MANY_AUTH_ATTEMPTS = "TOO_MANY_AUTH_ATTEMPTS"
    AUTHENTICATION_TIMEOUT = "AUTHENTICATION_TIMEOUT"
    SCHEME_NOT_AVAILABLE = "SCHEME_NOT_AVAILABLE"
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    ANONYMOUS_DISABLED = "ANONYMOUS_DISABLED"
    ADMIN_LOCAL_ONLY = "ADMIN_LOCAL_ONLY"
    BUSY = "BUSY"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code
    TOKEN_REVOKED = "TOKEN_REVOKED"  # noqa: S105 - a code
    TOKEN_LOGIN_DISALLOWED = "TOKEN_LOGIN_DISALLOWED"  # noqa: S105 - a code
    TOKEN_TYPE_MISMATCH = "TOKEN_TYPE_MISMATCH"  # noqa: S105 - a code
    TOKEN_ORIGIN = "TOKEN_ORIGIN"  # noqa: S105 - a code

    # The client's own, never on the wire.
    LOGIN_IN_PROGRESS = "LOGIN_IN_PROGRESS"
    ALREADY_LOGGED_IN = "ALREADY_LOGGED_IN"
    UPGRADE_REFUSED = "UPGRADE_REFUSED"
    HANDSHAKE_INVALID = "HANDSHAKE_INVALID"
    NO_COMMON_VERSION = "NO_COMMON_VERSION"
    SERVER_KEY_CHANGED = "SERVER_KEY_CHANGED"
    SERVER_KEY_UNKNOWN = "SERVER_KEY_UNKNOWN"
    SERVER_KEY_UNVERIFIED = "SERVER_KEY_UNVERIFIED"
    SERVER_PROOF_INVALID = "SERVER_PROOF_INVALID"
    KNOWN_BROKERS_INVALID = "KNOWN_BROKERS_INVALID"
    IS_CLOSED = "IS_CLOSED"
    SESSION_CLOSED = "SESSION_CLOSED"
    CONNECTION_LOST = "CONNECTION_LOST"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    SUBSCRIPTION_OVERFLOW = "SUBSCRIPTION_OVERFLOW"

    # The gate.
    MESSAGE_DENIED = "MESSAGE_DENIED"
    MESSAGE_PERMISSION_ERROR = "MESSAGE_PERMISSION_ERROR"
    PERMISSION_REVOKED = "PERMISSION_REVOKED"
    TOKEN_LIMITED = "TOKEN_LIMITED"  # noqa: S105 - a code
    USAGE_LIMIT = "USAGE_LIMIT"

    # What a message says.
    UNKNOWN_TOPIC = "UNKNOWN_TOPIC"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    INVALID_MESSAGE_DATA = "INVALID_MESSAGE_DATA"
    INVALID_PATH = "INVALID_PATH"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"

    # Events and calls.
    MULTIPLE_SUBSCRIPTIONS = "MULTIPLE_SUBSCRIPTIONS"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    NO_RPC_PROVIDER = "NO_RPC_PROVIDER"
    PROVIDER_LOST = "PROVIDER_LOST"
    MULTIPLE_PROVIDERS = "MULTIPLE_PROVIDERS"
    NOT_PROVIDED = "NOT_PROVIDED"
    MULTIPLE_ACCEPT = "MULTIPLE_ACCEPT"
    INVALID_RPC_CORRELATION_ID = "INVALID_RPC_CORRELATION_ID"
    ACCEPT_TIMEOUT = "ACCEPT_TIMEOUT"
    RESPONSE_TIMEOUT = "RESPONSE_TIMEOUT"
    REMOTE_ERROR = "REMOTE_ERROR"

    # Control authenticators.
    UNKNOWN_AUTHENTICATOR = "UNKNOWN_AUTHENTICATOR"
    HANDLER_CONFLICT = "HANDLER_CONFLICT"

    # The directory.
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    INVALID_NAME = "INVALID_NAME"
    INVALID_PERMISSION = "INVALID_PERMISSION"
    INVALID_CRITERIA = "INVALID_CRITERIA"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    GROUP_NOT_FOUND = "GROUP_NOT_FOUND"
    TOKEN_NOT_FOUND = "TOKEN_NOT_FOUND"  # noqa: S105 - a code
    CYCLE = "CYCLE"
    PROTECTED = "PROTECTED"
    LOCKED = "LOCKED"
    NO_SUCH_SESSION = "NO_SUCH_SESSION"
    OWN_USER_FORBIDDEN = "OWN_USER_FORBIDDEN"
    MISSING_OLD_PASSWORD = "MISSING_OLD_PASSWORD"  # noqa: S105 - a code
    WRONG_OLD_PASSWORD = "WRONG_OLD_PASSWORD"  # noqa: S105 - a code
    STORAGE_FAILED = "STORAGE_FAILED"

    # Scripts (docs/stores.md).
    SCRIPT_FAILED = "SCRIPT_FAILED"
    SCRIPT_TOO_LARGE = "SCRIPT_TOO_LARGE"
    VERSION_CONFLICT = "VERSION_CONFLICT"


class CloseCode(IntEnum):
    """Why a connection ends, as its bye or close frame says it.

    4100 to 4199 are transient: a client with reconnection on tries again.
    4400 to 4499 and 1000 are terminal.
    """

    CLOSED = 1000
    MESSAGE_TOO_BIG = 1009
    SHUTTING_DOWN = 4100
    BAD_RECORD = 4101
    HANDSHAKE_TIMEOUT = 4102
    EVICTED = 4103
    SLOW_READER = 4104
    PROTOCOL_ERROR = 4400
    INVALID_AUTH_MSG = 4401
    TOO_MANY_AUTH_ATTEMPTS = 4402
    AUTHENTICATION_TIMEOUT = 4403
    NO_COMMON_VERSION = 4404
    MESSAGE_PARSE_ERROR = 4405
    SESSION_REVOKED = 4406
    SESSION_EXPIRED = 4407
    SESSION_REPLACED = 4408

    @property
    def terminal(self) -> bool:
        """Whether a client must not reconnect after a bye with this code."""
        return not 4100 <= self <= 4199  # noqa: PLR2004 - the range of the docstring


class EndReason(StrEnum):
    """The closed list of what `wait_closed()` and the disconnect event answer."""

    CLIENT = "client"
    SHUTTING_DOWN = "shutting_down"
    SLOW_READER = "slow_reader"
    INVALID_AUTH_MSG = "invalid_auth_msg"
    TOO_MANY_AUTH_ATTEMPTS = "too_many_auth_attempts"
    LOGIN_TIMEOUT = "login_timeout"
    PARSE_ERROR = "parse_error"
    REVOKED = "revoked"
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - a reason
    USER_DELETED = "user_deleted"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason
    PARENT_CLOSED = "parent_closed"
    EXPIRED = "expired"
    IDLE = "idle"
    USAGE_LIMIT = "usage_limit"
    REPLACED = "replaced"
    TRUNCATED = "truncated"
    SERVER_KEY_CHANGED = "server_key_changed"
    REAUTHENTICATION_FAILED = "reauthentication_failed"
    PRINCIPAL_CHANGED = "principal_changed"


REASONS: Final[dict[CloseCode, tuple[EndReason, ...]]] = {
    CloseCode.CLOSED: (EndReason.CLIENT,),
    CloseCode.SHUTTING_DOWN: (EndReason.SHUTTING_DOWN,),
    CloseCode.SLOW_READER: (EndReason.SLOW_READER,),
    CloseCode.INVALID_AUTH_MSG: (EndReason.INVALID_AUTH_MSG,),
    CloseCode.TOO_MANY_AUTH_ATTEMPTS: (EndReason.TOO_MANY_AUTH_ATTEMPTS,),
    CloseCode.AUTHENTICATION_TIMEOUT: (EndReason.LOGIN_TIMEOUT,),
    CloseCode.MESSAGE_PARSE_ERROR: (EndReason.PARSE_ERROR,),
    CloseCode.SESSION_REVOKED: (
        EndReason.REVOKED,
        EndReason.TOKEN_REVOKED,
        EndReason.USER_DELETED,
        EndReason.PASSWORD_CHANGED,
        EndReason.PARENT_CLOSED,
    ),
    CloseCode.SESSION_EXPIRED: (
        EndReason.EXPIRED,
        EndReason.IDLE,
        EndReason.USAGE_LIMIT,
    ),
    CloseCode.SESSION_REPLACED: (EndReason.REPLACED,),
}
"""The end reasons that belong to the code of a bye; the first is the default."""


def reason_of(code: int, said: str = "") -> EndReason:
    """Give the end reason of a bye: `said` if it belongs to `code`, else its first.

    A code that no bye may carry reads as `EndReason.TRUNCATED`.
    """
    try:
        reasons = REASONS[CloseCode(code)]
    except (KeyError, ValueError):
        return EndReason.TRUNCATED
    return next((reason for reason in reasons if reason == said), reasons[0])


class VestibuleProtocolError(Exception):
    """The base of what the protocol raises; `code` says what it is on the wire."""

    code: CloseCode | ErrorCode


class LocalProtocolError(VestibuleProtocolError):
    """This end asked the core for something that its phase does not allow."""


class MessageTooLarge(LocalProtocolError):  # noqa: N818 - said in a sentence
    """A message that fits into no record: it is refused where it was made."""

    code = ErrorCode.LIMIT_EXCEEDED

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes, the limit is {limit}")
        self.size, self.limit = size, limit


class PeerError(VestibuleProtocolError):
    """The other end broke the protocol."""


class InvalidClientHello(PeerError):  # noqa: N818 - said in a sentence
    """A ClientHello that is malformed, or has nothing in common with this server."""

    code: CloseCode

    def __init__(self, code: CloseCode, problem: str) -> None:
        super().__init__(problem)
        self.code = code


class InvalidServerHello(PeerError):  # noqa: N818 - as above
    """A ServerHello that is malformed, chose what was not offered, or proves nothing."""

    code = ErrorCode.HANDSHAKE_INVALID


class BadRecord(PeerError):  # noqa: N818 - the code's own name
    """A message that does not open: which of the causes it was is not told."""

    code = CloseCode.BAD_RECORD

    def __init__(self, size: int) -> None:
        super().__init__(f"a message of {size} bytes does not open")
        self.size = size


class FramingError(PeerError):
    """A batch that cannot be read: it has no effect and ends the connection."""

    code = CloseCode.MESSAGE_PARSE_ERROR


class InvalidBody(PeerError):  # noqa: N818 - the code's own name
    """A body that a conforming peer could not decode (docs/protocol.md, "Values")."""

    code = ErrorCode.INVALID_MESSAGE_DATA


class InvalidName(VestibuleProtocolError, ValueError):  # noqa: N818 - as above
    """A name or pattern that has no canonical form."""

    code = ErrorCode.INVALID_PATH
