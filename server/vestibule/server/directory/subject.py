"""Somebody at one epoch of the policy, and the decisions about them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from vestibule.protocol.actions import Need, Section
from vestibule.protocol.names import Name
from vestibule.protocol.patterns import Pattern
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory import assignments
from vestibule.server.directory.closure import Closure, Said
from vestibule.server.directory.facts import Facts, Form
from vestibule.server.directory.holders import Holders
from vestibule.server.directory.index import Index, PatternIndex, prefixes_of
from vestibule.server.directory.model import User
from vestibule.server.directory.paths import NAMED_SECTIONS, Void
from vestibule.server.directory.roles import Roles, RolesKind
from vestibule.server.verdict import Allowed, Denied, Grant


__all__ = ["Subject"]

_REMEMBERED: Final = 1_024
"""Verdicts kept for a subject: the names in use, at about 200 bytes each."""

_OPEN: Final = Allowed("every session may")
_SILENT: Final = Denied("no rule, assignment or global permission allows it")


class _Sources:
    """The indexes that have something to say about one need."""

    __slots__ = ("_allows", "_prohibitions", "_said", "named")

    def __init__(
        self,
        said: Said | None,
        prohibitions: tuple[Index[Denied], ...],
        allows: tuple[Index[Allowed], ...],
        *,
        named: bool,
    ) -> None:
        self._said: Final = said
        self._prohibitions: Final = prohibitions
        self._allows: Final = allows
        self.named: Final = named
        """Whether a path is matched without the broker's name in front too."""

    def asked(self, closure: Closure) -> None:
        """Count a question about a name."""
        if self._said is not None:
            self._said.asked(closure)

    @property
    def prohibitions(self) -> tuple[Index[Denied], ...]:
        """Of the groups, then of the user."""
        if self._said is None:
            return self._prohibitions
        return self._said.prohibitions + self._prohibitions

    @property
    def allows(self) -> tuple[Index[Allowed], ...]:
        """Of the groups, then of the user and of filled templates."""
        if self._said is None:
            return self._allows
        return self._said.allows + self._allows


