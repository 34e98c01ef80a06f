"""Locks: who may change what is locked, in either vocabulary."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from directories import BY, copies_of, opened
from scripting import Administrator
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import Directory, DirectoryError
from vestibule.server.directory.script import View


S, A = View.SECURITY, View.AUTHENTICATION
LOU = "lou"


@pytest.fixture(scope="module")
def locked_folder(fresh_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Roles A and B and the user p; A and p are locked by lou."""
    folder = tmp_path_factory.mktemp("locked") / "data"
    shutil.copytree(fresh_folder, folder)

    async def make() -> None:
        async with opened(folder) as directory:
            admin = Administrator(directory)
            await directory.upsert_group({"name": "B"}, by=BY)
            await admin.system(
                "add principal 'lou' 'pw'",
                "add principal 'p' 'pw' ['A' 'B'] locked by 'lou'",
            )
            await admin.security(
                "set 'A' permissions [VIEW_SESSION]",
                "set 'A' includes ['B']",
                "set role 'A' locked by principal 'lou'",
            )

    asyncio.run(make())
    return folder


@pytest.fixture
async def admin(locked_folder: Path, tmp_path: Path) -> AsyncIterator[Administrator]:
    folder = copies_of(locked_folder, tmp_path)()
    async with opened(folder) as directory:
        yield Administrator(directory)


EDITS = [
    (S, "set 'A' permissions []", 5),
    (S, "set 'A' permissions [VIEW_SESSION]", 5),
    (S, "set 'A' default path permissions []", 5),
    (S, "set 'A' path 'x' permissions []", 5),
    (S, "remove 'A' permissions for path 'x'", 8),
    (S, "set 'A' includes []", 5),
    (S, "set role 'A' locked by principal '_ADMIN'", 10),
    (S, "unlock role 'A'", 13),
    (A, "set password 'p' 'x'", 14),
    (A, "set password 'p' 'pw'", 14),
    (A, "assign roles 'p' []", 14),
    (A, "remove principal 'p'", 18),
    (A, "unlock principal 'p'", 18),
]


@pytest.mark.parametrize(("view", "line", "column"), EDITS)
async def test_s37_s50_only_the_locking_principal_edits(
    admin: Administrator, view: View, line: str, column: int
) -> None:
    kind = "Role 'A'" if view is S else "Principal 'p'"
    expected = {(1, column): f"{kind} is locked by principal 'lou'"}
    assert await admin.fails(view, line) == expected
    apply = admin.security if view is S else admin.system
    await apply(line, by=LOU)


async def test_s38_a_lock_ends_or_is_passed_on(admin: Administrator) -> None:
    await admin.fails(S, "unlock role 'A'")
    await admin.security("set role 'A' locked by principal '_ADMIN'", by=LOU)
    await admin.fails(S, "unlock role 'A'", by=LOU)
    await admin.security("unlock role 'A'")
    role = admin.role("A")
    assert role is not None
    assert role["locking_principal"] is None
    await admin.security("set 'A' permissions []", "unlock role 'A'")
    await admin.system("unlock principal 'p'", "unlock principal 'p'", by=LOU)
    await admin.system("set password 'p' 'x'")


async def test_commands_after_a_lock_are_judged_by_it(admin: Administrator) -> None:
    reports = await admin.fails(
        S,
        "set role 'C' locked by principal 'lou'",
        "set 'C' permissions [VIEW_SESSION]",
        "set 'D' permissions [VIEW_SESSION]",
    )
    assert list(reports) == [(2, 5)]
    await admin.security(
        "unlock role 'A'", "set role 'A' locked by principal 'p'", by=LOU
    )
    reports = await admin.fails(
        A,
        "add principal 'q' 'pw' locked by 'q'",
        "assign roles 'q' ['A']",
    )
    assert list(reports) == [(2, 14)]


async def test_what_is_no_edit_goes_on(admin: Administrator) -> None:
    await admin.security(
        "set 'C' includes ['A']",
        "set roles for named sessions ['A']",
        "set roles for anonymous sessions ['A']",
        "set 'B' permissions [VIEW_SECURITY]",
        "isolate path 'x'",
        "deisolate path 'x'",
    )
    await admin.system(
        "verify password 'p' 'pw'",
        "add principal 'q' 'pw' ['A']",
        "allow anonymous connections ['A']",
    )
    await admin.directory.link_group("A", LOU, by=BY)


Call = Callable[[Directory, str], Awaitable[object]]

PERMISSIONS: dict[str, Any] = {"methods": {"m": {}}}

