"""What the broker itself tells a session: answers and notices that carry no data.

Everything that carries data of somebody else leaves through `delivery` instead.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import encode, encode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.server.errors import RequestError, text_of
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


__all__ = [
    "answer",
    "answer_refused",
    "call_withdrawn",
    "denial",
    "done",
    "failed",
    "refuse",
    "resumed",
    "suspended",
]


_PORTION_BYTES: Final = 16 * 1024
"""Names in one notice: a session may hold thousands, of a kilobyte each."""

_NAME_OVERHEAD: Final = 3
"""Bytes of msgpack before a name."""


def done(session: Session, request: int) -> None:
    """Say that a request without a result was done."""
    session.link.put(encode(messages.Answered(request)))


def answer(session: Session, request: int, result: Any) -> None:
    """Answer with a result of the broker's own making."""
    body = Raw(encode_body(result))
    session.link.put(encode(messages.Answered(request, body)))


def failed(
    session: Session,
    request: int,
    code: ErrorCode,
    message: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Say that a request was refused or failed."""
    body = Raw(encode_body(dict(details or {})))
    text = message or text_of(code)
    session.link.put(encode(messages.Failed(request, code, text, body)))


def refuse(session: Session, request: int, error: RequestError) -> None:
    """Answer a request with the error that was raised for it."""
    failed(session, request, error.code, error.message, error.details)


def denial(verdict: Denied) -> RequestError:
    """Make of a verdict what its sender may know: the code, never the reason."""
    if verdict.failed is None:
        return RequestError(ErrorCode.MESSAGE_DENIED)
    return RequestError(ErrorCode.MESSAGE_PERMISSION_ERROR, verdict.failed)


def suspended(session: Session, kind: str, names: Iterable[str]) -> None:
    """Tell which subscriptions or provisions are suspended from here on."""
    code = ErrorCode.PERMISSION_REVOKED
    for some in _portions(names):
        session.link.put(encode(messages.Suspended(kind, some, code)))


def resumed(session: Session, kind: str, names: Iterable[str]) -> None:
    """Tell which subscriptions or provisions go on from here on."""
    for some in _portions(names):
        session.link.put(encode(messages.Resumed(kind, some)))


def _portions(names: Iterable[str]) -> Iterator[list[str]]:
    """Divide names among messages far below the limit of a record."""
    some: list[str] = []
    size = 0
    for name in names:
        size += len(name.encode()) + _NAME_OVERHEAD
        if some and size > _PORTION_BYTES:
            yield some
            some, size = [], len(name.encode()) + _NAME_OVERHEAD
        some.append(name)
    if some:
        yield some


def call_withdrawn(session: Session, call: int, code: ErrorCode) -> None:
    """Tell a provider that a call it was given is over."""
    session.link.put(encode(messages.CallWithdrawn(call, code)))


def answer_refused(session: Session, call: int, code: ErrorCode) -> None:
    """Tell a provider that its answer had no effect."""
    session.link.put(encode(messages.AnswerRefused(call, code)))
