"""What can be read of a directory, and asked about it, at this moment."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeAlias

from vestibule.server.directory import listing, questions
from vestibule.server.directory.arguments import parse_flag, parse_text
from vestibule.server.directory.errors import user_not_found
from vestibule.server.directory.listing import Query
from vestibule.server.directory.model import Group, User
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.shapes import group_shape, user_shape


__all__ = ["Reading"]

_Rows: TypeAlias = list[dict[str, Any]] | int


class Reading(ABC):
    """Answers from the policy in force; arguments are what a caller sent.

    What an argument is refused with is a `DirectoryError`.
    """

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """The policy in force; every change puts another in its place."""

    def user(self, name: str) -> User | None:
        """Give the user of that name."""
        return self.policy.model.user(name)

    def group(self, name: str) -> Group | None:
        """Give the group of that name."""
        return self.policy.model.groups.get(name)

    def users(self) -> Iterable[User]:
        """Give all users, in no order."""
        return self.policy.model.users.values()

    def groups(self) -> Iterable[Group]:
        """Give all groups, in no order."""
        return self.policy.model.groups.values()

    def get_user(
        self,
        username: object,
        *,
        include_groups: object = True,
        include_permissions: object = True,
    ) -> dict[str, Any] | None:
        """Show a user, None for an unknown one."""
        user = self.user(parse_text(username, "username"))
        groups = parse_flag(include_groups, "include_groups")
        permissions = parse_flag(include_permissions, "include_permissions")
        if user is None:
            return None
        return user_shape(
            user,
            self.policy.broker_name,
            include_groups=groups,
            include_permissions=permissions,
        )

    def get_own_user(self, username: str) -> dict[str, Any]:
        """Show a user to itself, without permissions."""
        shape = self.get_user(username, include_permissions=False)
        if shape is None:
            raise user_not_found(username)
        return shape

    def get_group(self, name: object) -> dict[str, Any] | None:
        """Show a group, None for an unknown one."""
        group = self.group(parse_text(name, "name"))
        return None if group is None else group_shape(group, self.policy.broker_name)

    def list_users(self, pattern: object = "*", **query: object) -> _Rows:
        """List users by name; `query` is that of `listing.Query`."""
        return listing.list_users(self.policy.model, pattern, Query(**query))

    def list_users_by_group(self, group_name: object, **query: object) -> _Rows:
        """List the direct members of a group, likewise."""
        return listing.list_users_by_group(
            self.policy.model, group_name, Query(**query)
        )

    def list_user_names_by_group(self, group_name: object) -> list[str]:
        """List the names of the direct members of a group."""
        return listing.list_user_names_by_group(self.policy.model, group_name)

    def list_groups(
        self,
        pattern: object = "*",
        *,
        include_permissions: object = True,
        **query: object,
    ) -> _Rows:
        """List groups by name, likewise."""
        return listing.list_groups(
            self.policy.model,
            pattern,
            Query(**query),
            broker_name=self.policy.broker_name,
            include_permissions=include_permissions,
        )

    def is_authorized(self, username: object, query: object) -> dict[str, Any]:
        """Tell what of a list of actions a user may not do."""
        return questions.is_authorized(self.policy, username, query)

    def explain(self, username: object, action: object, path: object) -> dict[str, Any]:
        """Tell whether a user may do something, and which grant decides it."""
        return questions.explain(self.policy, username, action, path)

    async def who_can(self, action: object, path: object) -> list[dict[str, Any]]:
        """List the users who may do something."""
        return await questions.who_can(self.policy, action, path)
