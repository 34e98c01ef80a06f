"""The views as values, and the script that makes one again."""

import copy
import dataclasses
from typing import Any

import pytest

from vestibule.client import (
    AnonymousPolicy,
    GlobalPermission,
    PathPermission,
    PropertyRule,
    Role,
    SecurityConfiguration,
    SystemAuthenticationConfiguration,
    SystemPrincipal,
)


READ, UPDATE = PathPermission.READ_TOPIC, PathPermission.UPDATE_TOPIC


def security_answer() -> dict[str, Any]:
    return {
        "version": 7,
        "roles": [
            {
                "name": "A",
                "global_permissions": [1, 7],
                "default_path_permissions": [0],
                "path_permissions": {"x": [0, 1], "a/b": []},
                "includes": ["B"],
                "locking_principal": "lou",
            },
            {
                "name": "B",
                "global_permissions": [],
                "default_path_permissions": [],
                "path_permissions": {},
                "includes": [],
                "locking_principal": None,
            },
        ],
        "roles_for_anonymous_sessions": ["G"],
        "roles_for_named_sessions": ["X", "Y"],
        "isolated_paths": ["q", "priv"],
    }


def test_s40_an_answer_becomes_values() -> None:
    configuration = SecurityConfiguration.of_answer(security_answer())
    assert configuration == SecurityConfiguration(
        version=7,
        roles=(
            Role(
                "A",
                frozenset(
                    {GlobalPermission.VIEW_SESSION, GlobalPermission.MODIFY_SECURITY}
                ),
                frozenset({READ}),
                {"a/b": frozenset(), "x": frozenset({READ, UPDATE})},
                frozenset({"B"}),
                "lou",
            ),
            Role("B", frozenset(), frozenset(), {}, frozenset(), None),
        ),
        roles_for_anonymous_sessions=frozenset({"G"}),
        roles_for_named_sessions=frozenset({"X", "Y"}),
        isolated_paths=frozenset({"q", "priv"}),
    )
    assert configuration.role("A") is configuration.roles[0]
    assert configuration.role("C") is None


def test_the_values_are_frozen_hashable_and_copied_by_value() -> None:
    configuration = SecurityConfiguration.of_answer(security_answer())
    role = configuration.roles[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        role.name = "B"  # type: ignore[misc]  # it is what is tested
    with pytest.raises(TypeError):
        role.path_permissions["x"] = frozenset()  # type: ignore[index]  # as above
    assert copy.deepcopy(configuration) == configuration
    assert hash(copy.copy(role)) == hash(role)
    assert role.path_permissions == {"x": frozenset({READ, UPDATE}), "a/b": frozenset()}
    assert repr(role.path_permissions).startswith("{'a/b': ")


def test_what_is_given_to_a_role_can_change_without_it() -> None:
    given = {"x": frozenset({READ})}
    role = Role("A", path_permissions=given)
    given["y"] = frozenset()
    assert list(role.path_permissions) == ["x"]


def test_the_script_says_everything_with_locks_last() -> None:
    script = SecurityConfiguration.of_answer(security_answer()).to_script()
    assert script.splitlines() == [
        "set 'A' permissions [MODIFY_SECURITY VIEW_SESSION]",
        "set 'A' default path permissions [READ_TOPIC]",
        "set 'A' path 'a/b' permissions []",
        "set 'A' path 'x' permissions [READ_TOPIC UPDATE_TOPIC]",
        "set 'B' permissions []",
        "set 'B' default path permissions []",
        "set 'B' includes []",
        "set 'A' includes ['B']",
        "set roles for anonymous sessions ['G']",
        "set roles for named sessions ['X' 'Y']",
        "isolate path 'priv'",
        "isolate path 'q'",
        "set role 'A' locked by principal 'lou'",
    ]


def test_includes_are_set_from_the_included_upwards() -> None:
    roles = tuple(
        Role(name, includes=frozenset(includes))
        for name, includes in [("A", "B"), ("B", "C"), ("C", ""), ("D", "AC")]
    )
    nothing: frozenset[str] = frozenset()
    script = SecurityConfiguration(1, roles, nothing, nothing, nothing).to_script()
    order = [line[5] for line in script.splitlines() if " includes " in line]
    assert order == ["C", "B", "A", "D"]


def test_s51_the_other_view_becomes_values() -> None:
    answer = {
        "version": 3,
        "principals": [
            {"name": "_ADMIN", "roles": ["_ADMIN"], "locking_principal": None},
            {"name": "p", "roles": ["B", "_GUEST"], "locking_principal": "lou"},
        ],
        "anonymous": {"action": "allow", "roles": ["C"]},
        "trusted_client_proposed_properties": {
            "K": {"kind": "values", "values": ["b", "a"], "pattern": None},
            "J": {"kind": "matches", "values": [], "pattern": "x+"},
        },
    }
    configuration = SystemAuthenticationConfiguration.of_answer(answer)
    p = SystemPrincipal("p", frozenset({"B", "_GUEST"}), "lou")
    assert configuration == SystemAuthenticationConfiguration(
        3,
        (SystemPrincipal("_ADMIN", frozenset({"_ADMIN"})), p),
        AnonymousPolicy("allow", frozenset({"C"})),
        {
            "J": PropertyRule("matches", frozenset(), "x+"),
            "K": PropertyRule("values", frozenset({"a", "b"})),
        },
    )
    assert configuration.principal("p") == p
    assert configuration.principal("q") is None
    assert hash(configuration) == hash(copy.deepcopy(configuration))
