"""Canonical names: one grammar for events, records, methods, web paths, assignments."""

import unicodedata
from functools import lru_cache
from typing import Final, Self

from vestibule.protocol.errors import InvalidName


__all__ = [
    "MAX_NAME_BYTES",
    "MAX_SEGMENTS",
    "Name",
    "canonical_text",
    "parse_assignment_path",
    "parse_name",
]

MAX_NAME_BYTES: Final = 1024
"""A name in UTF-8: what fits a line of a log and a key of an index."""

MAX_SEGMENTS: Final = 32
"""Segments of a name: bounds every walk along one."""

_MAX_INPUT_CHARACTERS: Final = 4 * MAX_NAME_BYTES
"""Longer text cannot become a name by NFC; it is refused before it is normalised."""

_REMEMBERED: Final = 16_384
"""Names that are not parsed again: the ones in use, at about 200 bytes each."""

_SHORT: Final = 128
"""Characters up to which a name is remembered."""

_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs"})
"""Control and format characters and lone surrogates: invisible, or not text."""


class Name(str):
    """A canonical, concrete name. Only `parse_name` makes one.

    It equals its text, so it can be a key beside text that came from a `Name`.
    """

    __slots__ = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts between the slashes, at least one."""
        return tuple(self.split("/"))

    @property
    def text(self) -> str:
        """The name as a plain `str`, for encoders that take no subclass."""
        return str.__str__(self)

    def __deepcopy__(self, memo: object) -> Self:
        return self


def canonical_text(text: str) -> str:
    """Give the canonical form of a name or pattern: NFC, without outer slashes.

    At most one leading and one trailing `/` drop.

    Raises:
        InvalidName: an empty, `.` or `..` segment, a control or format character, a
            lone surrogate, more than 1,024 bytes or 32 segments.
    """
    if len(text) > _MAX_INPUT_CHARACTERS:
        raise InvalidName(f"longer than {MAX_NAME_BYTES} bytes")
    if text.isascii():
        if not text.isprintable():
            raise InvalidName("a control character")
        size = len(text)
    else:
        text = unicodedata.normalize("NFC", text)
        for character in text:
            if unicodedata.category(character) in _FORBIDDEN:
                raise InvalidName(f"the character U+{ord(character):04X}")
        size = len(text.encode())
    leading = text.startswith("/")
    # "/" alone is no name: it would be empty, whichever of its ends dropped.
    trailing = text.endswith("/") and len(text) > 1
    text = text[leading : len(text) - trailing]
    if size - leading - trailing > MAX_NAME_BYTES:
        raise InvalidName(f"longer than {MAX_NAME_BYTES} bytes")
    _check_segments(text.split("/"))
    return text


def _check_segments(segments: list[str]) -> None:
    if len(segments) > MAX_SEGMENTS:
        raise InvalidName(f"more than {MAX_SEGMENTS} segments")
    for segment in segments:
        if not segment:
            raise InvalidName("an empty segment")
        if segment in (".", ".."):
            raise InvalidName(f"the segment {segment!r}")


def parse_name(text: str) -> Name:
    """Make a concrete name from what came in.

    Raises:
        InvalidName: as `canonical_text`, or a wildcard `*`.
    """
    # Long names are parsed each time: remembering them would let one client fill the
    # memory with 16,384 of the longest.
    return _remembered(text) if len(text) <= _SHORT else _parse(text)


def parse_assignment_path(text: str) -> Name:
    """Make the path of an assignment or an isolated path from what came in.

    Raises:
        InvalidName: as `parse_name`, or `{` or `}`, which stand for templates elsewhere.
    """
    if "{" in text or "}" in text:
        raise InvalidName("a brace in the path of an assignment")
    return parse_name(text)


def _parse(text: str) -> Name:
    if "*" in text:
        raise InvalidName("a wildcard in a concrete name")
    return Name(canonical_text(text))


_remembered: Final = lru_cache(maxsize=_REMEMBERED)(_parse)
