"""Random calls against a directory on disk and against a naive one of dicts."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from directories import BY, Hub, key, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import Directory, DirectoryError


NAMES = st.sampled_from(["a", "b", "c"])
GROUPS = st.sampled_from(["G", "H", "I"])
PATHS = st.sampled_from(["m1", "m2", "*"])
ASKED = ("hub/c/m1", "m1", "m2")


class DirectoryMachine(RuleBasedStateMachine):
    """The directory does what a few lines about dicts do, also after restarts."""

    fresh: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.fresh, self.folder, dirs_exist_ok=True)
        self.loop = asyncio.new_event_loop()
        self.users: dict[str, tuple[set[str], dict[str, bool]]] = {}
        self.groups: dict[str, tuple[set[str], dict[str, bool]]] = {}
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

    def calls(self, name: str, *args: Any, expected: ErrorCode | None = None) -> None:
        """Call, expecting a refusal or none."""
        try:
            self.run(getattr(self.directory, name)(*args, by=BY))
            refused = None
        except DirectoryError as refusal:
            refused = refusal.code
        assert refused == expected

    def closure(self, names: set[str]) -> set[str]:
        found: set[str] = set()
        while names - found:
            name = (names - found).pop()
            found.add(name)
            names = names | self.groups[name][0]
        return found

    @rule(name=NAMES)
    def add_user(self, name: str) -> None:
        expected = ErrorCode.ALREADY_EXISTS if name in self.users else None
        user = {"username": name, "public_key": key()}
        self.calls("add_user", user, expected=expected)
        self.users.setdefault(name, (set(), {}))

    @rule(name=NAMES)
    def delete_user(self, name: str) -> None:
        expected = None if name in self.users else ErrorCode.USER_NOT_FOUND
        self.calls("delete_user", name, expected=expected)
        self.users.pop(name, None)

    @rule(name=GROUPS, includes=st.frozensets(GROUPS))
    def upsert_group(self, name: str, includes: frozenset[str]) -> None:
        unknown = includes - self.groups.keys() - {name}
        known = includes & self.groups.keys()
        circle = name in includes or name in self.closure(set(known))
        if unknown and circle:
            return  # Two faults: which one is told does not matter.
        expected = ErrorCode.GROUP_NOT_FOUND if unknown else None
        expected = ErrorCode.CYCLE if circle else expected
        group = {"name": name, "includes": sorted(includes)}
        self.calls("upsert_group", group, expected=expected)
        if expected is None:
            rules = self.groups[name][1] if name in self.groups else {}
            self.groups[name] = set(includes), rules

    @rule(name=GROUPS)
    def delete_group(self, name: str) -> None:
        expected = None if name in self.groups else ErrorCode.GROUP_NOT_FOUND
        self.calls("delete_group", name, expected=expected)
        self.groups.pop(name, None)
        for members, _ in self.users.values():
            members.discard(name)
        for includes, _ in self.groups.values():
            includes.discard(name)

    @rule(group=GROUPS, name=NAMES, member=st.booleans())
    def link(self, group: str, name: str, member: bool) -> None:  # noqa: FBT001 - drawn
        expected = None
        if name not in self.users:
            expected = ErrorCode.USER_NOT_FOUND
        if group not in self.groups:
            expected = ErrorCode.GROUP_NOT_FOUND
        call = "link_group" if member else "unlink_group"
        self.calls(call, group, name, expected=expected)
        if expected is None:
            members = self.users[name][0]
            if member:
                members.add(group)
            else:
                members.discard(group)

    @rule(holder=NAMES | GROUPS, path=PATHS, authorized=st.booleans())
    def grant(self, holder: str, path: str, authorized: bool) -> None:  # noqa: FBT001 - drawn
        permissions = {
            "methods": {path: {"authorized": authorized, "actions": ["call"]}}
        }
        user = holder.islower()
        there = self.users if user else self.groups
        missing = ErrorCode.USER_NOT_FOUND if user else ErrorCode.GROUP_NOT_FOUND
        call = "add_user_permissions" if user else "add_group_permissions"
        expected = None if holder in there else missing
        self.calls(call, holder, permissions, expected=expected)
        if expected is None:
            there[holder][1][path] = authorized

    @rule(holder=NAMES | GROUPS, path=PATHS, authorized=st.booleans())
    def take(self, holder: str, path: str, authorized: bool) -> None:  # noqa: FBT001 - drawn
        permissions = {"methods": {path: {"authorized": authorized}}}
        user = holder.islower()
        there = self.users if user else self.groups
        missing = ErrorCode.USER_NOT_FOUND if user else ErrorCode.GROUP_NOT_FOUND
        call = "remove_user_permissions" if user else "remove_group_permissions"
        expected = None if holder in there else missing
        self.calls(call, holder, permissions, expected=expected)
        if expected is None and there[holder][1].get(path) is authorized:
            del there[holder][1][path]

    @rule()
    def restart(self) -> None:
        model = self.directory.policy.model
        self.run(self.context.__aexit__(None, None, None))
        self.open()
        assert self.directory.policy.model == model

    @invariant()
    def agrees(self) -> None:
        hub = Hub(self.directory)
        users = {user.username for user in self.directory.users()} - {"_ADMIN"}
        assert users == self.users.keys()
        for name, (members, own) in self.users.items():
            shown = self.directory.get_user(name)
            assert shown is not None
            assert shown["groups"].keys() == members | {"_GUEST"}
            rules = [own, *(self.groups[g][1] for g in self.closure(members))]
            for asked in ASKED:
                fitting = [
                    verdict
                    for holder in rules
                    for path, verdict in holder.items()
                    if path in ("*", asked.removeprefix("hub/"))
                ]
                expected = bool(fitting) and all(fitting)
                assert hub.may(name, "methods.call", asked) == [expected]
        for name, (includes, _) in self.groups.items():
            group = self.directory.get_group(name)
            assert group is not None
            assert group["includes"] == sorted(includes)


def test_the_directory_is_what_its_calls_made_of_it(fresh_folder: Path) -> None:
    DirectoryMachine.fresh = fresh_folder
    case = DirectoryMachine.TestCase
    case.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
    case().runTest()
