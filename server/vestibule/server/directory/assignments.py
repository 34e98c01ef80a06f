"""Path assignments: what each role gives at a path, by its nearest assignment.

Each role is evaluated on its own and the answer is the union, so no role takes away
what another gives (docs/permissions.md, "Deciding").
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vestibule.protocol.permissions import PathPermission
from vestibule.server.directory.model import Group
from vestibule.server.verdict import Allowed, Grant


__all__ = [
    "DEFAULT",
    "Reach",
    "granted",
    "granted_by_default",
    "grants",
    "reach",
    "union",
]

DEFAULT = "default"
"""Stands for a path where a role's default decided."""


class Reach(NamedTuple):
    """The places whose assignments count at a path, nearest first."""

    places: Sequence[str]
    isolated: str | None
    """The path at which the way up ends; None: it ends at the defaults."""


def reach(
    path: str,
    above: Sequence[str],
    isolated: frozenset[str],
    assigned: frozenset[str] | None = None,
) -> Reach:
    """Find how far up assignments are looked for.

    `above` are the path's own parents, nearest first. An isolated path is the last
    place: its own assignment counts, nothing further up does. `assigned`, if given,
    holds every path at which there is an assignment: others are left out.
    """
    places = (path, *above)
    end = None
    if not isolated.isdisjoint(places):
        end = next(place for place in places if place in isolated)
        places = places[: places.index(end) + 1]
    if assigned is not None:
        # Mostly there is none at all, which is found without a step of Python.
        none = assigned.isdisjoint(places)
        places = () if none else tuple(one for one in places if one in assigned)
    return Reach(places, end)


def _at(group: Group, where: Reach) -> tuple[str, frozenset[PathPermission]]:
    """Give a role's nearest assignment and its place; an empty one counts too."""
    for place in where.places:
        found = group.path_permissions.get(place)
        if found is not None:
            return place, found
    if where.isolated is None:
        return DEFAULT, group.default_path_permissions
    return where.isolated, frozenset()


def union(groups: Iterable[Group], where: Reach) -> frozenset[PathPermission]:
    """Give all that the roles give together."""
    return frozenset().union(*(_at(group, where)[1] for group in groups))


def granted(
    groups: Iterable[Group], where: Reach, needed: frozenset[PathPermission]
) -> Allowed | None:
    """Decide whether the roles together give all that is needed.

    The grant is the first that gives a part of it.
    """
    return _collected(((group, *_at(group, where)) for group in groups), needed)


def granted_by_default(
    groups: Iterable[Group], needed: frozenset[PathPermission]
) -> Allowed | None:
    """Decide the same where there is no path to start from, by the defaults alone."""
    found = ((group, DEFAULT, group.default_path_permissions) for group in groups)
    return _collected(found, needed)


def grants(
    groups: Iterable[Group], where: Reach | None, needed: frozenset[PathPermission]
) -> tuple[Grant, ...]:
    """Give every assignment that gives a part, if together they give all.

    Without a place to start from, the defaults alone count.
    """
    found: list[Grant] = []
    missing = needed
    for group in groups:
        if where is None:
            place, permissions = DEFAULT, group.default_path_permissions
        else:
            place, permissions = _at(group, where)
        found.extend(
            Grant(group.holder, "assignment", place, one, authorized=True)
            for one in sorted(needed & permissions)
        )
        missing -= permissions
    return () if missing else tuple(found)


def _collected(
    found: Iterable[tuple[Group, str, frozenset[PathPermission]]],
    needed: frozenset[PathPermission],
) -> Allowed | None:
    missing = needed
    grant: Grant | None = None
    for group, place, permissions in found:
        given = missing & permissions
        if not given:
            continue
        if grant is None:
            grant = Grant(
                group.holder, "assignment", place, min(given), authorized=True
            )
        missing -= given
        if not missing:
            return Allowed(f"allowed by an assignment of {grant.holder}", grant)
    return None
