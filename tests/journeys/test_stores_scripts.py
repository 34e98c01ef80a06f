"""Scripts on the two views: all or nothing, reports, locks, versions, first starts."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from journeys.conftest import Starting
from journeys.stores import ADMIN, Stores, names, new_stores
from vestibule.client import (
    GlobalPermission,
    LoginRefused,
    MessageDenied,
    PathPermission,
    RequestFailed,
    Role,
    ScriptError,
    SecurityConfiguration,
    Session,
    SessionClosed,
    SystemPrincipal,
    VersionConflict,
    open_session,
)


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def stores(starting: Starting) -> AsyncIterator[Stores]:
    async with new_stores(starting) as stores:
        yield stores


async def view_of(stores: Stores) -> SecurityConfiguration:
    return await stores.security.get_security_configuration()


async def role(stores: Stores, name: str) -> Role | None:
    return (await view_of(stores)).role(name)


async def failing(stores: Stores, *lines: str) -> list[tuple[int, int]]:
    """Apply lines to the security store, and give where its errors are."""
    with pytest.raises(ScriptError) as failed:
        await stores.script(*lines)
    return [(one.line, one.column) for one in failed.value.reports]


async def failing_users(stores: Stores, *lines: str) -> list[tuple[int, int]]:
    with pytest.raises(ScriptError) as failed:
        await stores.users(*lines)
    return [(one.line, one.column) for one in failed.value.reports]


async def locker(stores: Stores) -> Stores:
    """Make lou, who may apply scripts, and give what it applies them with."""
    await stores.script("set 'L' permissions [MODIFY_SECURITY VIEW_SECURITY]")
    lou = await stores.user("L", name="lou")
    return Stores(stores.broker, lou, stores._stack)


# Static errors.


async def test_s27_s28_errors_are_told_with_their_places_and_nothing_is_done(
    stores: Stores,
) -> None:
    await stores.store("A [VIEW_SESSION]")
    before = await view_of(stores)
    assert await failing(
        stores,
        "set 'B' permissions [VIEW_SESSION]",
        "isolate path 'x'",
        "set 'A' permissions [NONSENSE]",
    ) == [(3, 22)]
    assert await failing(stores, "isolate path", "", "frobnicate 'A'") == [
        (1, 13),
        (3, 1),
    ]
    assert await view_of(stores) == before


async def test_s32_a_permission_of_the_other_scope_is_an_error(stores: Stores) -> None:
    line = "set 'A' path 'x' permissions [VIEW_SESSION]"
    assert await failing(stores, line) == [(1, 31)]


async def test_s29_s30_s31_the_language_is_lenient_where_it_says_so(
    stores: Stores,
) -> None:
    await stores.script("set 'A' topic 'x' permissions [READ_TOPIC]")
    await stores.script(
        'SET "A" Permissions [view_session, MODIFY_SESSION] ; both\r\n; end\r\n'
    )
    found = await role(stores, "A")
    assert found is not None
    assert found.path_permissions == {"x": frozenset({PathPermission.READ_TOPIC})}
    assert found.global_permissions == {
        GlobalPermission.VIEW_SESSION,
        GlobalPermission.MODIFY_SESSION,
    }
    await stores.script('set "A" permissions')
    found = await role(stores, "A")
    assert found is not None
    assert found.global_permissions == set()


# What scripts do.


async def test_s34_a_group_exists_as_long_as_it_is_mentioned(stores: Stores) -> None:
    await stores.script("set 'A' includes ['NEW']")
    assert await role(stores, "NEW") == Role("NEW")
    await stores.script("set 'A' includes []")
    assert await role(stores, "A") is None
    assert await role(stores, "NEW") is None


async def test_s35_a_script_without_commands_changes_nothing(stores: Stores) -> None:
    version = (await view_of(stores)).version
    assert await stores.script("") == version
    assert await stores.script("; nothing") == version
    changed = await stores.script("isolate path 'x'")
    assert changed == version + 1
    assert await stores.script("isolate path 'x'") == changed


async def test_s36_the_views_are_for_those_who_may_see_them(stores: Stores) -> None:
    u = await stores.user()
    with pytest.raises(MessageDenied):
        await u.security.get_security_configuration()
    with pytest.raises(MessageDenied):
        await u.security.get_system_authentication_configuration()
    with pytest.raises(MessageDenied):
        await u.security.update_security_store("nonsense")


async def test_s40_the_view_shows_every_kind_of_fact(stores: Stores) -> None:
    await stores.store(
        "A [VIEW_SESSION]",
        "A default [R]",
        "A@/a/b [U]",
        "A@x []",
        "A + B",
        "!q",
        "!p/q",
    )
    await stores.script(
        "set roles for named sessions ['N']",
        "set roles for anonymous sessions ['G']",
        "set role 'A' locked by principal '_ADMIN'",
    )
    view = await view_of(stores)
    assert view.role("A") == Role(
        "A",
        frozenset({GlobalPermission.VIEW_SESSION}),
        frozenset({PathPermission.READ_TOPIC}),
        {"a/b": frozenset({PathPermission.UPDATE_TOPIC}), "x": frozenset()},
        frozenset({"B"}),
        "_ADMIN",
    )
    assert view.isolated_paths == {"q", "p/q"}
    assert view.roles_for_named_sessions == {"N"}
    assert view.roles_for_anonymous_sessions == {"G"}
    assert [one.name for one in view.roles] == sorted(one.name for one in view.roles)


async def test_s44_a_version_is_expected_once(stores: Stores) -> None:
    update = stores.security.update_security_store
    version = (await view_of(stores)).version
    assert await update("isolate path 'a'", expected_version=version) == version + 1
    with pytest.raises(VersionConflict) as refused:
        await update("isolate path 'b'", expected_version=version)
    assert (refused.value.expected, refused.value.current) == (version, version + 1)
    assert (await view_of(stores)).isolated_paths == {"a"}


async def test_s93_the_script_of_a_view_makes_it_again(
    stores: Stores, starting: Starting, tmp_path: Path
) -> None:
    await stores.users("add principal 'lou' 'lou'", "add principal 'p' 'p' ['A']")
    await stores.store(
        "A [VIEW_SESSION]", "A@x []", "A@y [R]", "B + A", "CLIENT []", "!q", "!x/y"
    )
    await stores.script(
        "set 'TOPIC_CONTROL' includes []",
        "set 'CLIENT' includes ['TOPIC_CONTROL']",
        "set roles for named sessions ['N']",
        "set role 'B' locked by principal 'lou'",
    )
    view = await view_of(stores)
    async with new_stores(starting, data=str(tmp_path / "other")) as other:
        await other.users("add principal 'lou' 'lou'", "add principal 'p' 'p' ['A']")
        await other.script(view.to_script())
        again = await view_of(other)
    assert again.roles == view.roles
    assert again.isolated_paths == view.isolated_paths
    assert again.roles_for_named_sessions == view.roles_for_named_sessions


async def test_s94_of_two_who_add_the_same_user_one_succeeds(stores: Stores) -> None:
    second = await stores.login(ADMIN)
    line = "add principal 'p' 'pw'"
    outcomes = await asyncio.gather(
        stores.users(line),
        second.security.update_authentication_store(line),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "ScriptError",
        "int",
    ]


@asynccontextmanager
async def killed(folder: Path) -> AsyncIterator[Session]:
    """Run a broker as a process, which is killed when the block is left."""
    roots = [str(ROOT / part) for part in ("protocol", "server", "client")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vestibule.client", "serve", "--json"),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(roots),
            "VESTIBULE_DATA": str(folder),
            "VESTIBULE_LISTEN__PORT": "0",
            "VESTIBULE_HTTP__PORT": "0",
            "VESTIBULE_ADMIN_PASSWORD": ADMIN["password"],
        },
        stdout=PIPE,
        stderr=DEVNULL,
    )
    try:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        async with open_session(
            told["url"], ADMIN, server_key=told["server_key"], reconnect=None
        ) as session:
            yield session
            process.kill()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_s92_a_broker_that_is_killed_has_whole_scripts_only(
    starting: Starting, tmp_path: Path
) -> None:
    script = "\n".join(f"isolate path 'p/{number}'" for number in range(5_000))
    async with killed(tmp_path / "data") as session:
        update = session.security.update_security_store
        applying = asyncio.ensure_future(update(script))
        # Somewhere in the middle: a script of this size takes longer.
        await asyncio.sleep(0.1)
    with suppress(SessionClosed):
        await applying
    async with new_stores(starting) as stores:
        isolated = (await view_of(stores)).isolated_paths
        assert len(isolated) in (0, 5_000)


# Locks.


async def test_s37_s38_a_locked_role_is_its_lockers(stores: Stores) -> None:
    lou = await locker(stores)
    await stores.script("set role 'A' locked by principal 'lou'")
    with pytest.raises(ScriptError) as refused:
        await stores.script("set 'A' permissions []")
    (report,) = refused.value.reports
    assert report.message == "Role 'A' is locked by principal 'lou'"
    assert report.column == 5
    await lou.script("set 'A' permissions []")
    assert await failing(stores, "unlock role 'A'") != []
    await lou.script("unlock role 'A'")
    found = await role(stores, "A")
    assert found is None or found.locking_principal is None
    await stores.script("set 'A' permissions [VIEW_SESSION]")


async def test_s39_a_directory_call_heeds_a_lock_too(stores: Stores) -> None:
    await stores.users("add principal 'lou' 'lou'")
    await stores.store("A [VIEW_SESSION]")
    await stores.script("set role 'A' locked by principal 'lou'")
    before = await role(stores, "A")
    with pytest.raises(RequestFailed) as refused:
        await stores.directory.upsert_group({"name": "A", "custom_data": {"x": 1}})
    assert refused.value.code == "LOCKED"
    assert refused.value.details == {"locking_principal": "lou"}
    assert await role(stores, "A") == before


async def test_s50_a_locked_user_is_its_lockers(stores: Stores) -> None:
    lou = await locker(stores)
    await stores.users("add principal 'p' 'pw' locked by 'lou'")
    assert await failing_users(stores, "set password 'p' 'x'") == [(1, 14)]
    await lou.users("set password 'p' 'x'")
    await stores.login({"username": "p", "password": "x"})


# Principals.


async def test_s45_s46_s47_what_is_not_there_fails_at_its_place(stores: Stores) -> None:
    assert await failing_users(
        stores, "remove principal 'ghost'", "; x", "assign roles 'ghost2' []"
    ) == [(1, 18), (3, 14)]
    for line in (
        "set password 'q' 'x'",
        "verify password 'q' 'x'",
        "assign roles 'q' []",
        "remove principal 'q'",
    ):
        assert len(await failing_users(stores, line)) == 1
    await stores.users("add principal 'p' 'old' ['A']")
    assert await failing_users(stores, "add principal 'p' 'pw'") == [(1, 15)]
    await stores.login({"username": "p", "password": "old"})
    assert await principal(stores, "p") == SystemPrincipal(
        "p", frozenset({"A", "_GUEST"})
    )


async def principal(stores: Stores, name: str) -> SystemPrincipal | None:
    view = await stores.security.get_system_authentication_configuration()
    return view.principal(name)


async def test_s48_a_command_sees_what_those_before_it_have_done(
    stores: Stores,
) -> None:
    await stores.users("add principal 'p' 'pw' ['A']", "assign roles 'p' ['B']")
    assert await principal(stores, "p") == SystemPrincipal(
        "p", frozenset({"B", "_GUEST"})
    )


async def test_s49_a_password_is_changed_by_who_knows_it(stores: Stores) -> None:
    await stores.users("add principal 'p' 'old'")
    p = await stores.login({"username": "p", "password": "old"})
    await stores.users("verify password 'p' 'old'", "set password 'p' 'new'")
    assert await p.wait_closed() == "password_changed"
    with pytest.raises(LoginRefused):
        await stores.login({"username": "p", "password": "old"})
    await stores.login({"username": "p", "password": "new"})
    assert await failing_users(stores, "verify password 'p' 'old'") != []


async def test_s51_the_view_has_nothing_of_passwords(stores: Stores) -> None:
    await stores.users("add principal 'p' 'sesame' ['A'] locked by 'p'")
    view = await stores.security.get_system_authentication_configuration()
    shown: Any = await stores.directory.get_system_authentication_configuration()
    assert view.principal("p") == SystemPrincipal("p", frozenset({"A", "_GUEST"}), "p")
    assert set(shown["principals"][0]) == {"name", "roles", "locking_principal"}
    assert "sesame" not in repr(shown)
    assert "argon2" not in repr(shown)


async def test_s52_other_roles_count_at_once(stores: Stores) -> None:
    await stores.store("A [VIEW_SESSION]", "B [MODIFY_SESSION]")
    u = await stores.user("A")
    await stores.users("assign roles 'u' ['B']")
    assert await names(u.security.get_global_permissions()) == {"MODIFY_SESSION"}


async def test_s53_who_is_removed_is_gone(stores: Stores) -> None:
    u = await stores.user()
    await stores.users("remove principal 'u'")
    assert await u.wait_closed() == "user_deleted"
    with pytest.raises(LoginRefused) as refused:
        await stores.login({"username": "u", "password": "u"})
    assert refused.value.code == "INVALID_AUTH_DATA"


async def test_s54_both_vocabularies_have_one_set_of_facts(stores: Stores) -> None:
    before = await stores.security.get_system_authentication_configuration()
    await stores.directory.upsert_user({"username": "u", "password": "u"})
    await stores.directory.upsert_group({"name": "G"})
    await stores.directory.link_group("G", "u")
    after = await stores.security.get_system_authentication_configuration()
    found = after.principal("u")
    assert found is not None
    assert found.roles == {"G", "_GUEST"}
    assert after.version > before.version


# Anonymous connections, and what is on disk.


async def test_s60_s61_s62_anonymous_connections_follow_the_policy(
    stores: Stores,
) -> None:
    with pytest.raises(LoginRefused) as refused:
        await stores.login({})
    assert refused.value.code == "ANONYMOUS_DISABLED"
    await stores.store("C [VIEW_SESSION]", "G [VIEW_SERVER]")
    await stores.users("allow anonymous connections ['C']")
    await stores.script("set roles for anonymous sessions ['G']")
    anonymous: Session = await stores.login({})
    assert anonymous.security.get_principal() == ""
    held = await names(anonymous.security.get_global_permissions())
    assert held == {"VIEW_SESSION", "VIEW_SERVER"}
    await stores.users("deny anonymous connections")
    assert await anonymous.wait_closed() == "revoked"
    with pytest.raises(LoginRefused) as refused:
        await stores.login({})
    assert refused.value.code == "ANONYMOUS_DISABLED"


async def test_s63_no_file_holds_a_password(starting: Starting, tmp_path: Path) -> None:
    secret = "a-password-that-is-nowhere"
    async with new_stores(starting) as stores:
        await stores.users(f"add principal 'p' '{secret}'")
        await stores.login({"username": "p", "password": secret})
        assert not holding(tmp_path, secret)
    assert not holding(tmp_path, secret)


def holding(folder: Path, secret: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "directory.db" for path in files)
    return [path for path in files if secret.encode() in path.read_bytes()]
