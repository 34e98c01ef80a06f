r"""A script's lines and their tokens, with the columns where they begin.

A string is `'…'` or `"…"`, in which `\'`, `\"` and `\\` stand for the second character
(docs/stores.md, "Scripts").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from vestibule.protocol.quoting import speakable
from vestibule.server.directory.script.reports import Fault


__all__ = ["Kind", "Line", "Token", "lines_of", "tokens_of"]


class Kind(Enum):
    """What a token is."""

    WORD = "a word"
    STRING = "a string"
    OPEN = "'['"
    CLOSE = "']'"
    COMMA = "','"


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a line. Columns count characters, from 1."""

    kind: Kind
    text: str = field(repr=False)
    """A word as it is written, or what a string stands for: perhaps a password."""
    column: int
    end: int
    """The column just after it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line's tokens, as far as they could be read."""

    tokens: tuple[Token, ...]
    fault: Fault | None
    """Why they end early."""
    comment: int | None
    """The column of its `;`, if there is a comment."""


_TOKEN: Final = re.compile(
    r"""[ \t]*(?:
        (?P<word>[A-Za-z_]+)
      | (?P<string>'(?:[^'\\]|\\['"\\])*+'|"(?:[^"\\]|\\['"\\])*+")
      | (?P<sign>[\[\],])
      | (?P<comment>;)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
"""Every branch begins with another character, so nothing is tried twice."""

_GAP: Final = re.compile(r"[ \t]*")
_ESCAPED: Final = re.compile(r"\\(.)")
_INSIDE: Final = {
    "'": re.compile(r"""'(?:[^'\\]|\\['"\\])*+"""),
    '"': re.compile(r"""\"(?:[^"\\]|\\['"\\])*+"""),
}
"""A string as far as it is good, without its end."""

_SIGNS: Final = {"[": Kind.OPEN, "]": Kind.CLOSE, ",": Kind.COMMA}
_TOUCHY: Final = frozenset({Kind.WORD, Kind.STRING})
"""What must not touch another of its sort: something stands between them."""


def lines_of(script: str) -> Iterator[str]:
    """Give the lines of a script; a line ends with LF or CR LF."""
    *ended, last = script.split("\n")
    for line in ended:
        yield line.removesuffix("\r")
    yield last


def tokens_of(line: str) -> Line:
    """Read the tokens of one line."""
    tokens: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(line, at)
        if match is None or match.lastgroup is None:
            start = _end_of_gap(line, at)
            return Line(tuple(tokens), _fault_at(line, start), None)
        if match.lastgroup == "end":
            return Line(tuple(tokens), None, None)
        start, end = match.span(match.lastgroup)
        if match.lastgroup == "comment":
            return Line(tuple(tokens), None, start + 1)
        token = _token(match.lastgroup, line[start:end], start + 1, end + 1)
        if token is None:
            fault = Fault(start + 1, "a string holds a control character")
            return Line(tuple(tokens), fault, None)
        if tokens and token.kind in _TOUCHY and _touches(tokens[-1], token):
            fault = Fault(token.column, "a space is missing before this")
            return Line(tuple(tokens), fault, None)
        tokens.append(token)
        at = end


def _token(group: str, written: str, column: int, end: int) -> Token | None:
    """Make a token; None for a string that cannot be."""
    if group == "word":
        return Token(Kind.WORD, written, column, end)
    if group == "sign":
        return Token(_SIGNS[written], written, column, end)
    text = written[1:-1]
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    return Token(Kind.STRING, text, column, end) if speakable(text) else None


def _touches(before: Token, token: Token) -> bool:
    return before.kind in _TOUCHY and before.end == token.column


def _end_of_gap(line: str, at: int) -> int:
    gap = _GAP.match(line, at)
    return at if gap is None else gap.end()


def _fault_at(line: str, start: int) -> Fault:
    """Tell what is wrong where no token begins. Nothing of a string is in the text."""
    inside = _INSIDE.get(line[start])
    if inside is None:
        shown = f"U+{ord(line[start]):04X}"
        return Fault(start + 1, f"no token begins with the character {shown}")
    good = inside.match(line, start)
    if good is not None and good.end() < len(line) - 1:
        problem = "a backslash in a string is not before a quote or a backslash"
        return Fault(start + 1, problem)
    return Fault(start + 1, "a string has no end")
