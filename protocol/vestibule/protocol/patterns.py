"""Patterns of names: `*` inside a segment, `**` as a whole segment; linear matching."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Generic, TypeVar

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import Name, canonical_text


__all__ = ["Pattern", "PatternTrie", "parse_pattern"]

DEEP: Final = "**"
_REMEMBERED: Final = 16_384


class Pattern:
    """A canonical pattern. Only `parse_pattern` makes one.

    A pattern without a wildcard is `literal` and matches just its own name. Patterns
    compare by their text.
    """

    __slots__ = ("literal", "segments", "text")

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.segments: Final = tuple(text.split("/"))
        self.literal: Final = "*" not in text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def __str__(self) -> str:
        return self.text

    @property
    def literal_prefix(self) -> tuple[str, ...]:
        """The segments before the first one that holds a wildcard."""
        prefix: list[str] = []
        for segment in self.segments:
            if "*" in segment:
                break
            prefix.append(segment)
        return tuple(prefix)

    def matches(self, name: Name) -> bool:
        """Whether `name` is one of the pattern's."""
        if self.literal:
            return self.text == name
        return _segments_match(self.segments, name.split("/"))

    def covers(self, other: "Pattern") -> bool:
        """Whether every name of `other` is one of this pattern's, seen segment-wise.

        A star of `other` is covered by a star alone, its `**` by a `**` alone
        (docs/permissions.md, "Patterns of subscriptions").
        """
        return _segments_match(self.segments, other.segments)

    def overlaps(self, other: "Pattern") -> bool:
        """Whether some name is matched by both."""
        return _segments_overlap(self.segments, other.segments)


@lru_cache(maxsize=_REMEMBERED)
def parse_pattern(text: str) -> Pattern:
    """Make a pattern, or a literal name, from what came in.

    Raises:
        InvalidName: what `canonical_text` refuses, or `**` inside a longer segment.
    """
    text = canonical_text(text)
    for segment in text.split("/"):
        if DEEP in segment and segment != DEEP:
            raise InvalidName("`**` inside a longer segment")
    return Pattern(text)


def _glob_matches(glob: str, segment: str) -> bool:
    """Match one segment; each piece between stars is found once, left to right."""
    if segment == DEEP:
        return False  # reached from `covers` alone: only `**` covers `**`
    first, *pieces = glob.split("*")
    if not pieces:
        return glob == segment
    last = pieces.pop()
    end = len(segment) - len(last)
    if end < len(first) or not segment.startswith(first):
        return False
    if not segment.endswith(last):
        return False
    at = len(first)
    for piece in pieces:
        at = segment.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _segments_match(pattern: Sequence[str], segments: Sequence[str]) -> bool:
    """Match segments against a pattern, remembering the last `**` alone.

    Going back to the last `**` is enough, as for stars in a glob; with at most 32
    segments on either side the walk is bounded by their product.
    """
    at = p = 0
    back_p, back_at = -1, 0
    while at < len(segments):
        if p < len(pattern) and pattern[p] == DEEP:
            back_p, back_at = p, at
            p += 1
        elif p < len(pattern) and _glob_matches(pattern[p], segments[at]):
            p += 1
            at += 1
        elif back_p >= 0:
            back_at += 1
            p, at = back_p + 1, back_at
        else:
            return False
    return all(rest == DEEP for rest in pattern[p:])


def _globs_overlap(left: str, right: str) -> bool:
    """Whether one segment fits both globs: reachability over pairs of positions."""
    if "*" not in left:
        return _glob_matches(right, left)
    if "*" not in right:
        return _glob_matches(left, right)
    # Both hold stars: only what stands before the first and behind the last star
    # can contradict, since the stars take up whatever lies between.
    head = min(left.index("*"), right.index("*"))
    tail = min(len(left) - left.rindex("*"), len(right) - right.rindex("*")) - 1
    return left[:head] == right[:head] and (not tail or left[-tail:] == right[-tail:])


