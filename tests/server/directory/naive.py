"""A directory of dicts, as little of one as can be: what the real one is held against."""

import re
from dataclasses import dataclass, field


Rule = tuple[str, str, str]
"""Section, path, verb."""


@dataclass
class Holder:
    """A user or a group: rules, and the groups that it is in or includes."""

    groups: set[str] = field(default_factory=set)
    rules: dict[Rule, bool] = field(default_factory=dict)
    team: str | None = None
    data: int | None = None


class Refused(Exception):  # noqa: N818 - what came of it
    """The code of a refusal is the text."""


def pattern(path: str) -> re.Pattern[str]:
    """Translate a path of a permission object, by what people are told of it."""
    if path == "*":
        return re.compile(".*")
    parts = path.split("/")
    found = []
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        text = re.escape(part).replace(r"\*", "[^/]*")
        if part == "*" and at > 0 and not last:
            text = "[^/]+(?:/[^/]+)*"
        found.append(text + "(?:/.*)?" if last and part.endswith("*") else text)
    return re.compile("/".join(found))


class Naive:
    """Users and groups by name."""

    def __init__(self) -> None:
        self.users: dict[str, Holder] = {}
        self.groups: dict[str, Holder] = {}

    def holder(self, name: str) -> Holder:
        """Give a user, whose names are small letters, or a group."""
        there, what = (self.users, "USER") if name.islower() else (self.groups, "GROUP")
        if name not in there:
            raise Refused(f"{what}_NOT_FOUND")
        return there[name]

    def closure(self, names: set[str]) -> set[str]:
        """Give groups with all that they include."""
        found: set[str] = set()
        while names - found:
            name = (names - found).pop()
            found.add(name)
            names = names | self.groups[name].groups
        return found

    def include(self, name: str, included: set[str]) -> None:
        """Replace what a group includes, making the group if it is not there."""
        known = included & self.groups.keys()
        if name in included or name in self.closure(known):
            raise Refused("CYCLE")
        if included - known:
            raise Refused("GROUP_NOT_FOUND")
        self.groups.setdefault(name, Holder()).groups = set(included)

    def delete_group(self, name: str) -> None:
        """Remove a group and every mention of it."""
        self.holder(name)
        del self.groups[name]
        for one in (*self.users.values(), *self.groups.values()):
            one.groups.discard(name)

    def may(self, username: str, section: str, verb: str, name: str) -> bool:
        """Decide: a prohibition beats every allow, and silence is a no."""
        user = self.users[username]
        holders = [user, *(self.groups[one] for one in self.closure(user.groups))]
        forms = {name, name.removeprefix("hub/")} if section != "data" else {name}
        said = []
        for one in holders:
            for (where, path, what), allowed in one.rules.items():
                path = path.replace("{username}", username)  # noqa: PLW2901 - filled
                if user.team is not None:
                    path = path.replace("{application_data.team}", user.team)  # noqa: PLW2901 - filled
                fitting = pattern(path).fullmatch
                if (where, what) == (section, verb) and any(map(fitting, forms)):
                    said.append(allowed)
        return bool(said) and all(said)
