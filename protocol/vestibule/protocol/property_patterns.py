"""Patterns of property values: a small regular language, matched in linear time.

A pattern is turned into an automaton of its places (Glushkov's construction), which is
run with the set of places as the bits of one number. Nothing backtracks, so no pattern
and no value can make it slow; `re` is not used.
"""

from functools import lru_cache
from typing import Final

from vestibule.protocol.property_grammar import (
    MAX_STATES,
    Choice,
    Matcher,
    Node,
    Repeat,
    Sequence,
    parse,
)


__all__ = ["PropertyPattern", "parse_property_pattern"]

_REMEMBERED: Final = 64
"""Patterns that are not built again."""

_STEPS: Final = 4_096
"""Steps of one automaton that are remembered; then all are forgotten."""

_CHARACTERS: Final = 1_024
"""Characters whose places are remembered, as above."""

_DIGIT_BITS: Final = 4
"""Bits of a hexadecimal digit: successors of as many places are looked up at once."""

_DIGITS: Final = "0123456789abcdef"


class PropertyPattern:
    """What values of a property are accepted. Only `parse_property_pattern` makes one.

    Patterns compare by their text.
    """

    __slots__ = ("_ended", "_entry", "_masks", "_places", "_steps", "_tables", "text")

    def __init__(self, text: str, root: Node) -> None:
        self.text: Final = text
        places = _Places()
        self._ended: Final = 1 << _count(root)
        self._entry: Final = places.link(root, self._ended)
        self._places: Final = tuple(places.masks.items())
        self._tables: Final = _tables(places.after)
        self._masks: dict[str, int] = {}
        self._steps: dict[tuple[int, str], int] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PropertyPattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"PropertyPattern({self.text!r})"

    def matches(self, value: str) -> bool:
        """Whether the whole value is one of the pattern's."""
        state, steps = self._entry, self._steps
        for character in value:
            key = (state, character)
            after = steps.get(key)
            if after is None:
                after = self._step(state, character)
                if len(steps) >= _STEPS:
                    steps.clear()
                steps[key] = after
            if not after:
                return False
            state = after
        return bool(state & self._ended)

    def _step(self, state: int, character: str) -> int:
        """Give the places that may come after `character`, read at those of `state`."""
        read = state & self._mask(character)
        after = 0
        digits = reversed(f"{read:x}")
        for table, digit in zip(self._tables, digits, strict=False):
            if digit != "0":
                after |= table[digit]
        return after

    def _mask(self, character: str) -> int:
        """Give the places that read `character`."""
        mask = self._masks.get(character)
        if mask is None:
            mask = 0
            for matcher, places in self._places:
                if matcher.matches(character):
                    mask |= places
            if len(self._masks) >= _CHARACTERS:
                self._masks.clear()
            self._masks[character] = mask
        return mask


@lru_cache(maxsize=_REMEMBERED)
def parse_property_pattern(text: str) -> PropertyPattern:
    """Make the pattern that `text` writes down.

    Raises:
        ValueError: it is no pattern, or too large; the text says why, for people.
    """
    return PropertyPattern(text, parse(text))


class _Places:
    """The places of an automaton: which characters each reads, what comes after it."""

    def __init__(self) -> None:
        self.masks: dict[Matcher, int] = {}
        self.after: list[int] = []

    def link(self, node: Node, following: int) -> int:
        """Put `node` in front of the places `following`; give where it is entered."""
        match node:
            case Matcher():
                place = 1 << len(self.after)
                self.after.append(following)
                self.masks[node] = self.masks.get(node, 0) | place
                return place
            case Sequence(parts):
                for part in reversed(parts):
                    following = self.link(part, following)
                return following
            case Choice(branches):
                entry = 0
                for branch in branches:
                    entry |= self.link(branch, following)
                return entry
            case Repeat(part, least, most):
                return self._repeat(part, least, most, following)

    def _repeat(self, part: Node, least: int, most: int | None, following: int) -> int:
        if most is None:
            following = self._loop(part, following)
        else:
            for _ in range(most - least):
                following |= self.link(part, following)
        for _ in range(least):
            following = self.link(part, following)
        return following

    def _loop(self, part: Node, following: int) -> int:
        """Link a part that may come any number of times, also none."""
        begin = len(self.after)
        entry = following | self.link(part, following)
        # What led out of the part leads into it again, too.
        for place in range(begin, len(self.after)):
            if self.after[place] & following:
                self.after[place] |= entry
        return entry


def _count(node: Node) -> int:
    """Count the places of a node when its repetitions are written out."""
    match node:
        case Matcher():
            return 1
        case Sequence(parts) | Choice(parts):
            return sum(map(_count, parts))
        case Repeat(part, least, most):
            return _count(part) * (least + 1 if most is None else most)


def _tables(after: list[int]) -> list[dict[str, int]]:
    """For each four places and each set of them, unite what comes after."""
    tables: list[dict[str, int]] = []
    for begin in range(0, min(len(after), MAX_STATES), _DIGIT_BITS):
        group = after[begin : begin + _DIGIT_BITS]
        table: dict[str, int] = {}
        for number, digit in enumerate(_DIGITS[: 1 << len(group)]):
            united = 0
            for bit, one in enumerate(group):
                if number >> bit & 1:
                    united |= one
            table[digit] = united
        tables.append(table)
    return tables
