"""Who grants and prohibits for a subject: its groups, what they include, its user.

Templates stand here filled with the user's own values.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from vestibule.protocol.actions import Section
from vestibule.protocol.patterns import Pattern
from vestibule.server.directory.closure import Closure
from vestibule.server.directory.compiled import CompiledRules
from vestibule.server.directory.data import unpack
from vestibule.server.directory.facts import Facts
from vestibule.server.directory.model import User
from vestibule.server.directory.paths import Template, Void, has_template
from vestibule.server.verdict import Allowed, Denied


__all__ = ["Holders"]


class Holders:
    """The holders whose rules count for one subject.

    `user` is the directory user of its name. Of a user that the subject is not bound
    to, the prohibitions count alone.
    """

    __slots__ = ("_bound", "_closure", "_facts", "_user", "_username", "own")

    def __init__(
        self,
        facts: Facts,
        closure: Closure,
        username: str,
        user: User | None,
        *,
        bound: bool,
    ) -> None:
        self._facts: Final = facts
        self._closure: Final = closure
        self._username: Final = username
        self._user: Final = user
        self._bound: Final = bound
        self.own: Final = (
            CompiledRules(user.holder, user.rules)
            if user is not None and user.rules
            else None
        )
        """The user's own rules, if it has any."""

    def rules(
        self, section: Section, verb: str
    ) -> Iterator[tuple[Pattern, Allowed | Denied]]:
        """Give every pattern at which a verb is allowed or prohibited, filled in."""
        holders = self._closure.groups
        for one in holders if self.own is None else (self.own, *holders):
            table = one.table(section, verb)
            if table is None:
                continue
            if table.prohibitions is not None:
                yield from table.prohibitions.items
            if one is self.own and not self._bound:
                continue
            if table.allows is not None:
                yield from table.allows.items
            for template, verdict in table.templates:
                for filled in self._fill(one.holder, section, template):
                    if isinstance(filled, Pattern):
                        yield filled, verdict

    def filled(
        self, section: Section, templates: Iterable[tuple[str, Template, Allowed]]
    ) -> Iterator[tuple[Pattern, Allowed]]:
        """Give templates as patterns, telling of those that cannot be filled."""
        for holder, template, verdict in templates:
            for filled in self._fill(holder, section, template):
                if isinstance(filled, Pattern):
                    yield filled, verdict
                elif self._facts.on_void is not None:
                    self._facts.on_void(self._username, filled)

    def void(self) -> tuple[Void, ...]:
        """Give the allowing templates that cannot be filled."""
        found: dict[Void, None] = {}
        for holder in self._allowing():
            for section, paths in holder.rules.items():
                for path, entry in paths.items():
                    if entry.allowed and has_template(path):
                        template = Template(path, deep=entry.deep)
                        for filled in self._fill(holder.holder, section, template):
                            if isinstance(filled, Void):
                                found[filled] = None
        return tuple(found)

    def _allowing(self) -> Iterator[CompiledRules]:
        """Give the holders whose allows count."""
        if self._bound and self.own is not None:
            yield self.own
        yield from self._closure.groups

    def _fill(
        self, holder: str, section: Section, template: Template
    ) -> Iterator[Pattern | Void]:
        """Give the patterns of a template for this subject, and why others are none."""
        problems: list[str] = []
        for pattern in template.fill(self._values(), problems.append):
            if self._facts.widens(section, template, pattern):
                problems.append("would reach a component of the broker's own")
            else:
                yield pattern
        for problem in problems:
            yield Void(holder, section, template.path, problem)

    def _values(self) -> dict[str, Any]:
        """Give what templates are filled with: the administrator's data only."""
        if not self._bound or self._user is None:
            return {"username": self._username}
        return {
            "username": self._user.username,
            "user_id": self._user.user_id,
            "application_data": unpack(self._user.application_data),
        }
