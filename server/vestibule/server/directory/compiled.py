"""One holder's rules, ready to be asked: built when first needed, then kept.

What is built depends on the holder's own rules alone, so it serves every session and
every epoch in which the holder is the same.
"""

from typing import Final

from vestibule.protocol.actions import Section
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.index import PatternIndex
from vestibule.server.directory.model import Group, Rules
from vestibule.server.directory.paths import Template, compiled, has_template
from vestibule.server.verdict import Allowed, Denied, Grant


__all__ = ["CompiledGroup", "CompiledRules", "Table"]


class Table:
    """What a holder says of one verb of one section."""

    __slots__ = ("allows", "prohibitions", "templates")

    def __init__(
        self,
        prohibitions: list[tuple[Pattern, Denied]],
        allows: list[tuple[Pattern, Allowed]],
        templates: list[tuple[Template, Allowed]],
    ) -> None:
        self.prohibitions: Final = PatternIndex(prohibitions) if prohibitions else None
        self.allows: Final = PatternIndex(allows) if allows else None
        self.templates: Final = tuple(templates)
        """Allows whose patterns are different for each user."""


class CompiledRules:
    """The rules of a user or group."""

    __slots__ = ("_tables", "holder", "rules")

    def __init__(self, holder: str, rules: Rules) -> None:
        self.holder: Final = holder
        self.rules: Final = rules
        self._tables: dict[tuple[Section, str], Table | None] = {}

    def table(self, section: Section, verb: str) -> Table | None:
        """Give what it says of a verb, None for nothing."""
        key = (section, verb)
        if key in self._tables:
            return self._tables[key]
        made = self._tables[key] = self._build(section, verb)
        return made

    def _build(self, section: Section, verb: str) -> Table | None:
        prohibitions: list[tuple[Pattern, Denied]] = []
        allows: list[tuple[Pattern, Allowed]] = []
        templates: list[tuple[Template, Allowed]] = []
        prohibited = f"prohibited by a rule of {self.holder}"
        allowed = f"allowed by a rule of {self.holder}"
        for path, entry in self.rules.get(section, {}).items():
            if verb in entry.prohibited:
                grant = Grant(self.holder, str(section), path, verb, authorized=False)
                pattern = compiled(path, deep=entry.deep)
                prohibitions.append(
                    (pattern, Denied(prohibited, grant, forbidden=True))
                )
            elif verb in entry.allowed:
                grant = Grant(self.holder, str(section), path, verb, authorized=True)
                verdict = Allowed(allowed, grant)
                if has_template(path):
                    templates.append((Template(path, deep=entry.deep), verdict))
                else:
                    allows.append((compiled(path, deep=entry.deep), verdict))
        if not (prohibitions or allows or templates):
            return None
        return Table(prohibitions, allows, templates)


class CompiledGroup(CompiledRules):
    """The rules of a group, beside the group that they are of."""

    __slots__ = ("group",)

    def __init__(self, group: Group) -> None:
        super().__init__(group.holder, group.rules)
        self.group: Final = group

    @property
    def rights(self) -> tuple[object, ...]:
        """All of the group that decides anything."""
        group = self.group
        return (
            group.name,
            group.rules,
            group.global_permissions,
            group.default_path_permissions,
            group.path_permissions,
        )
