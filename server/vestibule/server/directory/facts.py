"""The directory's facts at one epoch, made ready to be asked."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, TypeAlias

from vestibule.protocol.actions import Section
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import Pattern
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.directory.closure import Closure, Closures
from vestibule.server.directory.index import prefixes_of
from vestibule.server.directory.model import Model
from vestibule.server.directory.own_events import COMPONENT, OWN_EVENTS
from vestibule.server.directory.paths import NAMED_SECTIONS, Template, Void


__all__ = ["Components", "Facts", "Form"]

Components: TypeAlias = Mapping[str, Mapping[str, Collection[GlobalPermission] | None]]
"""The broker's own: component, method, the global permissions that allow it."""

Form: TypeAlias = tuple[str, tuple[str, ...]]
"""A text and what stands above it, nearest first."""

_REMEMBERED: Final = 4_096
"""Names whose forms are kept: one name is often decided for many subjects."""


class Facts:
    """What subjects are decided by.

    `components` are the broker's own: their paths are isolated for good, and reached
    by rules, by assignments at or below them and by what their methods name.
    `on_void` is told each template that cannot be filled, as it is come upon.
    `closures` are those of the epoch before, whatever of them still holds.
    """

    def __init__(
        self,
        model: Model,
        *,
        broker_name: str,
        components: Components,
        on_void: Callable[[str, Void], None] | None = None,
        closures: Closures | None = None,
    ) -> None:
        self.model: Final = model
        self.epoch: Final = model.epoch
        self.broker_name: Final = broker_name
        self.broker_prefix: Final = f"{broker_name}/"
        self.components: Final = components
        self.isolated: Final = model.isolated_paths.union(
            self.broker_prefix + component for component in components
        )
        self.own_events: Final = (
            {self.broker_prefix + path: held for path, held in OWN_EVENTS.items()}
            if COMPONENT in components
            else {}
        )
        """What the broker emits itself, by path: the permission that lets hear it."""
        self.on_void: Final = on_void
        # Each method's path, behind the broker's name, and what finds most others fast.
        self._own: Final = {
            Pattern(f"{component}/*"): tuple(
                parse_name(f"{component}/{method}") for method in methods
            )
            for component, methods in components.items()
        }
        self.closures: Final = closures or Closures()
        self._forms: dict[str, tuple[Form, ...]] = {}

    def closure(self, names: Iterable[str]) -> Closure:
        """Give groups with all that they include."""
        return self.closures.of(self.model, names)

    def forms(self, name: Name) -> tuple[Form, ...]:
        """Give a name as rules may match it: whole, then behind the broker's name."""
        found = self._forms.get(name)
        if found is not None:
            return found
        text = name.text
        forms: tuple[Form, ...] = ((text, prefixes_of(text)),)
        if text.startswith(self.broker_prefix):
            rest = text[len(self.broker_prefix) :]
            forms += ((rest, prefixes_of(rest)),)
        if len(self._forms) >= _REMEMBERED:
            self._forms.clear()
        self._forms[text] = forms
        return forms

    def own_event_permissions(
        self, asked: Name | Pattern
    ) -> tuple[GlobalPermission, ...]:
        """Give the permissions that let hear what the broker emits itself.

        Any of them lets hear a part of a pattern, which has to name the component:
        what is wider asks for other events.
        """
        if isinstance(asked, Name):
            held = self.own_events.get(asked.text)
            return () if held is None else (held,)
        if asked.literal_prefix[:2] != (self.broker_name, COMPONENT):
            return ()
        fitting = {
            held: None
            for path, held in self.own_events.items()
            if asked.matches(parse_name(path))
        }
        return tuple(fitting)

    def widens(self, section: Section, template: Template, filled: Pattern) -> bool:
        """Whether filling a template makes it reach a method of the broker's own.

        `{username}/*` must not become `security/*` because somebody is called so: to
        reach there, the rule itself has to name the component.
        """
        if section not in NAMED_SECTIONS:
            return False
        if template.path.partition("/")[0] in self.components:
            return False
        return any(
            form.overlaps(component) and any(map(form.matches, methods))
            for form in (filled, *self.below_broker(filled))
            for component, methods in self._own.items()
        )

    def below_broker(self, pattern: Pattern) -> tuple[Pattern, ...]:
        """Give the patterns of what `pattern` matches behind the broker's name.

        One that begins with `**` is its own, and not among them.
        """
        first, *rest = pattern.segments
        if first == "**":
            return self.below_broker(_joined(rest)) if rest else ()
        if rest and Pattern(first).matches(parse_name(self.broker_name)):
            return (_joined(rest),)
        return ()


def _joined(segments: Iterable[str]) -> Pattern:
    return Pattern("/".join(segments))
