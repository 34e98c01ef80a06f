"""A refusal of one request: what its sender is told."""

from collections.abc import Mapping
from typing import Any, Final

from vestibule.protocol.errors import ErrorCode


__all__ = ["RequestError", "limit_exceeded", "place_of", "text_of"]

_TEXTS: Final[dict[ErrorCode, str]] = {
    ErrorCode.MESSAGE_DENIED: "denied",
    ErrorCode.MESSAGE_PERMISSION_ERROR: "permission check failed",
}


def text_of(code: ErrorCode) -> str:
    """Give the fixed text of a code; what varies goes into the details."""
    return _TEXTS.get(code, code.replace("_", " ").lower())


class RequestError(Exception):
    """Raised by whoever handles a request; the router answers its sender with it.

    `code`, `message` and `details` all go to the client: they hold nothing that it
    may not read.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.code: Final = code
        self.message: Final = message or text_of(code)
        self.details: Final = dict(details or {})
        super().__init__(f"{code}: {self.message}")


def limit_exceeded(limit: str) -> RequestError:
    """Refuse what is over the limit named `limit`, as the configuration names it."""
    return RequestError(ErrorCode.LIMIT_EXCEEDED, details={"limit": limit})


def place_of(problem: BaseException) -> str:
    """Tell where an exception was raised, for the log: its text may hold secrets."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
