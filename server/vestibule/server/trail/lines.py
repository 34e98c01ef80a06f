"""One line of the audit trail, and the hash that chains it to the one before.

Pure: no file, no clock. The hash needs no secret, so whoever has the lines can check
them (docs/operations.md, "The audit trail").
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from vestibule.server.logs import secretive


__all__ = ["GENESIS", "Line", "chained", "digest", "drafts", "shown"]

GENESIS: Final = bytes(32)
"""What the first line is chained to."""

_PERSON: Final = b"vst1.audit"
_REDACTED: Final = "[redacted]"
_PLAIN_WORDS: Final = frozenset({"", "set", "changed", "removed"})
"""What may stand under a secretive name: it says that there is something, not what."""

_MAX_DEPTH: Final = 40
"""Data of users is at most 32 deep; what goes deeper is no line of the broker's."""

_PART: Final = 100
"""Differences on one line; a change that made more has several lines."""

_ACTIONS: Final = {
    "login_accepted": "login",
    "login_refused": "login",
    "session_ended": "end",
    "directory_changed": "change",
    "script_applied": "script",
}
"""What was done, where the kind of line says it alone."""

_VERDICTS: Final = {
    "login_accepted": "allowed",
    "login_refused": "denied",
    "message_denied": "denied",
}

_encode: Final = msgspec.msgpack.Encoder().encode
_json: Final = msgspec.json.Encoder(order="sorted").encode


class Line(NamedTuple):
    """A line as it is stored. Texts are empty where a kind has nothing to say."""

    seq: int
    """From 1 on, without gaps."""
    time: int
    """Milliseconds since 1970 by the wall clock, which may have gone backwards."""
    kind: str
    user: str
    session: str
    action: str
    path: str
    """The canonical one that was decided."""
    verdict: str
    """`allowed`, `denied`, or empty where nothing was decided."""
    fields: str
    """What else the kind tells, as JSON."""
    previous: bytes
    """The hash of the line before."""
    hash: bytes


class Draft(NamedTuple):
    """A line that has no place in the chain yet."""

    time: int
    kind: str
    user: str
    session: str
    action: str
    path: str
    verdict: str
    fields: str


def digest(line: Line) -> bytes:
    """Compute a line's hash: over all that it says, its number and its predecessor.

    BLAKE2b-256 with the personalisation `vst1.audit` over a MessagePack array of the
    line's other fields in their order, so that no two lines have one encoding.
    """
    return hashlib.blake2b(_encode(line[:-1]), digest_size=32, person=_PERSON).digest()


def chained(draft: Draft, seq: int, previous: bytes) -> Line:
    """Give a draft its place behind a line."""
    line = Line(seq, *draft, previous, b"")
    return line._replace(hash=digest(line))


def drafts(time: int, kind: str, fields: Mapping[str, Any]) -> Iterator[Draft]:
    """Make the lines of one event; one, but for changes of more than 100 holders.

    `detail` of a change is a function that gives its differences, called here: it
    costs, and here is not the event loop.
    """
    rest = dict(fields)
    topic, action = rest.pop("topic", ""), rest.pop("action", "")
    if topic:
        action = f"{topic}.{action}"
    head = (
        time,
        kind,
        _text(rest.pop("user", "")),
        _text(rest.pop("session_id", "")),
        _text(action or _ACTIONS.get(kind, "")),
        _text(rest.pop("path", "")),
        _text(rest.pop("verdict", "") or _VERDICTS.get(kind, "")),
    )
    detail = rest.pop("detail", None)
    if detail is None:
        yield Draft(*head, _fields(rest))
        return
    differences = _asked(detail)
    parts = range(0, max(len(differences), 1), _PART)
    for number, start in enumerate(parts, start=1):
        said = {**rest, "differences": differences[start : start + _PART]}
        if len(parts) > 1:
            said |= {"part": number, "parts": len(parts)}
        yield Draft(*head, _fields(said))


def shown(line: Line) -> dict[str, Any]:
    """Give a line as plain data, for people and programs."""
    return {
        **line._asdict(),
        "fields": msgspec.json.decode(line.fields),
        "previous": line.previous.hex(),
        "hash": line.hash.hex(),
    }


def _asked(detail: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return detail()
    except Exception as problem:  # noqa: BLE001 - the change itself is still told
        return [{"failed": type(problem).__name__}]


def _text(value: object) -> str:
    return _sound("" if value is None else str(value))


def _sound(text: str) -> str:
    """Give text that UTF-8 can carry."""
    return text.encode(errors="backslashreplace").decode()


def _fields(fields: Mapping[str, Any]) -> str:
    return _json(_kept(fields, hidden=False, depth=0)).decode()


def _kept(value: Any, *, hidden: bool, depth: int) -> Any:
    """Give what may be stored of a value; of texts under a secretive name nothing.

    That no secret becomes a field is the duty of the caller; this is the second line.
    """
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        text = _sound(value)
        return _REDACTED if hidden and text not in _PLAIN_WORDS else text
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {
                _sound(str(name)): _kept(
                    item, hidden=secretive(str(name)), depth=depth + 1
                )
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [_kept(item, hidden=hidden, depth=depth + 1) for item in value]
        if isinstance(value, set | frozenset):
            return _kept(sorted(map(str, value)), hidden=hidden, depth=depth)
    # No repr of what is not plain data: it may show anything.
    return f"<{type(value).__name__}>"
