"""The policy: the directory's facts at one epoch, and what follows from them.

It is a value. Deciding reads nothing else and changes nothing, so the live gate,
`explain`, `who_can` and `what_if` are one code (docs/permissions.md, "Deciding").
"""

from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from vestibule.server.directory.closure import Closures
from vestibule.server.directory.facts import Components, Facts
from vestibule.server.directory.model import Model
from vestibule.server.directory.paths import Void
from vestibule.server.directory.roles import ANONYMOUS, BOUND, Roles
from vestibule.server.directory.subject import Subject


__all__ = ["Components", "Policy", "Subject"]


class Policy(Facts):
    """Who may do what at one epoch."""

    def __init__(
        self,
        model: Model,
        *,
        broker_name: str,
        components: Components,
        on_void: Callable[[str, Void], None] | None = None,
        closures: Closures | None = None,
    ) -> None:
        super().__init__(
            model,
            broker_name=broker_name,
            components=components,
            on_void=on_void,
            closures=closures,
        )
        self._subjects: WeakValueDictionary[tuple[str, Roles], Subject] = (
            WeakValueDictionary()
        )

    def successor(self, model: Model, changed: Iterable[str] = ()) -> "Policy":
        """Make the policy of a later model; groups that are the same stay compiled.

        `changed` names groups that are changed or gone.
        """
        self.closures.forget(changed)
        return Policy(
            model,
            broker_name=self.broker_name,
            components=self.components,
            on_void=self.on_void,
            closures=self.closures,
        )

    def what_if(self, model: Model) -> "Policy":
        """Make the policy of a model that will never be: it shares and tells nothing."""
        return Policy(model, broker_name=self.broker_name, components=self.components)

    def subject(self, username: str, groups: Roles | Iterable[str] | None) -> Subject:
        """Give somebody to decide about.

        With `groups` None it follows the directory: the user's groups and the roles
        of all named, or of all anonymous, sessions. With groups it has exactly those.
        One that is not bound to the user of its name has the prohibitions of that user
        only. Equal questions give the same subject as long as somebody holds it.
        """
        match groups:
            case Roles():
                roles = groups
            case None:
                roles = BOUND if username else ANONYMOUS
            case _:
                roles = Roles.fixed(groups)
        key = (username, roles)
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = Subject(self, *key)
        return subject