CALLS: dict[str, Call] = {
    "upsert_group": lambda d, by: d.upsert_group({"name": "A"}, by=by),
    "update_group": lambda d, by: d.update_group(
        {"name": "A", "custom_data": 1}, by=by
    ),
    "add_group_permissions": lambda d, by: d.add_group_permissions(
        "A", PERMISSIONS, by=by
    ),
    "remove_group_permissions": lambda d, by: d.remove_group_permissions(
        "A", PERMISSIONS, by=by
    ),
    "delete_group that includes": lambda d, by: d.delete_group("B", by=by),
    "delete_group": lambda d, by: d.delete_group("A", by=by),
    "update_user": lambda d, by: d.update_user(
        {"username": "p", "disabled": True}, by=by
    ),
    "set password": lambda d, by: d.update_user(
        {"username": "p", "password": "x"}, by=by
    ),
    "add_user_permissions": lambda d, by: d.add_user_permissions(
        "p", PERMISSIONS, by=by
    ),
    "link_group": lambda d, by: d.link_group("CLIENT", "p", by=by),
    "unlink_group": lambda d, by: d.unlink_group("A", "p", by=by),
    "delete_user": lambda d, by: d.delete_user("p", by=by),
}


@pytest.mark.parametrize("name", CALLS)
async def test_s39_calls_of_others_are_refused(admin: Administrator, name: str) -> None:
    directory, call = admin.directory, CALLS[name]
    before = directory.policy.model
    for by in (BY, "p", ""):
        with pytest.raises(DirectoryError) as refusal:
            await call(directory, by)
        assert refusal.value.code is ErrorCode.LOCKED
        assert refusal.value.details == {"locking_principal": LOU}
        assert directory.policy.model is before
    await call(directory, LOU)


async def test_a_locked_user_cannot_change_its_own_password(
    admin: Administrator,
) -> None:
    directory = admin.directory
    for change in (
        directory.change_own_password("p", "pw", "other"),
        directory.update_own_user("p", {"custom_data": 1}),
    ):
        with pytest.raises(DirectoryError) as refusal:
            await change
        assert refusal.value.code is ErrorCode.LOCKED
    assert await directory.verify("p", "pw") is not None


async def test_who_locks_is_a_user_or_the_caller(admin: Administrator) -> None:
    reports = await admin.fails(S, "set role 'C' locked by principal 'ghost'")
    assert reports == {(1, 34): "Principal 'ghost' does not exist"}
    await admin.security("set role 'C' locked by principal 'ghost'", by="ghost")
    await admin.fails(S, "set 'C' permissions []")
    await admin.security("unlock role 'C'", by="ghost")
    reports = await admin.fails(A, "add principal 'q' 'pw' locked by 'ghost'")
    assert list(reports) == [(1, 34)]
    await admin.system("add principal 'q' 'pw' locked by 'q'")
    await admin.fails(A, "remove principal 'q'")
    await admin.system("remove principal 'q'", by="q")


async def test_an_anonymous_session_holds_no_lock(admin: Administrator) -> None:
    assert list(await admin.fails(S, "set 'A' permissions []", by="")) == [(1, 5)]
    await admin.security("set role 'C' locked by principal 'lou'", by="")
    await admin.fails(S, "unlock role 'C'", by="")


async def test_who_holds_a_lock_cannot_be_removed(admin: Administrator) -> None:
    directory = admin.directory
    for by in (BY, LOU):
        assert list(await admin.fails(A, "remove principal 'lou'", by=by)) == [(1, 18)]
        with pytest.raises(DirectoryError) as refusal:
            await directory.delete_user(LOU, by=by)
        assert refusal.value.code is ErrorCode.LOCKED
        assert refusal.value.details == {"locking_principal": LOU}
    await admin.security("unlock role 'A'", by=LOU)
    await admin.fails(A, "remove principal 'lou'")
    await admin.system("unlock principal 'p'", "remove principal 'lou'", by=LOU)
    assert directory.policy.model.locks == {}


async def test_what_is_protected_is_told_as_such_though_it_is_not_locked(
    admin: Administrator,
) -> None:
    await admin.security("set role 'ADMINISTRATOR' locked by principal 'lou'")
    with pytest.raises(DirectoryError) as refusal:
        await admin.directory.delete_group("ADMINISTRATOR", by=LOU)
    assert refusal.value.code is ErrorCode.PROTECTED


async def test_the_operator_of_the_machine_ends_any_lock(admin: Administrator) -> None:
    directory = admin.directory
    assert directory.locked_by("group", "A") == LOU
    assert directory.locked_by("user", "p") == LOU
    await directory.unlock("group", "A")
    await directory.unlock("user", "p")
    assert directory.locked_by("group", "A") is None
    assert directory.policy.model.locks == {}
    for kind in ("group", "user"):
        with pytest.raises(DirectoryError):
            await directory.unlock(kind, "nobody")
