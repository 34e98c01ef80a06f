"""Which groups may include which: an order kept, so that a circle is seen at once.

Each group stands before those that it includes. A new include that agrees with the
order costs nothing; another has only the groups between the two looked at and moved
(Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic graphs").
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final


__all__ = ["Includes"]

_NONE: Final[frozenset[str]] = frozenset()


class Includes:
    """What groups include, while that is being changed.

    `write` follows each change. None is written that `may_include` was not asked about.
    """

    def __init__(self, includes: Mapping[str, frozenset[str]]) -> None:
        self._includes: Final = dict(includes)
        self._including: Final[dict[str, set[str]]] = {}
        for name, included in self._includes.items():
            for one in included:
                self._including.setdefault(one, set()).add(name)
        self._places: dict[str, int] | None = None
        self._first = 0
        self._last = 0

    def including(self, name: str) -> Collection[str]:
        """Give the groups that include one directly."""
        return self._including.get(name, _NONE)

    def write(self, name: str, includes: frozenset[str]) -> None:
        """Note what a group includes from now on."""
        before = self._includes.get(name, _NONE)
        self._includes[name] = includes
        for one in before - includes:
            self._including[one].discard(name)
        for one in includes - before:
            self._including.setdefault(one, set()).add(name)

    def may_include(self, name: str, included: str) -> bool:
        """Whether a group can include another without including itself."""
        if name == included:
            return False
        places = self._ordered()
        # A group that is not there yet is beside none, and can stand anywhere.
        if name not in places:
            self._first -= 1
            places[name] = self._first
        if included not in places:
            self._last += 1
            places[included] = self._last
        begin, end = places[included], places[name]
        if end < begin:
            return True
        between = range(begin, end + 1)
        below = self._reached(included, self._included, between)
        if name in below:
            return False
        above = self._reached(name, self.including, between)
        moved = [
            *sorted(above, key=places.__getitem__),
            *sorted(below, key=places.__getitem__),
        ]
        free = sorted(places[one] for one in moved)
        places.update(zip(moved, free, strict=True))
        return True

    def _included(self, name: str) -> frozenset[str]:
        return self._includes.get(name, _NONE)

    def _reached(
        self, start: str, beside: Callable[[str], Iterable[str]], between: range
    ) -> set[str]:
        """Give the groups that are reached without leaving a part of the order."""
        places = self._ordered()
        found, waiting = {start}, [start]
        while waiting:
            for name in beside(waiting.pop()):
                if name not in found and places[name] in between:
                    found.add(name)
                    waiting.append(name)
        return found

    def _ordered(self) -> dict[str, int]:
        """Give the groups' places; made when first asked for. There is no recursion."""
        if self._places is not None:
            return self._places
        last_first: dict[str, None] = {}
        for start in self._includes:
            path: list[tuple[str, Iterator[str]]] = [(start, self._each(start))]
            while path:
                name, rest = path[-1]
                below = next((one for one in rest if one not in last_first), None)
                if below is None:
                    last_first[name] = None
                    path.pop()
                else:
                    path.append((below, self._each(below)))
        self._places = {name: -at for at, name in enumerate(last_first)}
        self._first = -len(last_first)
        return self._places

    def _each(self, name: str) -> Iterator[str]:
        return iter(self._included(name))
