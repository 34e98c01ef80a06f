"""Builders write one command a line, whatever they are given."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from vestibule.client import (
    GlobalPermission,
    PathPermission,
    SecurityScriptBuilder,
    SystemAuthenticationScriptBuilder,
)


Security = SecurityScriptBuilder
Authentication = SystemAuthenticationScriptBuilder


def test_s42_lines_are_joined_names_are_quoted_and_paths_canonical() -> None:
    script = (
        Security()
        .set_path_permissions("it's", "/a/b", [PathPermission.READ_TOPIC])
        .isolate_path("c")
        .build()
    )
    assert script == (
        "set 'it\\'s' path 'a/b' permissions [READ_TOPIC]\nisolate path 'c'"
    )


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (
            lambda b: b.set_global_permissions("R", ["VIEW_SESSION", "MODIFY_SESSION"]),
            "set 'R' permissions [VIEW_SESSION MODIFY_SESSION]",
        ),
        (
            lambda b: b.set_global_permissions(
                "R", {GlobalPermission.VIEW_SERVER, GlobalPermission.AUTHENTICATE}
            ),
            "set 'R' permissions [AUTHENTICATE VIEW_SERVER]",
        ),
        (
            lambda b: b.set_default_path_permissions("R", []),
            "set 'R' default path permissions []",
        ),
        (
            lambda b: b.set_path_permissions(
                "R", "a/b/", ["READ_TOPIC", PathPermission.READ_TOPIC]
            ),
            "set 'R' path 'a/b' permissions [READ_TOPIC]",
        ),
        (
            lambda b: b.remove_path_permissions("R", "a/b"),
            "remove 'R' permissions for path 'a/b'",
        ),
        (
            lambda b: b.set_role_includes("R", ["Y", "X", "Y"]),
            "set 'R' includes ['Y' 'X']",
        ),
        (
            lambda b: b.set_roles_for_anonymous_sessions({"B", "A"}),
            "set roles for anonymous sessions ['A' 'B']",
        ),
        (
            lambda b: b.set_roles_for_named_sessions(()),
            "set roles for named sessions []",
        ),
        (lambda b: b.isolate_path("a"), "isolate path 'a'"),
        (lambda b: b.deisolate_path("/a"), "deisolate path 'a'"),
        (
            lambda b: b.set_role_locked_by_principal("R", "p"),
            "set role 'R' locked by principal 'p'",
        ),
        (lambda b: b.unlock_role("R"), "unlock role 'R'"),
    ],
)
def test_each_command_of_the_security_view(
    build: Callable[[SecurityScriptBuilder], Any], line: str
) -> None:
    builder = Security()
    assert build(builder) is builder
    assert builder.build() == line


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (
            lambda b: b.add_principal("p", "pw", ["R1", "R2"], "L"),
            "add principal 'p' 'pw' ['R1' 'R2'] locked by 'L'",
        ),
        (lambda b: b.add_principal("p", "pw"), "add principal 'p' 'pw'"),
        (
            lambda b: b.add_principal("p", "pw", locking_principal="p"),
            "add principal 'p' 'pw' locked by 'p'",
        ),
        (lambda b: b.set_password("p", "p'\\w"), "set password 'p' 'p\\'\\\\w'"),
        (lambda b: b.verify_password("p", "pw"), "verify password 'p' 'pw'"),
        (lambda b: b.remove_principal("p"), "remove principal 'p'"),
        (lambda b: b.assign_roles("p", []), "assign roles 'p' []"),
        (lambda b: b.unlock_principal("p"), "unlock principal 'p'"),
        (
            lambda b: b.allow_anonymous_connections(["C"]),
            "allow anonymous connections ['C']",
        ),
        (
            lambda b: b.allow_anonymous_connections(),
            "allow anonymous connections []",
        ),
        (lambda b: b.deny_anonymous_connections(), "deny anonymous connections"),
        (lambda b: b.abstain_anonymous_connections(), "abstain anonymous connections"),
        (
            lambda b: b.trust_client_proposed_property_in("K", ["b", "a"]),
            "trust client proposed property 'K' if value in ['b' 'a']",
        ),
        (
            lambda b: b.trust_client_proposed_property_matches("K", r"^x\d'$"),
            "trust client proposed property 'K' if value matches '^x\\\\d\\'$'",
        ),
        (
            lambda b: b.ignore_client_proposed_property("K"),
            "ignore client proposed property 'K'",
        ),
    ],
)
def test_each_command_of_the_authentication_view(
    build: Callable[[SystemAuthenticationScriptBuilder], Any], line: str
) -> None:
    builder = Authentication()
    assert build(builder) is builder
    assert builder.build() == line


@pytest.mark.parametrize(
    ("kind", "method", "arguments"),
    [
        (Security, "set_role_includes", ("A", "B")),
        (Security, "set_global_permissions", ("A",)),
        (Security, "set_global_permissions", ("A", None)),
        (Security, "set_global_permissions", ("A", [1])),
        (Security, "set_global_permissions", ("A", "VIEW_SESSION")),
        (Security, "set_global_permissions", (None, [])),
        (Security, "set_default_path_permissions", ("A", PathPermission.READ_TOPIC)),
        (Security, "set_path_permissions", ("A", None, [])),
        (Security, "set_roles_for_named_sessions", ("A",)),
        (Security, "set_roles_for_anonymous_sessions", (None,)),
        (Security, "isolate_path", (b"a",)),
        (Security, "set_role_locked_by_principal", ("A", None)),
        (Security, "append", (Authentication(),)),
        (Security, "append", ("isolate path 'a'",)),
        (Authentication, "add_principal", ("p", None)),
        (Authentication, "add_principal", ("p", "x", None)),
        (Authentication, "add_principal", ("p", "x", "R")),
        (Authentication, "add_principal", ("p", "x", (), 5)),
        (Authentication, "set_password", ("p", b"x")),
        (Authentication, "assign_roles", ("p",)),
        (Authentication, "assign_roles", ("p", "R")),
        (Authentication, "allow_anonymous_connections", (None,)),
        (Authentication, "trust_client_proposed_property_in", ("K", "a")),
        (Authentication, "trust_client_proposed_property_matches", ("K", None)),
        (Authentication, "append", (Security(),)),
    ],
)
def test_s43_a_wrong_type_adds_nothing(
    kind: type[Any], method: str, arguments: tuple[Any, ...]
) -> None:
    builder = kind()
    with pytest.raises(TypeError):
        getattr(builder, method)(*arguments)
    assert builder.build() == ""


@pytest.mark.parametrize(
    ("kind", "method", "arguments"),
    [
        (
            Security,
            "set_global_permissions",
            ("A", ["VIEW_SESSION]\nisolate path 'x'"]),
        ),
        (Security, "set_global_permissions", ("A", ["view_session"])),
        (Security, "set_global_permissions", ("A", ["READ_TOPIC"])),
        (Security, "set_global_permissions", ("A", [PathPermission.READ_TOPIC])),
        (
            Security,
            "set_global_permissions",
            ("A", [GlobalPermission.UNKNOWN_GLOBAL_PERMISSION]),
        ),
        (Security, "set_default_path_permissions", ("A", ["UNKNOWN_PATH_PERMISSION"])),
        (Security, "set_global_permissions", ("a/b", [])),
        (Security, "set_global_permissions", ("", [])),
        (Security, "set_role_includes", ("A", ["B", "a\nb"])),
        (Security, "isolate_path", ("",)),
        (Security, "isolate_path", ("/",)),
        (Security, "isolate_path", ("a/*",)),
        (Security, "isolate_path", ("a/{username}",)),
        (Security, "isolate_path", ("a/../b",)),
        (Security, "isolate_path", ("a'\nisolate path 'b",)),
        (Security, "set_role_locked_by_principal", ("A", "a:b")),
        (Authentication, "add_principal", ("p", "x", (), "")),
        (Authentication, "add_principal", ("p:q", "x")),
        (Authentication, "add_principal", ("p", "")),
        (Authentication, "add_principal", ("p", "x" * 1025)),
        (Authentication, "add_principal", ("p", "x'\nremove principal 'q")),
        (Authentication, "add_principal", ("p", "x", ["R'"[:1], "a/b"])),
        (Authentication, "set_password", ("p", "\0")),
        (Authentication, "trust_client_proposed_property_in", ("$K", ["a"])),
        (Authentication, "trust_client_proposed_property_in", ("K", ["a\n"])),
        (Authentication, "trust_client_proposed_property_in", ("a b", ["a"])),
        (Authentication, "trust_client_proposed_property_matches", ("K", "(?=a)")),
        (Authentication, "trust_client_proposed_property_matches", ("K", "a\nb")),
        (Authentication, "ignore_client_proposed_property", ("",)),
    ],
)
def test_s33_s43_a_wrong_value_adds_nothing(
    kind: type[Any], method: str, arguments: tuple[Any, ...]
) -> None:
    builder = kind()
    with pytest.raises(ValueError, match=r"\w") as refused:
        getattr(builder, method)(*arguments)
    assert builder.build() == ""
    assert "x'\n" not in str(refused.value)


def test_an_untouched_builder_gives_an_empty_script() -> None:
    assert Security().build() == ""
    assert Authentication().build() == ""


def test_builders_are_appended_to_their_like() -> None:
    first = Security().isolate_path("a")
    second = Security().isolate_path("b")
    assert first.append(second) is first
    assert first.build() == "isolate path 'a'\nisolate path 'b'"
    assert second.build() == "isolate path 'b'"
    second.append(second)
    assert second.build() == "isolate path 'b'\nisolate path 'b'"


def test_a_builder_never_shows_a_password() -> None:
    builder = (
        Authentication()
        .add_principal("p", "sesame-1", ["R"])
        .set_password("p", "sesame-2")
        .verify_password("p", "sesame-3")
    )
    shown = repr(Authentication().append(builder))
    assert "sesame" not in shown
    assert "add principal 'p' '***' ['R']" in shown
    assert "isolate path 'a'" in repr(Security().isolate_path("a"))


@given(st.text(), st.text(), st.text())
def test_whatever_is_passed_is_at_most_one_line(one: str, two: str, three: str) -> None:
    security: list[Callable[[SecurityScriptBuilder], Any]] = [
        lambda b: b.set_path_permissions(one, two, [three]),
        lambda b: b.set_path_permissions(one, two, ["READ_TOPIC"]),
        lambda b: b.set_role_includes(one, [two, three]),
        lambda b: b.set_role_locked_by_principal(one, two),
    ]
    authentication: list[Callable[[SystemAuthenticationScriptBuilder], Any]] = [
        lambda b: b.add_principal(one, two, [three], one),
        lambda b: b.trust_client_proposed_property_in(one, [two, three]),
        lambda b: b.trust_client_proposed_property_matches(one, two),
    ]
    cases: list[tuple[Any, list[Callable[[Any], Any]]]] = [
        (Security, security),
        (Authentication, authentication),
    ]
    for kind, calls in cases:
        for call in calls:
            builder = kind()
            try:
                call(builder)
            except ValueError:
                assert builder.build() == ""
            else:
                assert len(builder.build().splitlines()) == 1
