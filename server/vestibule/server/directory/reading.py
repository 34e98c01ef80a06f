"""What can be read of a directory, and asked about it, at this moment."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeAlias

from vestibule.server.directory import capabilities, listing, questions
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
        """Show a user, None for an unknown one; without what is not to be included."""
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

    def list_users(
        self,
        pattern: object = "*",
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
    ) -> _Rows:
        """List users whose names fit a pattern, by name; with `count` count them.

        In the pattern `*` stands for any run of characters. A row has `username`,
        `user_id`, `custom_data` and `application_data`.

        Raises:
            DirectoryError: INVALID_CRITERIA, INVALID_ARGUMENT.
        """
        query = Query(criteria, limit, skip, sort, count)
        return listing.list_users(self.policy.model, pattern, query)

    def list_users_by_group(
        self,
        group_name: object,
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
    ) -> _Rows:
        """List the direct members of one group, as `list_users`; no pattern counts.

        A group that is not there has none.
        """
        query = Query(criteria, limit, skip, sort, count)
        return listing.list_users_by_group(self.policy.model, group_name, query)

    def list_user_names_by_group(self, group_name: object) -> list[str]:
        """List the names of the direct members of a group."""
        return listing.list_user_names_by_group(self.policy.model, group_name)

    def list_groups(
        self,
        pattern: object = "*",
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
        include_permissions: object = True,
    ) -> _Rows:
        """List groups whose names fit a pattern, as `list_users`; a row is a group."""
        return listing.list_groups(
            self.policy.model,
            pattern,
            Query(criteria, limit, skip, sort, count),
            broker_name=self.policy.broker_name,
            include_permissions=include_permissions,
        )

    def is_authorized(self, username: object, query: object) -> dict[str, Any]:
        """Tell what of a list of actions a user may not do.

        `query` has `methods` and `events`, lists of paths to be called and subscribed
        to, and `web` and `data`, `{path: {"actions": […]}}`. Answers `authorized`, and
        what is `forbidden` as a list of `section`, `path` and `action`.

        Raises:
            DirectoryError: USER_NOT_FOUND, INVALID_ARGUMENT, INVALID_PATH.
        """
        return questions.is_authorized(self.policy, username, query)

    def explain(self, username: object, action: object, path: object) -> dict[str, Any]:
        """Tell whether a user may do something, and why.

        `action` is section and verb, `events.subscribe`; `path` is the whole one, and
        may be a pattern where there are subscriptions. Answers whether it is `allowed`,
        the `reason`, the `grant` that decided (a rule, an assignment or a global
        permission; None where nothing matched), the groups `through` which it came,
        from one of the user's own to the one that holds it; all that `matched`, at
        most 100, and how many more were `left_out`; and templates that are `void`.

        Raises:
            DirectoryError: USER_NOT_FOUND, INVALID_ARGUMENT, INVALID_PATH.
        """
        return questions.explain(self.policy, username, action, path)

    async def who_can(self, action: object, path: object) -> list[dict[str, Any]]:
        """List the users who may do something, by name, each with its `grant`.

        Raises:
            DirectoryError: INVALID_ARGUMENT, INVALID_PATH.
        """
        return await questions.who_can(self.policy, action, path)

    async def what_can(self, username: object) -> dict[str, Any]:
        """List what a user may do, with exceptions and where it comes from."""
        policy = self.policy
        subject = questions.subject_of(policy, username)
        return await capabilities.what_can(policy, subject)
