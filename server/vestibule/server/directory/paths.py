"""Paths of permission objects: stored form, wildcards, templates.

They follow the vocabulary of happner, whose `*` crosses slashes, and are compiled to
patterns (docs/permissions.md, "Paths in rules").
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from vestibule.protocol.actions import Section
from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import canonical_text
from vestibule.protocol.patterns import Pattern, parse_pattern


__all__ = [
    "NAMED_SECTIONS",
    "OPAQUE_SECTIONS",
    "InvalidPath",
    "Template",
    "Void",
    "compiled",
    "has_template",
    "shown_path",
    "stored_path",
]

NAMED_SECTIONS: Final = frozenset({Section.METHODS, Section.EVENTS, Section.WEB})
"""Where the broker's own name in front of a path is optional."""

OPAQUE_SECTIONS: Final = frozenset({Section.ENTITIES, Section.ACTIONS})
"""Whose keys are types and pins, not paths; all of them is what can be named yet."""

_RESERVED: Final = ("_exchange", "_events", "@HTTP")
"""Where happner keeps methods, events and web methods among its data."""

_MAX_FILLED: Final = 256
"""Paths that one template may stand for."""

_DEEP: Final = "**"
_BRACES: Final = re.compile(r"[{}]")
_TEMPLATE: Final = re.compile(r"\{([^{}/*]*)\}")
_APPLICATION_DATA: Final = "application_data."
_UNFILLABLE: Final = frozenset("/*{}")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs"})


class InvalidPath(ValueError):  # noqa: N818 - it names the path, not the failure
    """A path that cannot stand in a permission object; the text is its problem."""


def stored_path(text: str, section: Section, broker_name: str) -> str:
    """Give the form in which a path is stored, the same for all its spellings.

    Raises:
        InvalidPath: `invalid-path`, `invalid-template` or `reserved-path`.
    """
    if section in OPAQUE_SECTIONS:
        if text != "*":
            raise InvalidPath("invalid-path")
        return text
    try:
        path = parse_pattern(text).text
    except InvalidName:
        raise InvalidPath("invalid-path") from None
    for segment in path.split("/"):
        rest = _TEMPLATE.sub("", segment)
        names = _TEMPLATE.findall(segment)
        if _BRACES.search(rest) or not all(map(_is_known, names)):
            raise InvalidPath("invalid-template")
    if section is Section.DATA:
        if path.partition("/")[0].replace("*", "").startswith(_RESERVED):
            raise InvalidPath("reserved-path")
        return path
    first, slash, rest = path.partition("/")
    return rest if slash and first == broker_name else path


def shown_path(path: str, section: Section, broker_name: str) -> str:
    """Give a stored path as it is read back, so that it can be submitted again."""
    if section in NAMED_SECTIONS and path.startswith(f"{broker_name}/"):
        # What is stored like this came with the name twice, and would lose one.
        return f"{broker_name}/{path}"
    return path


def has_template(path: str) -> bool:
    """Whether a stored path is to be filled for each user."""
    return "{" in path


def compiled(path: str, *, deep: bool) -> Pattern:
    """Give the pattern of a path without templates."""
    if not deep:
        return Pattern(path)
    if path == "*":
        return Pattern(_DEEP)
    segments = path.split("/")
    last = len(segments) - 1
    result: list[str] = []
    for at, segment in enumerate(segments):
        result.append(segment)
        if segment == _DEEP:
            continue
        inside = segment == "*" and 0 < at < last
        if inside or (at == last and segment.endswith("*")):
            result.append(_DEEP)
    # Not by `parse_pattern`: the added segments may pass the limit of what can be
    # written, and everything else was checked when the path was stored.
    return Pattern("/".join(result))


def _is_known(name: str) -> bool:
    if name in ("username", "user_id"):
        return True
    if not name.startswith(_APPLICATION_DATA):
        return False
    return all(name.removeprefix(_APPLICATION_DATA).split("."))


@dataclass(frozen=True, slots=True)
class Void:
    """A template that a user could not be filled into."""

    holder: str
    section: Section
    path: str
    problem: str


class Template:
    """A stored path with templates, ready to be filled."""

    __slots__ = ("_fields", "_parts", "deep", "path")

    def __init__(self, path: str, *, deep: bool) -> None:
        self.path: Final = path
        self.deep: Final = deep
        # Text at even places, names at odd ones.
        self._parts: Final = _TEMPLATE.split(path)
        self._fields: Final = tuple(dict.fromkeys(self._parts[1::2]))

    def fill(
        self, values: Mapping[str, Any], problem: Callable[[str], None]
    ) -> Iterator[Pattern]:
        """Give the patterns for one user; each that cannot be made is a `problem`.

        `values` has `username`, `user_id` and `application_data` as far as they are
        there to be used.
        """
        choices: list[Sequence[str]] = []
        count = 1
        for field in self._fields:
            found = _usable(_find(values, field), field, problem)
            choices.append(found)
            count *= len(found)
        if count > _MAX_FILLED:
            problem(f"stands for more than {_MAX_FILLED} paths")
            return
        for chosen in product(*choices):
            filling = dict(zip(self._fields, chosen, strict=True))
            parts = list(self._parts)
            parts[1::2] = [filling[name] for name in parts[1::2]]
            try:
                path = canonical_text("".join(parts))
            except InvalidName as refusal:
                problem(f"makes no path: {refusal}")
                continue
            yield compiled(path, deep=self.deep)


def _find(values: Mapping[str, Any], field: str) -> Any:
    """Follow a dotted field through maps alone, never through attributes."""
    value: Any = values
    for key in field.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _usable(value: Any, field: str, problem: Callable[[str], None]) -> Sequence[str]:
    """Give the texts that a value stands for, telling what cannot be used."""
    items = value if isinstance(value, list) else [value]
    texts: list[str] = []
    for item in items:
        text = str(item) if type(item) is int else item
        if type(text) is not str or not text:
            problem(f"{field} has no usable value")
        elif not _UNFILLABLE.isdisjoint(text) or _has_unseen(text):
            problem(f"{field} has a value with a character that is not filled in")
        else:
            texts.append(text)
    if not items:
        problem(f"{field} has no usable value")
    return texts


def _has_unseen(text: str) -> bool:
    return any(unicodedata.category(character) in _UNSEEN for character in text)
