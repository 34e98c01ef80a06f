"""Patterns of one holder made findable by name: a few dictionary look-ups each.

Nearly all patterns are literal names or `prefix/*/**`, so these two kinds are found
by hash; what has other wildcards is filed under its literal prefix, in a trie of the
segments behind it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.globs import glob_matches


__all__ = ["Index", "JoinedIndex", "PatternIndex", "prefixes_of"]

_DEEP: Final = "**"
_REMEMBERED: Final = 256
"""Patterns of subscriptions whose overlap with an index is kept."""

V = TypeVar("V")


def prefixes_of(name: str) -> tuple[str, ...]:
    """Give what stands above a name, nearest first; the last is the empty text."""
    prefixes: list[str] = []
    above, _, _ = name.rpartition("/")
    while above:
        prefixes.append(above)
        above, _, _ = above.rpartition("/")
    prefixes.append("")
    return tuple(prefixes)


class _Node(Generic[V]):
    """A place in the trie of what stands behind a literal prefix."""

    __slots__ = ("children", "deep", "globs", "heads", "is_deep", "value")

    def __init__(self, *, is_deep: bool = False) -> None:
        self.value: V | None = None
        self.children: dict[str, _Node[V]] = {}
        self.heads: dict[int, dict[str, _Node[V]]] = {}
        """Globs whose only star is at the end, by length and text before it."""
        self.globs: dict[str, _Node[V]] = {}
        self.deep: _Node[V] | None = None
        self.is_deep: Final = is_deep
        """Whether a `**` led here: it stays for every later segment."""

    def step(self, segment: str) -> "_Node[V]":
        """Give the node behind `segment` of a pattern, making it if need be."""
        if segment == _DEEP:
            if self.deep is None:
                self.deep = _Node(is_deep=True)
            return self.deep
        if "*" not in segment:
            return self.children.setdefault(segment, _Node())
        head = segment[:-1]
        if segment.endswith("*") and "*" not in head:
            return self.heads.setdefault(len(head), {}).setdefault(head, _Node())
        return self.globs.setdefault(segment, _Node())

    def steps(self) -> "Iterator[tuple[str, _Node[V]]]":
        """Give the segments of patterns that go on from here, and where to."""
        yield from self.children.items()
        yield from self.globs.items()
        for heads in self.heads.values():
            for head, child in heads.items():
                yield f"{head}*", child
        if self.deep is not None:
            yield _DEEP, self.deep

    def follow(self, segment: str, into: "dict[_Node[V], None]") -> None:
        """Enter every node that one segment of a name leads to."""
        if self.is_deep:
            into[self] = None
        child = self.children.get(segment)
        if child is not None:
            child.enter(into)
        for length, heads in self.heads.items():
            child = heads.get(segment[:length])
            if child is not None:
                child.enter(into)
        for glob, child in self.globs.items():
            if glob_matches(glob, segment):
                child.enter(into)

    def enter(self, into: "dict[_Node[V], None]") -> None:
        """Be reached, and with it what a `**` behind it reaches without a segment."""
        into[self] = None
        if self.deep is not None:
            into[self.deep] = None


class _Place(Generic[V]):
    """What the patterns with one literal prefix say."""

    __slots__ = ("below", "here", "tails")

    def __init__(self, here: V | None = None, below: V | None = None) -> None:
        self.here = here
        """Of the prefix itself."""
        self.below = below
        """Of every name below it."""
        self.tails: tuple[_Node[V], ...] = ()
        """Of names below it that fit what stands behind the prefix."""

    def joined(self, other: "_Place[V]") -> "_Place[V]":
        """Give what both say; where only one can be heard, this one is."""
        place = _Place(
            other.here if self.here is None else self.here,
            other.below if self.below is None else self.below,
        )
        place.tails = self.tails + other.tails
        return place


class PatternIndex(Generic[V]):
    """Values by pattern, immutable once made.

    Where several patterns match, the value is that of a literal one, else of one with
    a near prefix; always the same for the same name.
    """

    __slots__ = ("_covers", "_first", "_items", "_overlaps", "_places")

    def __init__(self, items: Iterable[tuple[Pattern, V]]) -> None:
        self._items: Final = tuple(items)
        self._places: dict[str, _Place[V]] = {}
        self._first: dict[str | None, list[tuple[Pattern, V]]] | None = None
        self._overlaps: dict[Pattern, V | None] = {}
        self._covers: dict[Pattern, V | None] = {}
        for pattern, value in self._items:
            self._add(pattern, value)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[tuple[Pattern, V], ...]:
        """The patterns and their values, as they were given."""
        return self._items

    @property
    def places(self) -> Mapping[str, _Place[V]]:
        """What is found by literal name or prefix."""
        return self._places

    def _add(self, pattern: Pattern, value: V) -> None:
        if pattern.literal:
            self._place(pattern.text, here=value)
            return
        prefix = "/".join(pattern.literal_prefix)
        tail = list(pattern.segments[len(pattern.literal_prefix) :])
        # `**` after `**` says nothing more.
        tail = [
            segment
            for at, segment in enumerate(tail)
            if segment != _DEEP or at == 0 or tail[at - 1] != _DEEP
        ]
        if tail == [_DEEP]:
            self._place(prefix, here=value, below=value)
        elif tail == ["*", _DEEP]:
            self._place(prefix, below=value)
        else:
            place = self._place(prefix)
            if not place.tails:
                place.tails = (_Node(),)
            node = place.tails[0]
            for segment in tail:
                node = node.step(segment)
            if node.value is None:
                node.value = value

    def _place(
        self, text: str, *, here: V | None = None, below: V | None = None
    ) -> _Place[V]:
        """Give the place of a literal text, filling in what it does not say yet."""
        place = self._places.setdefault(text, _Place())
        place.here = here if place.here is None else place.here
        place.below = below if place.below is None else place.below
        return place

    def find(self, name: str, prefixes: Sequence[str]) -> V | None:
        """Give the value of a pattern that matches `name`; `prefixes` are its own."""
        return _find(self._places, name, prefixes)

    def overlapping(self, pattern: Pattern) -> V | None:
        """Give the value of a pattern that has a name in common with `pattern`."""
        if pattern in self._overlaps:
            return self._overlaps[pattern]
        found = next(
            (value for mine, value in self.near(pattern) if mine.overlaps(pattern)),
            None,
        )
        _remember(self._overlaps, pattern, found)
        return found

    def covering(self, pattern: Pattern) -> V | None:
        """Give the value of a pattern that covers `pattern` by itself."""
        if pattern in self._covers:
            return self._covers[pattern]
        found = next(
            (value for mine, value in self.near(pattern) if mine.covers(pattern)),
            None,
        )
        _remember(self._covers, pattern, found)
        return found

    def near(self, pattern: Pattern) -> Iterable[tuple[Pattern, V]]:
        """Give the patterns that can have a first segment in common with `pattern`."""
        first = pattern.segments[0]
        if "*" in first:
            return self._items
        if self._first is None:
            self._first = {}
            for item in self._items:
                own = item[0].segments[0]
                key = None if "*" in own else own
                self._first.setdefault(key, []).append(item)
        return [*self._first.get(first, ()), *self._first.get(None, ())]


class JoinedIndex(Generic[V]):
    """Several indexes asked as one: by name at the price of one."""

    __slots__ = ("_parts", "_places")

    def __init__(self, parts: Sequence[PatternIndex[V]]) -> None:
        self._parts: Final = tuple(parts)
        self._places: dict[str, _Place[V]] = {}
        for part in parts:
            for text, place in part.places.items():
                known = self._places.get(text)
                self._places[text] = place if known is None else known.joined(place)
        for place in self._places.values():
            if len(place.tails) > 1:
                place.tails = (_merged(place.tails),)

    def find(self, name: str, prefixes: Sequence[str]) -> V | None:
        """As `PatternIndex.find`; an earlier part comes before a later one."""
        return _find(self._places, name, prefixes)

    def overlapping(self, pattern: Pattern) -> V | None:
        """As `PatternIndex.overlapping`."""
        return _first(part.overlapping(pattern) for part in self._parts)

    def covering(self, pattern: Pattern) -> V | None:
        """As `PatternIndex.covering`."""
        return _first(part.covering(pattern) for part in self._parts)


Index: TypeAlias = PatternIndex[V] | JoinedIndex[V]


def _first(found: Iterable[V | None]) -> V | None:
    return next((one for one in found if one is not None), None)


def _find(
    places: Mapping[str, _Place[V]], name: str, prefixes: Sequence[str]
) -> V | None:
    place = places.get(name)
    if place is not None and place.here is not None:
        return place.here
    for prefix in prefixes:
        place = places.get(prefix)
        if place is None:
            continue
        if place.below is not None:
            return place.below
        for node in place.tails:
            found = _walk(node, name[len(prefix) + 1 :] if prefix else name)
            if found is not None:
                return found
    return None


def _merged(roots: Iterable[_Node[V]]) -> _Node[V]:
    """Make one trie of several, which stay what they are."""
    merged: _Node[V] = _Node()
    waiting = [(merged, root) for root in roots]
    while waiting:
        node, source = waiting.pop()
        if node.value is None:
            node.value = source.value
        for segment, child in source.steps():
            waiting.append((node.step(segment), child))
    return merged


def _walk(root: _Node[V], rest: str) -> V | None:
    """Follow all nodes that the segments lead to, level by level."""
    level: dict[_Node[V], None] = {}
    root.enter(level)
    for segment in rest.split("/"):
        following: dict[_Node[V], None] = {}
        for node in level:
            node.follow(segment, following)
        if not following:
            return None
        level = following
    return next((node.value for node in level if node.value is not None), None)


def _remember(
    memory: dict[Pattern, V | None], pattern: Pattern, found: V | None
) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[pattern] = found
