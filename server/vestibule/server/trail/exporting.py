"""Lines of a trail as text, so that they can be kept and checked elsewhere."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from vestibule.server.trail.chain import Report, check
from vestibule.server.trail.head import Head, TrailDamaged
from vestibule.server.trail.lines import Line


__all__ = ["line_text", "verify_export"]


class _Exported(msgspec.Struct, forbid_unknown_fields=True):
    """A line; hashes are in hexadecimal, `fields` is the stored text itself."""

    seq: int
    time: int
    kind: str
    user: str
    session: str
    action: str
    path: str
    verdict: str
    fields: str
    previous: str
    hash: str


_decode = msgspec.json.Decoder(_Exported).decode


def line_text(line: Line) -> str:
    """Give a line as one line of JSON that says exactly what was stored."""
    said = {**line._asdict(), "previous": line.previous.hex(), "hash": line.hash.hex()}
    return f"{msgspec.json.encode(said).decode()}\n"


def verify_export(path: Path, expected: Iterable[Head]) -> Report:
    """Check exported lines as those of a trail; they may begin with any line.

    Raises:
        TrailDamaged: it cannot be read, or a line is none.
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = _read(path, file)
            first = next(lines, None)
            if first is None:
                return check((), heads=expected)
            rest = _chained(first, lines)
            return check(rest, heads=expected, part=first.seq > 1)
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "is not text"
        raise TrailDamaged(f"cannot be read: {reason}", where=str(path)) from None


def _chained(first: Line, rest: Iterable[Line]) -> Iterator[Line]:
    yield first
    yield from rest


def _read(path: Path, texts: Iterable[str]) -> Iterator[Line]:
    for number, text in enumerate(texts, start=1):
        try:
            said = msgspec.structs.asdict(_decode(text))
            for name in ("previous", "hash"):
                said[name] = bytes.fromhex(said[name])
        except ValueError:
            where = f"{path}:{number}"
            raise TrailDamaged("is no exported line", where=where) from None
        yield Line(**said)
