r"""The language of property patterns: text in, tree out; whatever else it holds is refused.

Literals, `.`, classes `[a-z_]` and `[^…]`, `\d \D \w \W \s \S` (ASCII), `\` before
punctuation, `(…)`, `(?:…)`, `|`, and `* + ? {m} {m,} {m,n}`. `^` may stand first and `$`
last, both without effect: a pattern is about the whole value.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias


__all__ = [
    "MAX_CHARACTERS",
    "MAX_REPETITIONS",
    "MAX_STATES",
    "Choice",
    "Matcher",
    "Node",
    "Repeat",
    "Sequence",
    "parse",
]

MAX_CHARACTERS: Final = 256
"""Of a pattern as it is written."""

MAX_REPETITIONS: Final = 255
"""The largest number in braces."""

MAX_STATES: Final = 2_000
"""Of a pattern when its repetitions are written out: bounds a step of matching."""

_END: Final = ""
_SYNTAX: Final = frozenset("()[]{}|*+?^$.\\")
_CLASSES: Final[dict[str, Callable[[str], bool]]] = {
    "d": frozenset(string.digits).__contains__,
    "w": frozenset(string.ascii_letters + string.digits + "_").__contains__,
    "s": frozenset(" \t\n\r\v\f").__contains__,
}


@dataclass(frozen=True, slots=True)
class Matcher:
    """Reads one character: one of the ranges and classes, or with `negated` none of them.

    A capital letter stands for the opposite of a class.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    classes: str = ""
    negated: bool = False

    def matches(self, character: str) -> bool:
        """Whether the character is one of these."""
        found = any(first <= character <= last for first, last in self.ranges) or any(
            _CLASSES[one.lower()](character) is one.islower() for one in self.classes
        )
        return found is not self.negated


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other; without parts, nothing."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    branches: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, `least` to `most` times; `most` None: any number."""

    part: "Node"
    least: int
    most: int | None


Node: TypeAlias = Matcher | Sequence | Choice | Repeat

_ANY: Final = Matcher(ranges=(("\n", "\n"),), negated=True)


def parse(text: str) -> Node:
    """Read a pattern.

    Raises:
        ValueError: it is none, or too large; the text says why, for people.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a pattern has at most {MAX_CHARACTERS} characters")
    return _Reading(text).pattern()


class _Open:
    """A group that is being read: its finished branches, and the present one."""

    __slots__ = ("branches", "parts")

    def __init__(self) -> None:
        self.branches: list[Node] = []
        self.parts: list[Node] = []

    def next_branch(self) -> None:
        self.branches.append(Sequence(tuple(self.parts)))
        self.parts = []

    def closed(self) -> Node:
        self.next_branch()
        return (
            self.branches[0]
            if len(self.branches) == 1
            else Choice(tuple(self.branches))
        )


class _Reading:
    """One pass over a pattern. Groups are kept in a list: depth costs no recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._groups = [_Open()]

    def pattern(self) -> Node:
        self._skip("^")
        while (one := self._next()) != _END:
            self._take(one)
        if len(self._groups) > 1:
            raise ValueError("a group without an end")
        root = self._groups[0].closed()
        _check_size(root)
        return root

    def _next(self) -> str:
        one = self._text[self._at : self._at + 1]
        self._at += 1
        return one

    def _skip(self, expected: str) -> bool:
        """Pass over `expected` if it comes next."""
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _take(self, one: str) -> None:
        group = self._groups[-1]
        match one:
            case "(":
                if self._skip("?") and not self._skip(":"):
                    raise ValueError("of the groups with (? there is (?:…) alone")
                self._groups.append(_Open())
            case ")":
                if len(self._groups) == 1:
                    raise ValueError("an end without a group")
                self._groups.pop()
                self._groups[-1].parts.append(self._counted(group.closed()))
            case "|":
                group.next_branch()
            case "$" if self._at == len(self._text) and len(self._groups) == 1:
                pass
            case _:
                group.parts.append(self._counted(self._character(one)))

    def _character(self, one: str) -> Matcher:
        match one:
            case ".":
                return _ANY
            case "[":
                return self._class()
            case "\\":
                return self._escaped()
            case _ if one in _SYNTAX:
                raise ValueError(f"{one} has no meaning here; write \\{one}")
            case _:
                return Matcher(ranges=((one, one),))

    def _escaped(self) -> Matcher:
        one = self._next()
        if one and one.lower() in _CLASSES:
            return Matcher(classes=one)
        if one and one in string.punctuation:
            return Matcher(ranges=((one, one),))
        raise ValueError(f"\\{one} is not known")

    def _class(self) -> Matcher:
        negated = self._skip("^")
        ranges: list[tuple[str, str]] = []
        classes = ""
        while not self._skip("]"):
            member = self._member()
            if member.classes:
                classes += member.classes
                continue
            ((first, last),) = member.ranges
            # A `-` before the end of the class stands for itself.
            if self._text.startswith("-", self._at) and not self._ends(self._at + 1):
                self._at += 1
                member = self._member()
                if member.classes:
                    raise ValueError("a range ends with a character")
                ((_, last),) = member.ranges
                if last < first:
                    raise ValueError(f"{first}-{last} is no range")
            ranges.append((first, last))
        if not ranges and not classes:
            raise ValueError("a class without members")
        return Matcher(tuple(ranges), classes, negated)

    def _ends(self, at: int) -> bool:
        return self._text.startswith("]", at)

    def _member(self) -> Matcher:
        one = self._next()
        if one == _END:
            raise ValueError("a class without an end")
        if one == "\\":
            return self._escaped()
        if one in "[]":
            raise ValueError(f"{one} in a class is written \\{one}")
        return Matcher(ranges=((one, one),))

    def _counted(self, part: Node) -> Node:
        """Read how often a part comes, if that is said."""
        bounds = self._bounds()
        if bounds is None:
            return part
        if self._text[self._at : self._at + 1] in ("*", "+", "?", "{"):
            raise ValueError("one count for each part")
        repeated = Repeat(part, *bounds)
        _check_size(repeated)
        return repeated

    def _bounds(self) -> tuple[int, int | None] | None:
        if self._skip("*"):
            return 0, None
        if self._skip("+"):
            return 1, None
        if self._skip("?"):
            return 0, 1
        if not self._skip("{"):
            return None
        end = self._text.find("}", self._at)
        if end < 0:
            raise ValueError("a count without an end")
        least, comma, most = self._text[self._at : end].partition(",")
        self._at = end + 1
        if not comma:
            return _count(least), _count(least)
        if not most:
            return _count(least), None
        bounds = _count(least), _count(most)
        if bounds[1] < bounds[0]:
            raise ValueError("a count from more to less")
        return bounds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > len(
        str(MAX_REPETITIONS)
    ):
        raise ValueError(f"a count is a number up to {MAX_REPETITIONS}")
    count = int(text)
    if count > MAX_REPETITIONS:
        raise ValueError(f"a count is a number up to {MAX_REPETITIONS}")
    return count


def _check_size(node: Node) -> None:
    if _size(node) > MAX_STATES:
        raise ValueError(f"a pattern stands for at most {MAX_STATES} states")


def _size(node: Node) -> int:
    """Count the states: at least one a node, so that nothing is written out for free."""
    match node:
        case Matcher():
            return 1
        case Sequence(parts) | Choice(parts):
            return max(1, sum(map(_size, parts)))
        case Repeat(part, least, most):
            return _size(part) * max(1, least + 1 if most is None else most)
