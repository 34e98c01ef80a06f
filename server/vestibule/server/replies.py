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
    "authentication_withdrawn",
    "authenticator_closed",
    "call_withdrawn",
    "change_noticed",
    "denial",
    "done",
    "failed",
    "refuse",
    "resumed",
    "suspended",
    "ticket_replaced",
    "token_replaced",
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
        return RequestError(verdict.code or ErrorCode.MESSAGE_DENIED)
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


def change_noticed(
    sessions: Iterable[Session], epoch: int, kinds: Iterable[str]
) -> None:
    """Tell sessions that what they may do has changed, and by what kind of change."""
    message = encode(messages.ChangeNoticed(epoch, list(kinds)))
    for session in sessions:
        session.link.put(message)


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


def authentication_withdrawn(session: Session, ask: int) -> None:
    """Tell an authenticator that a question it was asked is over."""
    session.link.put(encode(messages.AuthenticationWithdrawn(ask)))


def authenticator_closed(session: Session, name: str, code: ErrorCode) -> None:
    """Tell a session that its registration as an authenticator has ended."""
    session.link.put(encode(messages.AuthenticatorClosed(name, code)))


def ticket_replaced(session: Session, ticket: bytes | None, ttl_ms: int) -> None:
    """Tell a session the ticket that it has from here on; None: it has none."""
    session.link.put(encode(messages.TicketReplaced(ticket, ttl_ms)))


def token_replaced(session: Session) -> None:
    """Tell a session the token that it has from here on."""
    token = None if session.token is None else session.token.reveal()
    session.link.put(encode(messages.TokenReplaced(token)))


def answer_refused(session: Session, call: int, code: ErrorCode) -> None:
    """Tell a provider that its answer had no effect."""
    session.link.put(encode(messages.AnswerRefused(call, code)))
