"""The two views of the directory as values: who has which roles, what roles may do.

They are frozen and compare by value; nothing in them is derived from a password.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final, Literal, TypeVar

from vestibule.client.answers import global_permissions, path_permissions
from vestibule.client.script_builders import SecurityScriptBuilder
from vestibule.protocol.permissions import GlobalPermission, PathPermission


__all__ = [
    "AnonymousPolicy",
    "PropertyRule",
    "Role",
    "SecurityConfiguration",
    "SystemAuthenticationConfiguration",
    "SystemPrincipal",
]

V = TypeVar("V")


class _FrozenMap(Mapping[str, V]):
    """A mapping that does not change, and can be hashed as its values can."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, V]) -> None:
        self._items: Final = {key: items[key] for key in sorted(items)}

    def __getitem__(self, key: str) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


@dataclass(frozen=True, slots=True)
class Role:
    """A role: a group of the directory, without its rules."""

    name: str
    global_permissions: frozenset[GlobalPermission] = frozenset()
    default_path_permissions: frozenset[PathPermission] = frozenset()
    path_permissions: Mapping[str, frozenset[PathPermission]] = _FrozenMap({})
    """By canonical path; an empty set is an assignment, too."""
    includes: frozenset[str] = frozenset()
    locking_principal: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path_permissions", _FrozenMap(self.path_permissions))

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> "Role":
        """Read a role of an answer; what is missing or of another type raises."""
        return cls(
            name=answer["name"],
            global_permissions=global_permissions(answer["global_permissions"]),
            default_path_permissions=path_permissions(
                answer["default_path_permissions"]
            ),
            path_permissions={
                path: path_permissions(codes)
                for path, codes in answer["path_permissions"].items()
            },
            includes=frozenset(answer["includes"]),
            locking_principal=answer["locking_principal"],
        )


@dataclass(frozen=True, slots=True)
class SecurityConfiguration:
    """The security store: what roles may do, and which roles sessions have anyhow."""

    version: int
    roles: tuple[Role, ...]
    """All, by name."""
    roles_for_anonymous_sessions: frozenset[str]
    roles_for_named_sessions: frozenset[str]
    isolated_paths: frozenset[str]

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> "SecurityConfiguration":
        """Read an answer; what is missing or of another type raises."""
        return cls(
            version=answer["version"],
            roles=tuple(map(Role.of_answer, answer["roles"])),
            roles_for_anonymous_sessions=frozenset(
                answer["roles_for_anonymous_sessions"]
            ),
            roles_for_named_sessions=frozenset(answer["roles_for_named_sessions"]),
            isolated_paths=frozenset(answer["isolated_paths"]),
        )

    def role(self, name: str) -> Role | None:
        """Give the role of a name, None if there is none."""
        return next((role for role in self.roles if role.name == name), None)

    def to_script(self) -> str:
        """Write the script that makes these facts where they are not there yet.

        A role that nothing is said of is not made by it: no command mentions it.
        """
        script = SecurityScriptBuilder()
        for role in self.roles:
            script.set_global_permissions(role.name, role.global_permissions)
            script.set_default_path_permissions(
                role.name, role.default_path_permissions
            )
            for path, permissions in role.path_permissions.items():
                script.set_path_permissions(role.name, path, permissions)
        by_name = {role.name: role for role in self.roles}
        for name in self._included_first():
            if name in by_name:
                script.set_role_includes(name, by_name[name].includes)
        script.set_roles_for_anonymous_sessions(self.roles_for_anonymous_sessions)
        script.set_roles_for_named_sessions(self.roles_for_named_sessions)
        for path in sorted(self.isolated_paths):
            script.isolate_path(path)
        # Last: what comes after a lock is judged by it.
        for role in self.roles:
            if role.locking_principal is not None:
                script.set_role_locked_by_principal(role.name, role.locking_principal)
        return script.build()

    def _included_first(self) -> Iterator[str]:
        """Give the names of roles, each behind those that it includes.

        In this order no command closes a circle, whatever the roles include before.
        """
        graph = {role.name: sorted(role.includes) for role in self.roles}
        return iter(tuple(TopologicalSorter(graph).static_order()))


@dataclass(frozen=True, slots=True)
class SystemPrincipal:
    """A user of the directory, without passwords and what is made of them."""

    name: str
    roles: frozenset[str] = frozenset()
    """Its own, without what they include."""
    locking_principal: str | None = None


@dataclass(frozen=True, slots=True)
class AnonymousPolicy:
    """What becomes of logins without credentials, and with which roles."""

    action: Literal["allow", "deny", "abstain"] = "deny"
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PropertyRule:
    """Which values of a property that clients propose are accepted."""

    kind: Literal["values", "matches"]
    values: frozenset[str] = frozenset()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class SystemAuthenticationConfiguration:
    """The system authentication store: who may come in."""

    version: int
    principals: tuple[SystemPrincipal, ...]
    """All, by name."""
    anonymous: AnonymousPolicy
    trusted_client_proposed_properties: Mapping[str, PropertyRule]

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "trusted_client_proposed_properties",
            _FrozenMap(self.trusted_client_proposed_properties),
        )

    @classmethod
    def of_answer(
        cls, answer: Mapping[str, Any]
    ) -> "SystemAuthenticationConfiguration":
        """Read an answer; what is missing or of another type raises."""
        anonymous = answer["anonymous"]
        return cls(
            version=answer["version"],
            principals=tuple(
                SystemPrincipal(
                    one["name"], frozenset(one["roles"]), one["locking_principal"]
                )
                for one in answer["principals"]
            ),
            anonymous=AnonymousPolicy(
                anonymous["action"], frozenset(anonymous["roles"])
            ),
            trusted_client_proposed_properties={
                key: PropertyRule(
                    rule["kind"], frozenset(rule["values"]), rule["pattern"]
                )
                for key, rule in answer["trusted_client_proposed_properties"].items()
            },
        )

    def principal(self, name: str) -> SystemPrincipal | None:
        """Give the principal of a name, None if there is none."""
        return next((one for one in self.principals if one.name == name), None)
