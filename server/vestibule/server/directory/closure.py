"""Groups with all that they include, asked as one.

Sessions with the same groups share a closure, and so do epochs in which none of the
groups differs. It holds no verdict of anybody: only what the groups' rules say.
"""

from collections.abc import Iterable
from typing import Final, TypeVar
from weakref import WeakValueDictionary, ref

from vestibule.protocol.actions import Section
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.compiled import CompiledGroup
from vestibule.server.directory.index import Index, JoinedIndex, PatternIndex
from vestibule.server.directory.model import Group, Model
from vestibule.server.directory.paths import Template
from vestibule.server.verdict import Allowed, Denied


__all__ = ["Closure", "Closures", "Said"]

_BUDGET: Final = 1_000_000
"""Entries of joined indexes, at about 100 bytes each; above, groups are asked one by
one, which costs time instead of memory."""

_PATIENCE: Final = 32
"""Questions before groups are joined: what joining a thousand rules costs."""

V = TypeVar("V")


class Said:
    """What the groups say of one verb of one section.

    Groups are asked one by one at first. Where they are asked again and again, they
    are joined into one index, which takes longer than a few questions do.
    """

    __slots__ = (
        "_allowing",
        "_patience",
        "_prohibiting",
        "allows",
        "prohibitions",
        "templates",
    )

    def __init__(
        self,
        prohibiting: list[PatternIndex[Denied]],
        allowing: list[PatternIndex[Allowed]],
        templates: list[tuple[str, Template, Allowed]],
    ) -> None:
        self.prohibitions: tuple[Index[Denied], ...] = tuple(prohibiting)
        self.allows: tuple[Index[Allowed], ...] = tuple(allowing)
        self.templates: Final = tuple(templates)
        """Holder, template, and the verdict where it is filled to match."""
        self._prohibiting: Final = prohibiting
        self._allowing: Final = allowing
        several = max(len(prohibiting), len(allowing)) > 1
        self._patience = _PATIENCE if several else -1

    def asked(self, closure: "Closure") -> None:
        """Count a question, and join the groups of `closure` if it is time to."""
        if self._patience < 0:
            return
        self._patience -= 1
        if self._patience < 0:
            size = sum(map(len, self._prohibiting)) + sum(map(len, self._allowing))
            if closure.may_join(size):
                self.prohibitions = _joined(self._prohibiting)
                self.allows = _joined(self._allowing)


class Closure:
    """Some groups and what they include, by name."""

    __slots__ = (
        "__weakref__",
        "_closures",
        "_compared",
        "_patience",
        "_said",
        "assigned",
        "assigning",
        "defaults",
        "global_permissions",
        "groups",
        "joined",
    )

    def __init__(self, groups: tuple[CompiledGroup, ...], closures: "Closures") -> None:
        self.groups: Final = groups
        every = [one.group for one in groups]
        self.assigning: Final = tuple(
            group
            for group in every
            if group.path_permissions or group.default_path_permissions
        )
        """The groups with path assignments or a default."""
        self.defaults: Final = _all_defaults(self.assigning)
        """What the defaults of the groups give together."""
        self.global_permissions: Final = _united(groups)
        self.joined = 0
        """Entries of what was joined."""
        self.assigned: frozenset[str] | None = None
        """Every path at which one of the groups has an assignment, once joined."""
        self._patience = _PATIENCE
        self._closures: Final = closures
        self._said: dict[tuple[Section, str], Said] = {}
        self._compared: tuple[ref[Closure], bool] | None = None

    def same_rights(self, other: "Closure") -> bool:
        """Whether the groups grant and prohibit the same, whatever else differs.

        Asked for one session after another, mostly about the same two.
        """
        if self is other:
            return True
        last = self._compared
        if last is not None and last[0]() is other:
            return last[1]
        same = len(self.groups) == len(other.groups) and all(
            mine is theirs or mine.rights == theirs.rights
            for mine, theirs in zip(self.groups, other.groups, strict=True)
        )
        self._compared = (ref(other), same)
        return same

    @property
    def names(self) -> frozenset[str]:
        """The names of the groups."""
        return frozenset(one.group.name for one in self.groups)

    def said(self, section: Section, verb: str) -> Said:
        """Give what the groups say of a verb; built when first asked."""
        key = (section, verb)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = self._build(section, verb)
        return said

    def _build(self, section: Section, verb: str) -> Said:
        prohibitions: list[PatternIndex[Denied]] = []
        allows: list[PatternIndex[Allowed]] = []
        templates: list[tuple[str, Template, Allowed]] = []
        for group in self.groups:
            table = group.table(section, verb)
            if table is None:
                continue
            if table.prohibitions is not None:
                prohibitions.append(table.prohibitions)
            if table.allows is not None:
                allows.append(table.allows)
            templates.extend((group.holder, *one) for one in table.templates)
        return Said(prohibitions, allows, templates)

    def reached(self) -> None:
        """Count a look at the assignments, and join their paths if it is time to."""
        if self._patience < 0:
            return
        self._patience -= 1
        if self._patience < 0:
            size = sum(len(group.path_permissions) for group in self.assigning)
            if self.may_join(size):
                paths = (group.path_permissions for group in self.assigning)
                self.assigned = frozenset().union(*paths)

    def may_join(self, size: int) -> bool:
        """Claim memory for something joined, if there is some left."""
        if not self._closures.may_join(size):
            return False
        self.joined += size
        return True


def _united(groups: Iterable[CompiledGroup]) -> frozenset[GlobalPermission]:
    return frozenset().union(*(one.group.global_permissions for one in groups))


def _all_defaults(groups: Iterable[Group]) -> frozenset[PathPermission]:
    return frozenset().union(*(group.default_path_permissions for group in groups))


def _joined(parts: list[PatternIndex[V]]) -> tuple[Index[V], ...]:
    return (JoinedIndex(parts),) if len(parts) > 1 else tuple(parts)


class Closures:
    """Makes closures, and keeps groups compiled and closures in use.

    Shared by the policies of successive epochs: what is kept is used only for the
    very values that it was made from.
    """

    def __init__(self) -> None:
        self._compiled: dict[str, CompiledGroup] = {}
        self._live: WeakValueDictionary[tuple[CompiledGroup, ...], Closure] = (
            WeakValueDictionary()
        )
        self._joined = 0

    def forget(self, names: Iterable[str]) -> None:
        """Drop what is compiled of groups that are changed or gone."""
        for name in names:
            self._compiled.pop(name, None)

    def of(self, model: Model, names: Iterable[str]) -> Closure:
        """Give the groups of these names and all that they include.

        Names that nobody knows are passed over. There is no recursion: a chain of
        includes may be long.
        """
        found: dict[str, CompiledGroup] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            group = model.groups.get(name)
            if group is None or name in found:
                continue
            compiled = self._compiled.get(name)
            if compiled is None or compiled.group is not group:
                compiled = self._compiled[name] = CompiledGroup(group)
            found[name] = compiled
            waiting.extend(group.includes)
        key = tuple(found[name] for name in sorted(found))
        closure = self._live.get(key)
        if closure is None:
            closure = self._live[key] = Closure(key, self)
        return closure

    def may_join(self, size: int) -> bool:
        """Claim memory for a joined index, if there is some left."""
        if self._joined + size > _BUDGET:
            self._joined = sum(one.joined for one in self._live.values())
        if self._joined + size > _BUDGET:
            return False
        self._joined += size
        return True