def _segments_overlap(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether some run of segments fits both: dynamic programming, 33 by 33 cells."""
    rows, columns = len(left) + 1, len(right) + 1
    reached = [[False] * columns for _ in range(rows)]
    reached[0][0] = True
    for i in range(rows):
        for j in range(columns):
            if not reached[i][j]:
                continue
            deep_left = i < len(left) and left[i] == DEEP
            deep_right = j < len(right) and right[j] == DEEP
            if deep_left:
                reached[i + 1][j] = True
                if j < len(right):
                    reached[i][j + 1] = True
            if deep_right:
                reached[i][j + 1] = True
                if i < len(left):
                    reached[i + 1][j] = True
            if (
                i < len(left)
                and j < len(right)
                and not deep_left
                and not deep_right
                and _globs_overlap(left[i], right[j])
            ):
                reached[i + 1][j + 1] = True
    return reached[-1][-1]


T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("children", "deep", "globs", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.globs: dict[str, _Node[T]] = {}
        self.deep: _Node[T] | None = None
        self.values: dict[T, None] = {}

    def empty(self) -> bool:
        return not (self.children or self.globs or self.deep or self.values)


class PatternTrie(Generic[T]):
    """Values filed under patterns, found by a concrete name.

    Values are hashable; one value stands at most once under one pattern. Looking up
    visits each pair of node and segment at most once.
    """

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, pattern: Pattern, value: T) -> None:
        """File `value` under `pattern`; filing it twice is filing it once."""
        node = self._root
        for segment in pattern.segments:
            if segment == DEEP:
                if node.deep is None:
                    node.deep = _Node()
                node = node.deep
            elif "*" in segment:
                node = node.globs.setdefault(segment, _Node())
            else:
                child = node.children.get(segment)
                if child is None:
                    child = node.children[segment] = _Node()
                node = child
        if value not in node.values:
            node.values[value] = None
            self._size += 1

    def discard(self, pattern: Pattern, value: T) -> None:
        """Take `value` away from `pattern`, and every node that this leaves empty."""
        path: list[tuple[_Node[T], str]] = []
        node = self._root
        for segment in pattern.segments:
            path.append((node, segment))
            child = self._child(node, segment)
            if child is None:
                return
            node = child
        if value not in node.values:
            return
        del node.values[value]
        self._size -= 1
        for parent, segment in reversed(path):
            child = self._child(parent, segment)
            if child is None or not child.empty():
                break
            if segment == DEEP:
                parent.deep = None
            elif "*" in segment:
                del parent.globs[segment]
            else:
                del parent.children[segment]

    @staticmethod
    def _child(node: "_Node[T]", segment: str) -> "_Node[T] | None":
        if segment == DEEP:
            return node.deep
        if "*" in segment:
            return node.globs.get(segment)
        return node.children.get(segment)

    def find(self, name: Name) -> list[T]:
        """Every value under a pattern that matches `name`; a value may come twice."""
        found: list[T] = []
        for node in self._nodes(name.split("/")):
            found.extend(node.values)
        return found

    def _nodes(self, segments: list[str]) -> "Iterator[_Node[T]]":
        """Follow all nodes that the segments so far lead to, level by level."""
        level: dict[int, _Node[T]] = {}
        # Nodes that a `**` led to stay for every later level.
        staying: dict[int, _Node[T]] = {}

        def enter(node: _Node[T]) -> None:
            level[id(node)] = node
            deep = node.deep
            while deep is not None:
                level[id(deep)] = deep
                staying[id(deep)] = deep
                deep = deep.deep

        enter(self._root)
        for segment in segments:
            before = level
            level = dict(staying)
            for node in before.values():
                child = node.children.get(segment)
                if child is not None:
                    enter(child)
                for glob, child in node.globs.items():
                    if _glob_matches(glob, segment):
                        enter(child)
        yield from level.values()
