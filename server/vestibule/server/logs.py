"""The log: constants and fields, one line each, short, escaped and without secrets.

Whoever logs writes `log.warning("login.refused", session_id=…, reason=…)`: the event
is a constant, what varies is a field. Text from outside is escaped and cut. That no
secret becomes a field is the duty of the caller; the redactor here is the second line
of defence.
"""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Literal, TextIO, TypeAlias

import msgspec
import structlog


__all__ = ["MAX_LINE_BYTES", "Line", "configure", "ensure", "secretive"]

MAX_LINE_BYTES: Final = 1024
"""The longest line, its newline included: one line, one screen."""

_ROOT: Final = "vestibule"

_AUDIT: Final = "vestibule.audit"
"""This logger's lines are written at every level."""

_SECRETIVE: Final = (
    "auth_data",
    "authorization",
    "cookie",
    "credential",
    "exporter",
    "password",
    "private",
    "proof",
    "secret",
    "signature",
    "signing",
    "ticket",
    "token",
    "verifier",
)
"""A field whose name contains one of these shows no value."""

_REDACTED: Final = "[redacted]"
_CUTS: Final = (400, 120, 40)
"""To what values are cut, one after the other, until the line fits."""

_MAX_ITEMS: Final = 32
_MAX_FIELDS: Final = 64
_MAX_DEPTH: Final = 3
_PLAIN: Final = frozenset({bool, int, float})
_WORD: Final = re.compile(r'[^\s"=]+')

Fields: TypeAlias = dict[str, Any]


class Line:
    """One line of the log: an event and its fields.

    Its text is already redacted, escaped and cut, so handlers that know nothing of
    this module print it safely too.
    """

    __slots__ = ("event", "fields", "limit")

    def __init__(
        self, event: str, fields: Mapping[str, Any], limit: int = MAX_LINE_BYTES
    ) -> None:
        self.event: Final = event
        self.fields: Final = fields
        self.limit: Final = limit

    def __str__(self) -> str:
        return _fit(_console, {"event": self.event, **self.fields}, self.limit)


@lru_cache(maxsize=1024)
def secretive(name: str) -> bool:
    """Whether a field of this name shows no value."""
    low = name.lower()
    return any(word in low for word in _SECRETIVE)


def _shown(value: Any, cut: int, depth: int = 0) -> Any:
    """Give what may be printed of a value: plain data, escaped and cut."""
    kind = type(value)
    if kind is str:
        short = len(value) <= cut and value.isprintable()
        return value if short else _escaped(value, cut)
    if value is None or kind in _PLAIN:
        return value
    if isinstance(value, str):
        return _escaped(value, cut)
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return _shown_fields(value, cut, depth + 1)
        if isinstance(value, list | tuple):
            return [_shown(item, cut, depth + 1) for item in value[:_MAX_ITEMS]]
        if isinstance(value, set | frozenset):
            return _shown(sorted(map(str, value)), cut, depth)
    # No repr of what is not plain data: it may show anything.
    return f"<{kind.__name__}>"


def _shown_fields(fields: Mapping[Any, Any], cut: int, depth: int = 0) -> Fields:
    """Give what may be printed of fields; none of a secretive one."""
    shown: Fields = {}
    for name, value in islice(fields.items(), _MAX_FIELDS):
        key = _shown(str(name), cut)
        hidden = value is not None and secretive(key)
        shown[key] = _REDACTED if hidden else _shown(value, cut, depth)
    return shown


def _escaped(text: str, cut: int) -> str:
    if len(text) > cut:
        text = f"{text[:cut]}…"
    if text.isprintable():
        return str(text)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _json(fields: Fields) -> str:
    """Render for collectors: one object."""
    return msgspec.json.encode(fields).decode()


def _console(fields: Fields) -> str:
    """Render for people: `TIME LEVEL event key=value …`."""
    rest = dict(fields)
    words = [str(rest.pop(key)) for key in ("time", "level", "event") if key in rest]
    for key, value in rest.items():
        plain = isinstance(value, str) and _WORD.fullmatch(value)
        words.append(f"{key}={value if plain else msgspec.json.encode(value).decode()}")
    return " ".join(words)


def _fit(render: Callable[[Fields], str], fields: Fields, limit: int) -> str:
    """Render `fields` so that the line with its newline is at most `limit` bytes."""
    shown: Fields = {}
    for cut in _CUTS:
        shown = _shown_fields(fields, cut)
        text = render(shown)
        if len(text.encode()) < limit:
            return text
    while shown:
        # Still too long: the fields at the end go, and the line says so.
        shown.popitem()
        text = render({**shown, "cut": True})
        if len(text.encode()) < limit:
            return text
    return ""


def _place(problem: BaseException) -> str:
    """Tell where an exception was raised, without its text."""
    frames = traceback.extract_tb(problem.__traceback__)
    if not frames:
        return "unknown"
    last = frames[-1]
    file = last.filename.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{file}:{last.lineno} {last.name}"


@lru_cache(maxsize=4)
def _second_text(second: int) -> str:
    """Give a second as text; all lines of one share it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _Formatter(logging.Formatter):
    """Formats records of every library; of others only what is constant.

    Their arguments and the text of exceptions may hold anything, a password included.
    """

    def __init__(self, style: Literal["console", "json"]) -> None:
        super().__init__()
        self._render = _json if style == "json" else _console

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        second, milliseconds = divmod(int(record.created * 1000), 1000)
        time = f"{_second_text(second)}.{milliseconds:03}Z"
        fields: Fields = {"time": time, "level": record.levelname.lower()}
        limit = MAX_LINE_BYTES
        message: object = record.msg
        if isinstance(message, Line):
            fields |= {"event": message.event, "logger": record.name, **message.fields}
            limit = message.limit
        else:
            first = str(message).split("\n", 1)[0]
            fields |= {"event": first, "logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            problem = record.exc_info[1]
            fields |= {"exception": type(problem).__name__, "at": _place(problem)}
        return _fit(self._render, fields, limit)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; a line that cannot be written stops nobody.

    Of the audit log's, the writer hears: it counts what was lost.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base's
        """Swallow, or raise on where somebody counts."""
        problem = sys.exc_info()[1]
        if record.name == _AUDIT and problem is not None:
            raise problem


def _to_record(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[Line], dict[str, Any]]:
    """Turn an event of structlog into the arguments of a call of `logging`."""
    del logger, method
    fields = dict(event)
    exc_info = fields.pop("exc_info", None)
    line = Line(str(fields.pop("event", "")), fields)
    return (line,), {"exc_info": exc_info} if exc_info else {}


def ensure() -> None:
    """Let the broker's lines go to `logging`, unless structlog is configured already.

    A program that embeds a broker then sees them where its other lines go.
    """
    if not structlog.is_configured():
        _through_logging()


def _through_logging() -> None:
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _to_record],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def configure(
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO",
    style: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Set up this process's whole log: to standard error, or to `stream`.

    `level` is that of the broker's own lines. Other libraries speak from WARNING on:
    below it they print headers, frames and arguments.
    """
    _through_logging()
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(_Formatter(style))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level)
    logging.getLogger(_AUDIT).setLevel(logging.INFO)
