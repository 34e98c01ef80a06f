"""Scripts applied to a directory: all or nothing, and what they do."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from directories import BY, Copies, Hub, opened
from scripting import Administrator
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory import (
    DirectoryChange,
    DirectoryError,
    ScriptRun,
)
from vestibule.server.directory.script import View
from vestibule.server.directory.script.parser import MAX_BYTES


E = ErrorCode
S, A = View.SECURITY, View.AUTHENTICATION
R, SEL, U = "READ_TOPIC", "SELECT_TOPIC", "UPDATE_TOPIC"
RS = "[READ_TOPIC SELECT_TOPIC]"


@pytest.fixture
def admin(hub: Hub) -> Administrator:
    return Administrator(hub.directory)


# What roles grant.


async def test_s1_s2_global_permissions_unite_over_roles_and_includes(
    admin: Administrator,
) -> None:
    await admin.security(
        "set 'A' permissions [VIEW_SESSION]",
        "set 'B' permissions [MODIFY_SESSION]",
        "set 'C' includes ['B']",
    )
    both = await admin.user("A", "B")
    assert admin.globals(both) == {"VIEW_SESSION", "MODIFY_SESSION"}
    assert "MODIFY_SESSION" in admin.globals(await admin.user("C"))


async def test_s3_s4_s30_setting_permissions_replaces_them(
    admin: Administrator,
) -> None:
    await admin.security("set 'A' permissions [VIEW_SESSION]")
    user = await admin.user("A")
    await admin.security("set 'A' permissions [MODIFY_SESSION]")
    assert admin.globals(user) == {"MODIFY_SESSION"}
    await admin.security("set 'A' permissions []")
    assert admin.globals(user) == set()
    await admin.security("set 'A' permissions [VIEW_SESSION]")
    await admin.security('set "A" permissions')
    assert admin.globals(user) == set()


async def test_s5_a_user_without_rights_holds_nothing(admin: Administrator) -> None:
    user = await admin.user()
    assert admin.globals(user) == set()
    assert admin.perms(user, "x") == set()


async def test_s6_s21_reserved_permissions_are_kept_and_returned(
    admin: Administrator,
) -> None:
    await admin.security(
        "set 'A' permissions [VIEW_SERVER READ_TOPIC_VIEWS]",
        "set 'A' path 'x' permissions [EXPOSE_BRANCH]",
        "set 'A' path 'locks/a' permissions [ACQUIRE_LOCK]",
    )
    user = await admin.user("A")
    assert admin.globals(user) == {"VIEW_SERVER", "READ_TOPIC_VIEWS"}
    assert admin.perms(user, "x/y") == {"EXPOSE_BRANCH"}
    assert admin.perms(user, "locks/a/1") == {"ACQUIRE_LOCK"}
    assert admin.perms(user, "locks/b") == set()


ASSIGNED: list[tuple[str, list[str], dict[str, set[str]]]] = [
    ("s7", [f"set 'A' default path permissions {RS}"], {"x/y": {R, SEL}}),
    (
        "s8",
        [
            f"set 'A' path 'x' permissions {RS}",
            "set 'A' path 'x/y' permissions [UPDATE_TOPIC]",
        ],
        {"x/y/z": {U}},
    ),
    (
        "s9",
        [
            "set 'A' default path permissions [READ_TOPIC]",
            "set 'A' path 'x' permissions [READ_TOPIC UPDATE_TOPIC]",
            "set 'A' path 'x/y' permissions []",
        ],
        {"x/y/z": set(), "x/z": {R, U}, "z": {R}},
    ),
    (
        "s10",
        [
            "set 'A' default path permissions [READ_TOPIC]",
            "set 'A' path 'x' permissions [READ_TOPIC UPDATE_TOPIC]",
            "isolate path 'x/y'",
        ],
        {"x/y": set(), "x/y/z": set()},
    ),
    (
        "s11",
        [
            "set 'A' default path permissions [READ_TOPIC]",
            "set 'A' path 'x' permissions [READ_TOPIC UPDATE_TOPIC]",
            "isolate path 'x/y'",
            "set 'A' path 'x/y' permissions [SELECT_TOPIC]",
        ],
        {"x/y": {SEL}, "x/y/z": {SEL}},
    ),
    (
        "s12",
        [
            "set 'A' path 'x' permissions [READ_TOPIC UPDATE_TOPIC]",
            "isolate path 'x/y'",
        ],
        {"x/q": {R, U}},
    ),
    ("s18", ["set 'A' path 'a/b' permissions [READ_TOPIC]"], {"a": set()}),
]


@pytest.mark.parametrize(("_case", "lines", "expected"), ASSIGNED)
async def test_s7_s8_s9_s10_s11_s12_s18_the_nearest_assignment_counts(
    admin: Administrator,
    _case: str,
    lines: list[str],
    expected: dict[str, set[str]],
) -> None:
    await admin.security(*lines)
    user = await admin.user("A")
    assert {path: admin.perms(user, path) for path in expected} == expected


async def test_s13_what_is_isolated_no_more_inherits_again(
    admin: Administrator,
) -> None:
    script = [f"set 'A' default path permissions {RS}", "isolate path 'priv'"]
    await admin.security(*script)
    user = await admin.user("A")
    assert admin.perms(user, "priv/1") == set()
    await admin.security("deisolate path 'priv'")
    assert admin.perms(user, "priv/1") == {R, SEL}


async def test_s14_s15_s16_no_role_takes_away_what_another_gives(
    admin: Administrator,
) -> None:
    await admin.security(
        "set 'A' path 'x/y' permissions [UPDATE_TOPIC]",
        f"set 'B' path 'x' permissions {RS}",
        "set 'C' path 'x' permissions [UPDATE_TOPIC]",
        f"set 'D' default path permissions {RS}",
    )
    user, other = await admin.user("A", "B"), await admin.user("C", "D")
    assert admin.perms(user, "x/y") == {R, SEL, U}
    assert admin.perms(other, "x/y") == {R, SEL, U}
    await admin.security("isolate path 'x/y'")
    assert admin.perms(user, "x/y") == {U}


async def test_s17_included_roles_are_evaluated_on_their_own(
    admin: Administrator,
) -> None:
    await admin.security(
        "set 'A' includes ['B']",
        "set 'B' includes ['C']",
        "set 'B' path 'x' permissions [UPDATE_TOPIC]",
        "set 'C' default path permissions [READ_TOPIC]",
    )
    assert admin.perms(await admin.user("A"), "x") == {R, U}


async def test_s19_s29_paths_have_one_form_and_topic_means_path(
    admin: Administrator,
) -> None:
    await admin.security(
        "set 'A' path '/foo' permissions [READ_TOPIC]",
        "set 'A' path 'bar/' permissions [READ_TOPIC]",
        "set 'A' topic 'x' permissions [READ_TOPIC]",
    )
    assert admin.perms(await admin.user("A"), "foo/x") == {R}
    role = admin.role("A")
    assert role is not None
    assert list(role["path_permissions"]) == ["bar", "foo", "x"]


async def test_s24_the_components_of_the_broker_stay_isolated(
    admin: Administrator,
) -> None:
    assert await admin.fails(S, "deisolate path 'hub/security'") == {
        (1, 16): "Path 'hub/security' is isolated for good"
    }
    version = admin.versions
    await admin.security("isolate path 'hub/security'")
    assert admin.versions == version
    assert admin.directory.get_security_configuration()["isolated_paths"] == []


async def test_s26_a_new_broker_has_the_predefined_roles(
    admin: Administrator,
) -> None:
    user = await admin.user("OPERATOR")
    assert admin.globals(user) == {"VIEW_SESSION", "VIEW_SERVER"}
    assert admin.perms(user, "x") == {R, SEL, "SEND_TO_MESSAGE_HANDLER"}
    view = admin.directory.get_security_configuration()
    assert view["roles_for_named_sessions"] == []
    assert view["roles_for_anonymous_sessions"] == []
    assert view["isolated_paths"] == []
    system = admin.directory.get_system_authentication_configuration()
    assert system["anonymous"] == {"action": "deny", "roles": []}
    assert system["trusted_client_proposed_properties"] == {}


async def test_first_versions_are_one(hub: Hub) -> None:
    assert Administrator(hub.directory).versions == (1, 1)


# Applying.


async def test_s27_one_static_error_and_nothing_is_tried(admin: Administrator) -> None:
    before = admin.versions, admin.directory.get_security_configuration()
    reports = await admin.fails(
        S,
        "set 'A' permissions [VIEW_SESSION]",
        "deisolate path 'hub/security'",
        "set 'A' permissions [NONSENSE]",
    )
    assert list(reports) == [(3, 22)]
    after = admin.versions, admin.directory.get_security_configuration()
    assert after == before


async def test_s31_case_commas_comments_and_line_ends(admin: Administrator) -> None:
    script = 'SET "A" Permissions [view_session, MODIFY_SESSION] ; both\r\n'
    await admin.security(script)
    assert admin.globals(await admin.user("A")) == {"VIEW_SESSION", "MODIFY_SESSION"}


async def test_s34_a_role_is_there_as_long_as_it_is_mentioned(
    admin: Administrator,
) -> None:
    await admin.security("set 'A' includes ['NEW']")
    new = admin.role("NEW")
    assert new == {
        "name": "NEW",
        "global_permissions": [],
        "default_path_permissions": [],
        "path_permissions": {},
        "includes": [],
        "locking_principal": None,
    }
    await admin.security("set 'A' includes []")
    assert admin.role("A") is None
    assert admin.role("NEW") is None


MENTIONS: list[tuple[View, str, str]] = [
    (S, "set 'N' permissions [VIEW_SESSION]", "set 'N' permissions"),
    (S, "set 'N' default path permissions [READ_TOPIC]", "set 'N' default path"),
    (S, "set 'N' path 'x' permissions []", "remove 'N' permissions for path 'x'"),
    (S, "set 'N' includes ['CLIENT']", "set 'N' includes []"),
    (S, "set 'CLIENT' includes ['N']", "set 'CLIENT' includes []"),
    (S, "set roles for named sessions ['N']", "set roles for named sessions"),
    (S, "set roles for anonymous sessions ['N']", "set roles for anonymous sessions"),
    (S, "set role 'N' locked by principal '_ADMIN'", "unlock role 'N'"),
    (A, "assign roles 'lisa' ['N']", "assign roles 'lisa' []"),
    (A, "allow anonymous connections ['N']", "deny anonymous connections"),
]


@pytest.mark.parametrize(("view", "mention", "forget"), MENTIONS)
async def test_a_group_that_a_script_names_goes_with_its_last_mention(
    admin: Administrator, view: View, mention: str, forget: str
) -> None:
    await admin.user(name="lisa")
    apply = admin.security if view is S else admin.system
    if forget.endswith("path"):
        forget += " permissions"
    await admin.security("set 'N' permissions [VIEW_SECURITY]")
    await apply(mention)
    await admin.security("set 'N' permissions []")
    there = "N" in admin.directory.policy.model.groups
    # The first mention is the same fact that is taken away here.
    assert there is ("permissions [VIEW_SESSION]" not in mention)
    await apply(forget)
    assert "N" not in admin.directory.policy.model.groups


async def test_a_rule_keeps_a_group_and_an_upsert_makes_it_stay(
    admin: Administrator,
) -> None:
    directory = admin.directory
    await admin.user(name="lisa")
    await admin.system("assign roles 'lisa' ['N' 'M']")
    permissions: dict[str, Any] = {"methods": {"m": {}}}
    await directory.add_group_permissions("N", permissions, by=BY)
    await directory.upsert_group({"name": "M"}, by=BY)
    await admin.system("assign roles 'lisa' []")
    assert {"N", "M"} <= directory.policy.model.groups.keys()
    await directory.remove_group_permissions("N", permissions, by=BY)
    assert "N" not in directory.policy.model.groups
    assert "M" in directory.policy.model.groups
    await directory.delete_group("M", by=BY)
    assert "M" not in directory.policy.model.groups


async def test_a_directory_call_takes_the_last_mention_too(
    admin: Administrator,
) -> None:
    await admin.user("N", "M", name="lisa")
    await admin.directory.unlink_group("M", "lisa", by=BY)
    assert admin.directory.policy.model.groups.keys() & {"N", "M"} == {"N"}
    await admin.directory.delete_user("lisa", by=BY)
    assert "N" not in admin.directory.policy.model.groups


async def test_s35_a_script_without_commands_changes_nothing(
    admin: Administrator,
) -> None:
    told: list[DirectoryChange] = []

    async def tell(change: DirectoryChange) -> None:
        told.append(change)

    admin.directory.on_change(tell)
    version = admin.versions[0]
    for script in ("", "; nothing", "\n\n"):
        assert await admin.security(script) == version
    assert told == []


async def test_a_script_that_changes_back_what_it_changed_is_no_change(
    admin: Administrator,
) -> None:
    await admin.security("set 'A' path 'x' permissions [READ_TOPIC]")
    user = await admin.user("A")
    before = admin.directory.policy.model
    await admin.security(
        "set 'A' permissions [VIEW_SESSION]",
        "set 'A' path 'y' permissions []",
        "set 'A' path 'x' permissions []",
        "isolate path 'z'",
        "set 'B' includes ['A']",
        "set 'B' includes",
        "deisolate path 'z'",
        "remove 'A' permissions for path 'y'",
        "set 'A' path 'x' permissions [READ_TOPIC]",
        "set 'A' permissions []",
    )
    assert admin.directory.policy.model is before
    await admin.system(f"assign roles '{user}' []", f"assign roles '{user}' ['A']")
    assert admin.directory.policy.model is before


async def test_all_that_cannot_be_applied_is_told_at_once(
    admin: Administrator,
) -> None:
    reports = await admin.fails(
        A,
        "remove principal 'ghost'",
        "; x",
        "assign roles 'ghost2' []",
        "add principal 'p' 'pw' ['A']",
        "assign roles 'p' ['B']",
        "add principal 'p' 'pw'",
    )
    assert reports == {
        (1, 18): "Principal 'ghost' does not exist",
        (3, 14): "Principal 'ghost2' does not exist",
        (6, 15): "Principal 'p' exists already",
    }
    assert admin.principal("p") is None


async def test_s45_at_most_a_hundred_faults_are_told(admin: Administrator) -> None:
    reports = await admin.fails(A, *(["remove principal 'ghost'"] * 150))
    assert list(reports) == [(line, 18) for line in range(1, 101)]


async def test_a_circle_is_told_at_the_role_that_closes_it(
    admin: Administrator,
) -> None:
    reports = await admin.fails(
        S,
        "set 'A' includes ['A']",
        "set 'B' includes ['C']",
        "set 'C' includes ['D']",
        "set 'D' includes ['E' 'B']",
        "set 'D' includes ['E']",
    )
    assert list(reports) == [(1, 19), (4, 23)]


async def test_s44_an_expected_version_is_compared_first(admin: Administrator) -> None:
    version = admin.versions[0]
    script = "set 'A' permissions [VIEW_SESSION]"
    assert await admin.security(script, expected_version=version) == version + 1
    for script in ("set 'A' permissions []", "", "deisolate path 'hub/security'"):
        with pytest.raises(DirectoryError) as refusal:
            await admin.security(script, expected_version=version)
        assert refusal.value.code is E.VERSION_CONFLICT
        assert refusal.value.details == {"expected": version, "current": version + 1}
    assert admin.globals(await admin.user("A")) == {"VIEW_SESSION"}


@pytest.mark.parametrize("version", ["1", 1.0, True])
async def test_an_expected_version_is_a_number(
    admin: Administrator, version: Any
) -> None:
    with pytest.raises(DirectoryError) as refusal:
        await admin.security("", expected_version=version)
    assert refusal.value.code is E.INVALID_ARGUMENT


@pytest.mark.parametrize("script", [None, b"", 5, "\ud800"])
async def test_a_script_is_text(admin: Administrator, script: Any) -> None:
    with pytest.raises(DirectoryError) as refusal:
        await admin.directory.update_security_store(script, by=BY)
    assert refusal.value.code is E.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("script", "limit"),
    [
        (" " * MAX_BYTES + "x", MAX_BYTES),
        ("é" * (MAX_BYTES // 2) + "x", MAX_BYTES),
        ("frobnicate\n" * 10_001, 10_000),
        ("set password 'p' 'pw'\n" * 201, 200),
    ],
)
async def test_limits_are_judged_before_errors(
    admin: Administrator, script: str, limit: int
) -> None:
    with pytest.raises(DirectoryError) as refusal:
        await admin.system(script)
    assert refusal.value.code is E.SCRIPT_TOO_LARGE
    assert refusal.value.details == {"limit": limit}


async def test_versions_grow_with_facts_of_their_view_in_either_vocabulary(
    admin: Administrator,
) -> None:
    directory = admin.directory
    group: dict[str, Any] = {"name": "G"}
    steps: list[tuple[Any, tuple[int, int]]] = [
        (lambda: directory.upsert_group(group, by=BY), (1, 0)),
        (lambda: directory.upsert_group({**group, "custom_data": 1}, by=BY), (0, 0)),
        (
            lambda: directory.add_group_permissions("G", {"events": {"e": {}}}, by=BY),
            (0, 0),
        ),
        (
            lambda: directory.update_group({**group, "includes": ["CLIENT"]}, by=BY),
            (1, 0),
        ),
        (lambda: admin.user(name="lisa"), (0, 1)),
        (lambda: directory.link_group("G", "lisa", by=BY), (0, 1)),
        (lambda: directory.link_group("G", "lisa", by=BY), (0, 0)),
        (
            lambda: directory.update_user(
                {"username": "lisa", "application_data": 1, "disabled": True}, by=BY
            ),
            (0, 0),
        ),
        (lambda: admin.system("assign roles 'lisa' ['G' 'NEW']"), (1, 1)),
        (lambda: admin.system("set password 'lisa' 'pw'"), (0, 1)),
        (lambda: admin.system("set password 'lisa' 'pw'"), (0, 0)),
        (lambda: admin.system("allow anonymous connections"), (0, 1)),
        (lambda: directory.link_anonymous_group("G", by=BY), (0, 1)),
        (lambda: admin.security("isolate path 'x'"), (1, 0)),
        (lambda: admin.security("set roles for named sessions ['G']"), (1, 0)),
        (lambda: directory.delete_group("G", by=BY), (1, 1)),
        (lambda: directory.delete_user("lisa", by=BY), (1, 1)),
    ]
    for step, (security, authentication) in steps:
        before = admin.versions
        await step()
        expected = before[0] + security, before[1] + authentication
        assert admin.versions == expected


async def test_s94_of_two_that_add_a_user_at_once_one_succeeds(
    admin: Administrator,
) -> None:
    scripts = [f"add principal 'p' 'pw{number}'" for number in range(2)]
    outcomes = await asyncio.gather(*map(admin.system, scripts), return_exceptions=True)
    (failed,) = [one for one in outcomes if isinstance(one, DirectoryError)]
    assert failed.code is E.SCRIPT_FAILED
    assert failed.details["reports"][0]["column"] == 15
    assert admin.versions[1] in outcomes


# Users and passwords.


async def test_s46_a_user_that_is_there_is_not_added(admin: Administrator) -> None:
    await admin.user("G", name="k")
    await admin.system("add principal 'p' 'old' ['G']")
    for name in ("p", "k"):
        await admin.fails(A, f"add principal '{name}' 'pw'")
        principal = admin.principal(name)
        assert principal is not None
        assert principal["roles"] == ["G", "_GUEST"]
    assert await admin.directory.verify("p", "old") is not None


async def test_s47_nothing_is_done_to_a_user_that_is_not_there(
    admin: Administrator,
) -> None:
    reports = await admin.fails(
        A,
        "set password 'q' 'x'",
        "verify password 'q' 'x'",
        "assign roles 'q' []",
        "remove principal 'q'",
        "unlock principal 'q'",
    )
    assert [line for line, _ in reports] == [1, 2, 3, 4, 5]


async def test_s48_s54_a_principal_is_a_user_in_either_vocabulary(
    admin: Administrator,
) -> None:
    await admin.system(
        "add principal 'p' 'pw' ['A']", "assign roles 'p' ['B' '_GUEST']"
    )
    user = admin.directory.get_user("p")
    assert user is not None
    assert user["groups"] == {"B": True, "_GUEST": True}
    version = admin.versions[1]
    await admin.directory.upsert_group({"name": "G"}, by=BY)
    await admin.directory.link_group("G", "p", by=BY)
    principal = admin.principal("p")
    assert principal == {
        "name": "p",
        "roles": ["B", "G", "_GUEST"],
        "locking_principal": None,
    }
    assert admin.versions[1] == version + 1


async def test_s49_verifying_sees_what_the_lines_before_it_set(
    admin: Administrator,
) -> None:
    told: list[DirectoryChange] = []

    async def tell(change: DirectoryChange) -> None:
        told.append(change)

    await admin.system("add principal 'p' 'old'", "verify password 'p' 'old'")
    admin.directory.on_change(tell)
    await admin.system(
        "verify password 'p' 'old'",
        "set password 'p' 'new'",
        "verify password 'p' 'new'",
    )
    assert [change.password_changed for change in told] == [{"p"}]
    assert await admin.directory.verify("p", "new") is not None
    assert await admin.directory.verify("p", "old") is None
    reports = await admin.fails(
        A,
        "verify password 'p' 'old'",
        "set password 'p' 'third'",
        "verify password 'p' 'new'",
        "remove principal 'p'",
        "add principal 'p' 'fourth'",
        "verify password 'p' 'third'",
        "verify password 'p' 'fourth'",
    )
    assert list(reports) == [(1, 17), (3, 17), (6, 17)]
    assert not any("'old'" in message for message in reports.values())


async def test_setting_the_password_that_a_user_has_is_no_change(
    admin: Administrator,
) -> None:
    await admin.system("add principal 'p' 'old'")
    before = admin.directory.policy.model
    await admin.system("set password 'p' 'old'", "set password 'p' 'old'")
    assert admin.directory.policy.model is before
    await admin.system("set password 'p' 'new'", "set password 'p' 'old'")
    assert admin.directory.policy.model is before
    await admin.system("set password 'p' 'new'", "set password 'p' 'other'")
    assert admin.directory.policy.model is not before
    assert await admin.directory.verify("p", "other") is not None


async def test_a_user_without_a_password_gets_one_and_has_none_to_verify(
    admin: Administrator,
) -> None:
    await admin.user(name="lisa")
    await admin.fails(A, "verify password 'lisa' 'x'")
    await admin.system("set password 'lisa' 'x'", "verify password 'lisa' 'x'")
    assert await admin.directory.verify("lisa", "x") is not None


async def test_a_user_removed_and_added_again_in_one_script_is_another(
    admin: Administrator,
) -> None:
    told: list[DirectoryChange] = []

    async def tell(change: DirectoryChange) -> None:
        told.append(change)

    await admin.system("add principal 'p' 'pw'")
    admin.directory.on_change(tell)
    await admin.system("remove principal 'p'", "add principal 'p' 'pw'")
    assert [change.deleted_users for change in told] == [{"p"}]
    assert told[0].password_changed == set()


async def test_a_password_that_was_set_meanwhile_is_compared_again(
    admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin.system("add principal 'p' 'old'")
    passwords = admin.directory._passwords
    compare, raced = passwords.is_same, False

    async def is_same(*arguments: Any) -> bool:
        nonlocal raced
        right = await compare(*arguments)
        if not raced:
            raced = True
            user = {"username": "p", "password": "meanwhile"}
            await admin.directory.update_user(user, by=BY)
        return right

    monkeypatch.setattr(passwords, "is_same", is_same)
    reports = await admin.fails_after(A, "verify password 'p' 'old'")
    assert list(reports) == [(1, 17)]


async def test_passwords_obey_the_configured_length(copy: Copies) -> None:
    from directories import Cheap  # noqa: PLC0415 - used here alone

    async with opened(copy(), passwords=Cheap(min_length=8)) as directory:
        admin = Administrator(directory)
        script = ["add principal 'p' 'seven77'", "verify password '_ADMIN' 'sesame'"]
        assert list(await admin.fails(A, *script)) == [(1, 19)]
        await admin.system("add principal 'p' 'eight888'", script[1])


async def test_s51_nothing_made_from_a_password_is_shown(admin: Administrator) -> None:
    await admin.system(
        "add principal 'lou' 'marked'", "add principal 'p' 'marked' locked by 'lou'"
    )
    view = admin.directory.get_system_authentication_configuration()
    assert view["principals"] == [
        {"name": "_ADMIN", "roles": ["_ADMIN"], "locking_principal": None},
        {"name": "lou", "roles": ["_GUEST"], "locking_principal": None},
        {"name": "p", "roles": ["_GUEST"], "locking_principal": "lou"},
    ]
    assert "marked" not in str(view)
    assert "argon2" not in str(view)


async def test_s52_s53_live_rights_follow_and_removed_users_are_told(
    admin: Administrator,
) -> None:
    told: list[DirectoryChange] = []

    async def tell(change: DirectoryChange) -> None:
        told.append(change)

    await admin.security("set 'B' permissions [VIEW_SESSION]")
    await admin.system("add principal 'p' 'pw'")
    admin.directory.on_change(tell)
    await admin.system("assign roles 'p' ['B']")
    assert admin.globals("p") == {"VIEW_SESSION"}
    await admin.system("remove principal 'p'")
    assert [change.deleted_users for change in told] == [set(), {"p"}]
    assert await admin.directory.verify("p", "pw") is None


async def test_s41_named_sessions_have_their_defaults_besides_their_groups(
    admin: Administrator,
) -> None:
    await admin.security("set roles for named sessions ['X']")
    assert admin.subject(await admin.user("Y")).groups == {"X", "Y", "_GUEST"}


# Anonymous sessions and trusted properties.


async def test_s61_s62_the_anonymous_policy_and_its_end(admin: Administrator) -> None:
    told: list[DirectoryChange] = []

    async def tell(change: DirectoryChange) -> None:
        told.append(change)

    await admin.system("allow anonymous connections ['C']")
    await admin.security("set roles for anonymous sessions ['G']")
    assert admin.subject("").groups == {"C", "G"}
    admin.directory.on_change(tell)
    await admin.system("allow anonymous connections ['D']")
    await admin.system("abstain anonymous connections")
    await admin.system("deny anonymous connections")
    assert [change.anonymous_closed for change in told] == [False, True, False]
    assert admin.subject("").groups == {"G"}


async def test_d69_d70_groups_are_linked_only_while_anonymous_logins_are_allowed(
    admin: Administrator,
) -> None:
    directory = admin.directory
    await directory.upsert_group({"name": "G"}, by=BY)
    for call in (directory.link_anonymous_group, directory.unlink_anonymous_group):
        with pytest.raises(DirectoryError) as refusal:
            await call("G", by=BY)
        assert refusal.value.code is E.ANONYMOUS_DISABLED
    await admin.system("allow anonymous connections")
    answer = await directory.link_anonymous_group("G", by=BY)
    assert answer == {"group": "G", "username": "_ANONYMOUS", "changed": True}
    assert admin.subject("").groups == {"G"}
    assert (await directory.link_anonymous_group("G", by=BY))["changed"] is False
    assert (await directory.unlink_anonymous_group("G", by=BY))["changed"] is True
    assert admin.subject("").groups == set()
    with pytest.raises(DirectoryError) as refusal:
        await directory.link_anonymous_group("H", by=BY)
    assert refusal.value.code is E.GROUP_NOT_FOUND


async def test_s55_s56_s59_trusted_properties(admin: Administrator) -> None:
    await admin.system(
        "trust client proposed property 'K' if value in ['a' 'b']",
        r"trust client proposed property 'P' if value matches 'x\\d+'",
        "ignore client proposed property 'J'",
    )
    trusted = admin.directory.policy.model.trusted
    assert [trusted["K"].accepts(value) for value in "abc"] == [True, True, False]
    accepted = [trusted["P"].accepts(value) for value in ("x12", "ax12", "x12b")]
    assert accepted == [True, False, False]
    await admin.system("trust client proposed property 'K' if value in ['z']")
    trusted = admin.directory.policy.model.trusted
    assert [trusted["K"].accepts(value) for value in "az"] == [False, True]
    version = admin.versions[1]
    await admin.system("ignore client proposed property 'J'")
    assert admin.versions[1] == version
    await admin.system("ignore client proposed property 'K'")
    assert list(admin.directory.policy.model.trusted) == ["P"]


# What the system keeps.


@pytest.mark.parametrize(
    ("view", "line", "column"),
    [
        (S, "set '_ADMIN' permissions []", 5),
        (S, "set '_ADMIN' default path permissions [READ_TOPIC]", 5),
        (S, "set '_ADMIN' path 'x' permissions []", 5),
        (S, "set '_ADMIN' includes []", 5),
        (S, "set '_DELEGATE' permissions [VIEW_SESSION]", 5),
        (S, "set role '_ADMIN' locked by principal '_ADMIN'", 10),
        (S, "set '_NEW' permissions []", 5),
        (S, "set 'A' includes ['B' '_NEW']", 23),
        (S, "set 'ADMINISTRATOR' includes ['P']", 5),
        (S, "set '_GUEST' includes ['P']", 5),
        (S, "set roles for named sessions ['P']", 31),
        (A, "remove principal '_ADMIN'", 18),
        (A, "assign roles '_ADMIN' ['_ADMIN' 'A']", 14),
        (A, "add principal '_new' 'pw'", 15),
        (A, "add principal '_ANONYMOUS' 'pw'", 15),
        (A, "assign roles 'lisa' ['_NEW']", 22),
    ],
)
async def test_a_command_that_would_change_what_is_protected_fails(
    admin: Administrator, view: View, line: str, column: int
) -> None:
    prohibiting = {"methods": {"security/*": {"authorized": False}}}
    group = {"name": "P", "permissions": prohibiting}
    await admin.directory.upsert_group(group, by=BY)
    await admin.user(name="lisa")
    assert list(await admin.fails(view, line)) == [(1, column)]


async def test_a_command_that_leaves_what_is_protected_as_it_is_succeeds(
    admin: Administrator,
) -> None:
    before = admin.versions
    role = admin.role("_ADMIN")
    assert role is not None
    codes = role["global_permissions"]
    names = [one.name for one in GlobalPermission if one.code in codes]
    await admin.security(
        f"set '_ADMIN' permissions [{' '.join(names)}]",
        "set '_ADMIN' default path permissions",
        "remove '_ADMIN' permissions for path 'x'",
        "set '_ADMIN' includes ['ADMINISTRATOR']",
        "unlock role '_ADMIN'",
    )
    await admin.system("assign roles '_ADMIN' ['_ADMIN']", "unlock principal '_ADMIN'")
    assert admin.versions == before


async def test_the_group_guest_may_be_given_more(admin: Administrator) -> None:
    await admin.security("set '_GUEST' path 'x' permissions [READ_TOPIC]")
    assert admin.perms(await admin.user(), "x") == {R}


async def test_a_script_leaves_rules_alone(admin: Administrator) -> None:
    permissions = {"methods": {"m": {"authorized": True, "actions": ["call"]}}}
    group = {"name": "G", "permissions": permissions}
    shown = await admin.directory.upsert_group(group, by=BY)
    await admin.security("set 'G' permissions [VIEW_SESSION]", "set 'G' includes ['H']")
    after = admin.directory.get_group("G")
    assert after is not None
    assert after["permissions"] == shown["permissions"]


# What is told of scripts.


async def test_every_script_is_told_with_its_outcome_and_without_passwords(
    admin: Administrator,
) -> None:
    runs: list[ScriptRun] = []

    async def note(run: ScriptRun) -> None:
        runs.append(run)

    admin.directory.on_script(note)
    await admin.system("add principal 'p' 'marked' ; for 'marked'", session_id="s1")
    await admin.system("verify password 'p' 'marked'")
    await admin.fails(A, "set password 'p' marked", "add principal 'marked")
    await admin.fails(S, "add principal 'q' 'marked'")
    with pytest.raises(DirectoryError):
        await admin.security(" " * (MAX_BYTES + 1))
    with pytest.raises(DirectoryError):
        await admin.security("isolate path 'x'", expected_version=99)
    assert [(run.view, run.outcome) for run in runs] == [
        (A, "applied"),
        (A, "unchanged"),
        (A, "SCRIPT_FAILED"),
        (S, "SCRIPT_FAILED"),
        (S, "SCRIPT_TOO_LARGE"),
        (S, "VERSION_CONFLICT"),
    ]
    assert [run.accepted for run in runs] == [True, True, False, False, False, False]
    assert runs[0].script == "add principal 'p' '***' ; for '***'"
    assert runs[0].epoch == admin.directory.policy.epoch
    assert (runs[0].by, runs[0].session_id) == (BY, "s1")
    assert runs[1].epoch is None
    assert runs[5].script == "isolate path 'x'"
    assert not any("marked" in run.script or "marked" in repr(run) for run in runs)


async def test_a_listener_that_raises_stops_no_script(admin: Administrator) -> None:
    async def note(run: ScriptRun) -> None:
        raise RuntimeError(run.outcome)

    admin.directory.on_script(note)
    await admin.security("set 'A' permissions [VIEW_SESSION]")
    assert admin.role("A") is not None


async def test_a_script_is_applied_though_its_caller_is_gone(
    admin: Administrator,
) -> None:
    applied = asyncio.Event()

    async def note(run: ScriptRun) -> None:
        assert run.accepted
        applied.set()

    admin.directory.on_script(note)
    loop = asyncio.get_running_loop()
    task = loop.create_task(admin.system("add principal 'p' 'pw'"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await applied.wait()
    assert admin.principal("p") is not None


# Keeping.


async def test_both_views_are_the_same_after_a_restart(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        admin = Administrator(directory)
        await fill(admin)
        before, versions = directory.policy.model, admin.versions
    async with opened(folder) as directory:
        assert directory.policy.model == before
        assert Administrator(directory).versions == versions
        await Administrator(directory).system("remove principal 'p'", by="lou")
        assert directory.policy.model.locks == {"lou": 1}


async def fill(admin: Administrator) -> None:
    """Make facts of every kind that scripts make."""
    await admin.system(
        "add principal 'lou' 'pw'",
        "add principal 'p' 'pw' ['A'] locked by 'lou'",
        "allow anonymous connections ['ANON']",
        """trust client proposed property 'K' if value in ['a' 'b c' '"']""",
        r"trust client proposed property 'P' if value matches 'x\\d+'",
    )
    await admin.security(
        "set 'A' permissions [VIEW_SESSION]",
        "set 'A' default path permissions [READ_TOPIC]",
        "set 'A' path 'x' permissions []",
        "set 'A' path 'y/z' permissions [UPDATE_TOPIC READ_TOPIC]",
        "set 'A' includes ['B' 'CLIENT']",
        "set roles for named sessions ['N']",
        "set roles for anonymous sessions ['M' 'N']",
        "isolate path 'y'",
        "isolate path 'priv'",
        "set role 'A' locked by principal 'lou'",
    )


async def test_s40_the_security_view_shows_every_kind_of_fact(
    admin: Administrator,
) -> None:
    await fill(admin)
    view = admin.directory.get_security_configuration()
    assert admin.role("A") == {
        "name": "A",
        "global_permissions": [GlobalPermission.VIEW_SESSION.code],
        "default_path_permissions": [PathPermission.READ_TOPIC.code],
        "path_permissions": {"x": [], "y/z": [0, 1]},
        "includes": ["B", "CLIENT"],
        "locking_principal": "lou",
    }
    assert view["version"] == admin.versions[0]
    assert view["roles_for_named_sessions"] == ["N"]
    assert view["roles_for_anonymous_sessions"] == ["M", "N"]
    assert view["isolated_paths"] == ["priv", "y"]
    names = [role["name"] for role in view["roles"]]
    assert names == sorted(admin.directory.policy.model.groups)
    system = admin.directory.get_system_authentication_configuration()
    assert system["anonymous"] == {"action": "allow", "roles": ["ANON"]}
    assert system["trusted_client_proposed_properties"] == {
        "K": {"kind": "values", "values": ['"', "a", "b c"], "pattern": None},
        "P": {"kind": "matches", "values": [], "pattern": r"x\d+"},
    }


async def test_deleting_a_group_takes_every_mention_of_it(
    admin: Administrator,
) -> None:
    directory = admin.directory
    await directory.upsert_group({"name": "G"}, by=BY)
    await admin.security(
        "set 'A' includes ['G']",
        "set roles for named sessions ['G']",
        "set roles for anonymous sessions ['G']",
    )
    await admin.system("allow anonymous connections ['G']")
    user = await admin.user("G")
    await directory.delete_group("G", by=BY)
    model = directory.policy.model
    assert model.users[user].groups == {"_GUEST"}
    assert model.named_roles | model.anonymous_roles | model.anonymous.roles == set()
    assert model.groups.keys() & {"G", "A"} == set()


async def test_names_of_users_are_one_in_any_case_where_case_does_not_count(
    copy: Copies,
) -> None:
    async with opened(copy(), case_insensitive=True) as directory:
        admin = Administrator(directory)
        await admin.system("add principal 'Lou' 'pw'", "assign roles 'LOU' ['A']")
        await admin.security("set role 'A' locked by principal 'lou'")
        assert directory.policy.model.groups["A"].locked_by == "Lou"
        await admin.security("unlock role 'A'", by="Lou")
        await admin.fails(A, "add principal 'lou' 'pw'")
        await admin.system("remove principal 'lou'", "add principal 'lOu' 'pw'")
        assert directory.user("LOU") is directory.user("lOu") is not None


async def test_s92_a_crash_at_any_moment_leaves_the_state_before_or_after(
    copy: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy()
    snapshots: list[Path] = []

    def crash() -> None:
        snapshots.append(shutil.copytree(folder, tmp_path / f"at{len(snapshots)}"))

    async with opened(folder) as directory:
        admin = Administrator(directory)
        await fill(admin)
        before = directory.policy.model
        writer = directory._engine._store._writer
        execute, executemany = writer.execute, writer.executemany

        async def one(*arguments: Any) -> Any:
            crash()
            result = await execute(*arguments)
            crash()
            return result

        async def many(*arguments: Any) -> Any:
            result = await executemany(*arguments)
            crash()
            return result

        monkeypatch.setattr(writer, "execute", one)
        monkeypatch.setattr(writer, "executemany", many)
        await admin.security(
            "set 'C' includes ['D' 'E']",
            "set 'C' path 'x' permissions [READ_TOPIC]",
            "isolate path 'new'",
            "deisolate path 'priv'",
            "set roles for named sessions ['C']",
            "unlock role 'A'",
            "set 'A' includes []",
            by="lou",
        )
        after = directory.policy.model
    monkeypatch.undo()
    states = []
    for snapshot in snapshots:
        async with opened(snapshot) as directory:
            states.append([before, after].index(directory.policy.model))
    assert states == sorted(states)
    assert set(states) == {0, 1}
    assert states.count(0) > 5
