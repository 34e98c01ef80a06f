"""Random calls against a directory on disk and against a naive one of dicts."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from directories import BY, key, opened
from server.directory.naive import Holder, Naive, Refused
from vestibule.server.directory import Directory, DirectoryError


NAMES = st.sampled_from(["a", "b", "c"])
GROUPS = st.sampled_from(["G", "H", "I"])
VERBS = {
    "methods": ["call", "provide"],
    "events": ["publish", "subscribe"],
    "data": ["read", "update"],
}
SECTIONS = st.sampled_from(list(VERBS))
LITERAL = ["m/1", "m/a", "n"]
PATHS = st.sampled_from([*LITERAL, "*", "m/*", "m*", "m/*/x", "*/1"])
TEMPLATES = st.sampled_from(["m/{username}", "t/{application_data.team}/*"])
ASKED = ["m/1", "hub/m/1", "m/a", "m/b/x", "m/b/c/x", "n", "t/red/1", "t/blue/1"]
TEAMS = st.sampled_from([None, "red", "blue", "no/team"])


class DirectoryMachine(RuleBasedStateMachine):
    """The directory does what a few lines about dicts do, also after restarts."""

    fresh: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.fresh, self.folder, dirs_exist_ok=True)
        self.loop = asyncio.new_event_loop()
        self.naive = Naive()
        self.open()

    def open(self) -> None:
        self.context = opened(self.folder)
        self.directory: Directory = self.run(self.context.__aenter__())

    def run(self, call: Any) -> Any:
        return self.loop.run_until_complete(call)

    def teardown(self) -> None:
        self.run(self.context.__aexit__(None, None, None))
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)

    def calls(self, name: str, *args: Any, naive: Callable[[], object]) -> None:
        """Call both, and see that both refuse or neither.

        While it is under way nothing but the whole of before and of after is seen.
        """
        expected = None
        try:
            naive()
        except Refused as refusal:
            expected = str(refusal)
        refused = self.run(self.watched(getattr(self.directory, name)(*args, by=BY)))
        assert refused == expected

    async def watched(self, call: Any) -> str | None:
        before, seen = self.directory.policy, []
        task = asyncio.ensure_future(call)
        while not task.done():
            await asyncio.sleep(0)
            seen.append(self.directory.policy)
        after = self.directory.policy
        assert all(one is before or one is after for one in seen)
        assert after.epoch - before.epoch in (0, 1)
        try:
            task.result()
        except DirectoryError as refusal:
            assert after is before
            return str(refusal.code)
        return None

    @rule(name=NAMES, team=TEAMS)
    def add_user(self, name: str, team: str | None) -> None:
        user = {
            "username": name,
            "public_key": key(),
            "application_data": {"team": team},
        }

        def naive() -> None:
            if name in self.naive.users:
                raise Refused("ALREADY_EXISTS")
            self.naive.users[name] = Holder(team=team)

        self.calls("add_user", user, naive=naive)

    @rule(
        name=NAMES,
        team=TEAMS,
        data=st.integers(0, 2),
        groups=st.dictionaries(GROUPS, st.booleans()),
    )
    def update_user(
        self, name: str, team: str | None, data: int, groups: dict[str, bool]
    ) -> None:
        """Several things at once: all of them, or none for an unknown group."""
        user = {
            "username": name,
            "custom_data": data,
            "application_data": {"team": team},
            "groups": groups,
        }

        def naive() -> None:
            holder = self.naive.holder(name)
            for group in groups:
                self.naive.holder(group)
            holder.team, holder.data = team, data
            holder.groups |= {group for group, member in groups.items() if member}
            holder.groups -= {group for group, member in groups.items() if not member}

        self.calls("update_user", user, naive=naive)

    @rule(name=NAMES)
    def delete_user(self, name: str) -> None:
        def naive() -> None:
            self.naive.holder(name)
            del self.naive.users[name]

        self.calls("delete_user", name, naive=naive)

    @rule(name=GROUPS, includes=st.frozensets(GROUPS))
    def upsert_group(self, name: str, includes: frozenset[str]) -> None:
        known = includes & self.naive.groups.keys()
        circle = name in includes or name in self.naive.closure(set(known))
        if circle and includes - known - {name}:
            return  # Two faults: which one is told does not matter.
        group = {"name": name, "includes": sorted(includes)}
        self.calls(
            "upsert_group", group, naive=lambda: self.naive.include(name, set(includes))
        )

    @rule(name=GROUPS)
    def delete_group(self, name: str) -> None:
        self.calls("delete_group", name, naive=lambda: self.naive.delete_group(name))

    @rule(group=GROUPS, name=NAMES, member=st.booleans())
    def link(self, group: str, name: str, member: bool) -> None:  # noqa: FBT001 - drawn
        def naive() -> None:
            self.naive.holder(group)
            groups = self.naive.holder(name).groups
            (groups.add if member else groups.discard)(group)

        call = "link_group" if member else "unlink_group"
        self.calls(call, group, name, naive=naive)

    @rule(
        holder=NAMES | GROUPS,
        section=SECTIONS,
        path=PATHS,
        verb=st.integers(0, 1),
        authorized=st.booleans(),
        remove=st.booleans(),
    )
    def grants(
        self,
        holder: str,
        section: str,
        path: str,
        verb: int,
        authorized: bool,  # noqa: FBT001 - drawn
        remove: bool,  # noqa: FBT001 - drawn
    ) -> None:
        """Grant or prohibit a verb at a path, or take a grant or prohibition back."""
        key_ = (section, path, VERBS[section][verb])

        def naive() -> None:
            rules = self.naive.holder(holder).rules
            if not remove:
                rules[key_] = authorized
            elif rules.get(key_) is authorized:
                del rules[key_]

        entry = {"authorized": authorized, "actions": [key_[2]]}
        kind = "user" if holder.islower() else "group"
        call = f"{'remove' if remove else 'add'}_{kind}_permissions"
        self.calls(call, holder, {section: {path: entry}}, naive=naive)

    @rule(name=GROUPS, section=SECTIONS, path=TEMPLATES, verb=st.integers(0, 1))
    def exactly_a_template(self, name: str, section: str, path: str, verb: int) -> None:
        """Make one rule, with a template, the only one."""
        action = VERBS[section][verb]

        def naive() -> None:
            group = self.naive.groups.setdefault(name, Holder())
            group.rules = {(section, path, action): True}

        permissions = {section: {path: {"actions": [action]}}}
        group = {"name": name, "permissions": permissions}
        self.calls_upsert(group, naive)

    def calls_upsert(self, group: dict[str, Any], naive: Callable[[], object]) -> None:
        naive()
        call = self.directory.upsert_group(group, overwrite_permissions=True, by=BY)
        assert self.run(self.watched(call)) is None

    @rule()
    def restart(self) -> None:
        model = self.directory.policy.model
        self.run(self.context.__aexit__(None, None, None))
        self.open()
        assert self.directory.policy.model == model

    @rule(section=SECTIONS, verb=st.integers(0, 1), name=st.sampled_from(ASKED))
    def questions(self, section: str, verb: int, name: str) -> None:
        """Every way of asking gives the answer of the dicts."""
        action = VERBS[section][verb]
        able = self.run(self.directory.who_can(f"{section}.{action}", name))
        expected = {
            one
            for one in self.naive.users
            if self.naive.may(one, section, action, name)
        }
        assert {one["username"] for one in able} - {"_ADMIN"} == expected

    @invariant()
    def agrees(self) -> None:
        users = {user.username for user in self.directory.users()} - {"_ADMIN"}
        assert users == self.naive.users.keys()
        for name, user in self.naive.users.items():
            shown = self.directory.get_user(name)
            assert shown is not None
            assert shown["groups"].keys() == user.groups | {"_GUEST"}
            assert shown["custom_data"] == user.data
            self.decides(name)
        for name, group in self.naive.groups.items():
            found = self.directory.get_group(name)
            assert found is not None
            assert found["includes"] == sorted(group.groups)
            assert rules_of(found["permissions"]) == group.rules

    def decides(self, name: str) -> None:
        """Ask all there is about one user, by `explain` and by `is_authorized`."""
        query: dict[str, Any] = {
            "methods": ASKED,
            "events": ASKED,
            "data": {asked: {"actions": VERBS["data"]} for asked in ASKED},
        }
        forbidden = set()
        for section, verbs in VERBS.items():
            for verb in verbs:
                for asked in ASKED:
                    expected = self.naive.may(name, section, verb, asked)
                    why = self.directory.explain(name, f"{section}.{verb}", asked)
                    assert why["allowed"] is expected, (section, verb, asked)
                    if not expected:
                        forbidden.add((section, asked, verb))
        answer = self.directory.is_authorized(name, query)["forbidden"]
        told = {(one["section"], one["path"], one["action"]) for one in answer}
        assert told == {
            one
            for one in forbidden
            if one[0] == "data" or one[2] in ("call", "subscribe")
        }


def rules_of(permissions: dict[str, Any]) -> dict[tuple[str, str, str], bool]:
    """Read what is shown of a holder, verb by verb."""
    return {
        (section, path, verb): allowed
        for section, entries in permissions.items()
        for path, entry in entries.items()
        for allowed, verbs in (
            (entry["authorized"], entry["actions"]),
            (False, entry.get("prohibited", [])),
        )
        for verb in verbs
    }


def test_the_directory_is_what_its_calls_made_of_it(fresh_folder: Path) -> None:
    DirectoryMachine.fresh = fresh_folder
    case = DirectoryMachine.TestCase
    case.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
    case().runTest()


def test_the_naive_directory_stays_naive() -> None:
    lines = (Path(__file__).parent / "naive.py").read_text("utf-8").splitlines()
    assert len(lines) <= 100