class Subject:
    """A user or anonymous with its groups, under one policy.

    `Policy.subject` makes it. Verdicts are remembered, by need and name; a new policy
    has new subjects, so nothing remembered outlives its epoch.
    """

    __slots__ = (
        "__weakref__",
        "_closure",
        "_facts",
        "_own",
        "_sources",
        "_user",
        "_verdicts",
        "bound",
        "groups",
        "username",
    )

    def __init__(self, facts: Facts, username: str, roles: Roles) -> None:
        user = facts.model.user(username)
        self.username: Final = username
        self.bound: Final = roles.bound
        """Whether it follows the directory user of its name."""
        self.groups: Final = roles.over(_given(facts, username, user, roles))
        """The groups it has itself, without what they include."""
        self._facts: Final = facts
        self._own: Final = facts.own_events
        self._user: Final = user
        self._closure: Final = facts.closure(self.groups)
        self._sources: dict[Need, _Sources] = {}
        self._verdicts: dict[tuple[Need, Name | Pattern], Allowed | Denied] = {}

    @property
    def facts(self) -> Facts:
        """The policy that it is decided by."""
        return self._facts

    @property
    def effective_groups(self) -> frozenset[str]:
        """Its groups and all that they include."""
        return self._closure.names

    @property
    def global_permissions(self) -> frozenset[GlobalPermission]:
        """The global permissions of all its effective groups."""
        return self._closure.global_permissions

    def decide(self, need: Need, name: Name) -> Allowed | Denied:
        """Decide at a concrete name."""
        verdict = self._verdicts.get((need, name))
        if verdict is None:
            verdict = self._decide(need, name)
            self._remember(need, name, verdict)
        return verdict

    def decide_pattern(self, need: Need, pattern: Pattern) -> Allowed | Denied:
        """Decide whether a subscription to a pattern is accepted.

        It is if an allow overlaps it, or assignments grant it at its literal prefix,
        and no single prohibition covers it. Each delivery is decided at its own name.
        """
        if pattern.literal:
            return self.decide(need, Name(pattern.text))
        verdict = self._verdicts.get((need, pattern))
        if verdict is None:
            verdict = self._decide_pattern(need, pattern)
            self._remember(need, pattern, verdict)
        return verdict

    def forbids(self, need: Need, name: Name) -> Denied | None:
        """Give the prohibition that stands at a concrete name, whatever else allows."""
        return self._forbidden(self._sources_of(need), self._facts.forms(name))

    def path_permissions(self, name: Name) -> frozenset[PathPermission]:
        """Give what path assignments grant at a concrete name."""
        return assignments.union(
            self._closure.assigning, self._reach(*self._facts.forms(name)[0])
        )

    @property
    def default_permissions(self) -> frozenset[PathPermission]:
        """What is granted where no assignment stands and no path is isolated."""
        return self._closure.defaults

    @property
    def places(self) -> frozenset[str]:
        """Every path from which on assignments may say something else."""
        paths = (group.path_permissions for group in self._closure.assigning)
        return self._facts.isolated.union(*paths)

    def same_rights(self, other: "Subject") -> bool:
        """Whether what decides about both is the same, at whatever epochs.

        False may also be said of two that differ in nothing that shows.
        """
        return self.inputs == other.inputs and self.closure.same_rights(other.closure)

    @property
    def closure(self) -> Closure:
        """Its groups with all that they include."""
        return self._closure

    @property
    def inputs(self) -> tuple[object, ...]:
        """What is decided here follows from, besides the groups."""
        user = self._user
        own = user and (user.user_id, user.rules, user.application_data)
        return self.username, self.bound, own, self._facts.isolated

    @property
    def void(self) -> tuple[Void, ...]:
        """The allowing templates that could not be filled for this subject."""
        return self.holders.void()

    @property
    def holders(self) -> Holders:
        """Who grants and prohibits, with templates filled."""
        return Holders(
            self._facts, self._closure, self.username, self._user, bound=self.bound
        )

    def grants(self, need: Need, asked: Name | Pattern) -> Iterator[Grant]:
        """Give every assignment and global permission that allows; rules: `holders`."""
        if need.path:
            groups, where = self._closure.assigning, self._where(asked)
            yield from assignments.grants(groups, where, need.path)
        for needed in self._globals(need, asked):
            yield from self._holding(needed)

    def _remember(
        self, need: Need, name: Name | Pattern, verdict: Allowed | Denied
    ) -> None:
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts.clear()
        self._verdicts[need, name] = verdict

    def _decide(self, need: Need, name: Name) -> Allowed | Denied:
        sources = self._sources_of(need)
        sources.asked(self._closure)
        forms = self._facts.forms(name)
        forbidden = self._forbidden(sources, forms)
        if forbidden is not None:
            return forbidden
        for index in sources.allows:
            for form, above in forms if sources.named else forms[:1]:
                allowed = index.find(form, above)
                if allowed is not None:
                    return allowed
        where = None
        if need.path and self._closure.assigning:
            self._closure.reached()
            where = self._reach(*forms[0])
            allowed = self._assigned_at(where, need)
            if allowed is not None:
                return allowed
        allowed = self._globally(need, name)
        if allowed is not None:
            return allowed
        if need.everybody:
            return _OPEN
        if where is not None and where.isolated is not None:
            return Denied(f"{_SILENT.reason}; {where.isolated} is isolated")
        return _SILENT

    def _assigned_at(self, where: assignments.Reach, need: Need) -> Allowed | None:
        """Decide by what is assigned in reach of a place."""
        closure = self._closure
        if not where.places and not need.path <= closure.defaults:
            return None
        return assignments.granted(closure.assigning, where, need.path)

    def _decide_pattern(self, need: Need, pattern: Pattern) -> Allowed | Denied:
        sources = self._sources_of(need)
        forms = [pattern]
        if sources.named:
            forms.extend(self._facts.below_broker(pattern))
        # Behind the broker's name a pattern is covered only if it says the name.
        says_name = pattern.segments[0] == self._facts.broker_name
        for prohibiting in sources.prohibitions:
            for form in forms if says_name else forms[:1]:
                forbidden = prohibiting.covering(form)
                if forbidden is not None:
                    return forbidden
        for allowing in sources.allows:
            for form in forms:
                allowed = allowing.overlapping(form)
                if allowed is not None:
                    return allowed
        decided = self._assigned(need, pattern)
        if decided is None:
            decided = self._globally(need, pattern)
        return _SILENT if decided is None else decided

    def _assigned(self, need: Need, pattern: Pattern) -> Allowed | None:
        """Decide a pattern by what is assigned where it begins to vary."""
        if not need.path:
            return None
        where = self._where(pattern)
        if where is None:
            return assignments.granted_by_default(self._closure.assigning, need.path)
        return self._assigned_at(where, need)

    def _where(self, asked: Name | Pattern) -> assignments.Reach | None:
        """Give where assignments are looked for; None: by the defaults alone."""
        if isinstance(asked, Name):
            return self._reach(*self._facts.forms(asked)[0])
        prefix = "/".join(asked.literal_prefix)
        return self._reach(prefix, prefixes_of(prefix)) if prefix else None

    def _globally(self, need: Need, asked: Name | Pattern) -> Allowed | None:
        """Decide by the global permissions that allow it."""
        if not need.globally and isinstance(asked, Name) and asked not in self._own:
            return None
        for needed in self._globals(need, asked):
            for grant in self._holding(needed):
                reason = f"allowed by {grant.action} of {grant.holder}"
                return Allowed(reason, grant)
        return None

    def _globals(
        self, need: Need, asked: Name | Pattern
    ) -> Iterable[frozenset[GlobalPermission]]:
        """Give the sets of permissions any of which allows it, held as a whole.

        They are what the action names, or what lets hear an event of the broker's own.
        """
        if need.globally:
            return (need.globally,)
        if need.section is Section.EVENTS and need.verb == "subscribe":
            return map(_alone, self._facts.own_event_permissions(asked))
        return ()

    def _holding(self, needed: frozenset[GlobalPermission]) -> Iterator[Grant]:
        """Give what grants the first of some permissions, if all are held."""
        if needed <= self._closure.global_permissions:
            permission = min(needed)
            for one in self._closure.groups:
                if permission in one.group.global_permissions:
                    yield Grant(one.holder, "global", "", permission, authorized=True)

    def _reach(self, text: str, above: Sequence[str]) -> assignments.Reach:
        return assignments.reach(
            text, above, self._facts.isolated, self._closure.assigned
        )

    @staticmethod
    def _forbidden(sources: _Sources, forms: tuple[Form, ...]) -> Denied | None:
        for index in sources.prohibitions:
            for form, above in forms if sources.named else forms[:1]:
                forbidden = index.find(form, above)
                if forbidden is not None:
                    return forbidden
        return None

    def _sources_of(self, need: Need) -> _Sources:
        sources = self._sources.get(need)
        if sources is None:
            sources = self._sources[need] = self._find_sources(need)
        return sources

    def _find_sources(self, need: Need) -> _Sources:
        section, verb = need.section, need.verb
        if section is None or verb is None:
            return _Sources(None, (), (), named=False)
        said = self._closure.said(section, verb)
        prohibitions: list[Index[Denied]] = []
        allows: list[Index[Allowed]] = []
        templates = list(said.templates)
        holders = self.holders
        own = holders.own
        table = None if own is None else own.table(section, verb)
        if own is not None and table is not None:
            if table.prohibitions is not None:
                prohibitions.append(table.prohibitions)
            if self.bound and table.allows is not None:
                allows.append(table.allows)
            if self.bound:
                templates.extend((own.holder, *one) for one in table.templates)
        if templates:
            allows.append(PatternIndex(holders.filled(section, templates)))
        named = section in NAMED_SECTIONS
        return _Sources(said, tuple(prohibitions), tuple(allows), named=named)


def _alone(permission: GlobalPermission) -> frozenset[GlobalPermission]:
    return frozenset({permission})


def _given(
    facts: Facts, username: str, user: User | None, roles: Roles
) -> frozenset[str]:
    """Give the groups that come from where `roles` come from."""
    model = facts.model
    match roles.kind:
        case RolesKind.FIXED:
            return roles.groups
        case RolesKind.BOUND if user is not None:
            return model.named_roles | user.groups
        case RolesKind.BOUND:
            return model.named_roles
        case RolesKind.ANONYMOUS:
            return model.anonymous_roles | model.anonymous.roles
        case RolesKind.DEFAULTS:
            return model.named_roles if username else model.anonymous_roles
