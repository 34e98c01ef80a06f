"""The component `security`: the directory, administered over the broker's own protocol.

Its methods are called, granted and denied like any method, at
`<broker name>/security/<method>` (docs/permissions.md, "The methods of `security`").
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, method, methods_of
from vestibule.server.directory import Directory, DirectoryError


__all__ = ["SECURITY_METHODS", "OwnPasswordLockout", "SecurityComponent"]

_MODIFY: Final = GlobalPermission.MODIFY_SECURITY
_VIEW: Final = GlobalPermission.VIEW_SECURITY


class OwnPasswordLockout(Protocol):
    """Counts wrong old passwords of a caller as failed logins are counted."""

    def locked(self, caller: Caller) -> bool:
        """Whether its name is locked where it comes from."""

    def failed(self, caller: Caller) -> None:
        """Another old password was wrong."""


class _Guard:
    """A lockout, for one caller."""

    def __init__(self, lockout: OwnPasswordLockout, caller: Caller) -> None:
        self._lockout = lockout
        self._caller = caller

    def locked(self) -> bool:
        return self._lockout.locked(self._caller)

    def failed(self) -> None:
        self._lockout.failed(self._caller)


class SecurityComponent:
    """Methods for administrators, and four for everybody's own user.

    Whoever may call a changing method can give itself any right.
    """

    def __init__(
        self, directory: Directory, *, lockout: OwnPasswordLockout | None = None
    ) -> None:
        self._directory: Final = directory
        self._lockout: Final = lockout

    # Users.

    @method(_MODIFY)
    async def add_user(self, caller: Caller, user: object) -> dict[str, Any]:
        """Make a user: a new name, and a password or a public key."""
        return await self._directory.add_user(user, **_author(caller))

    @method(_MODIFY)
    async def update_user(self, caller: Caller, user: object) -> dict[str, Any]:
        """Change a user that is there; what is left out stays."""
        return await self._directory.update_user(user, **_author(caller))

    @method(_MODIFY)
    async def upsert_user(
        self,
        caller: Caller,
        user: object,
        *,
        overwrite_memberships: object = False,
        overwrite_permissions: object = False,
    ) -> dict[str, Any]:
        """Make or change a user."""
        return await self._directory.upsert_user(
            user,
            overwrite_memberships=overwrite_memberships,
            overwrite_permissions=overwrite_permissions,
            **_author(caller),
        )

    @method(_MODIFY)
    async def delete_user(self, caller: Caller, username: object) -> dict[str, Any]:
        """Remove a user, its permissions and memberships; its sessions end."""
        return await self._directory.delete_user(username, **_author(caller))

    @method(_MODIFY)
    async def add_user_permissions(
        self, caller: Caller, username: object, permissions: object
    ) -> dict[str, Any]:
        """Merge grants into a user's own and answer what it has then."""
        return await self._directory.add_user_permissions(
            username, permissions, **_author(caller)
        )

    @method(_MODIFY)
    async def remove_user_permissions(
        self, caller: Caller, username: object, permissions: object
    ) -> dict[str, Any]:
        """Drop grants of a user's own and answer what it has then."""
        return await self._directory.remove_user_permissions(
            username, permissions, **_author(caller)
        )

    @method(_VIEW)
    async def get_user(
        self,
        caller: Caller,
        username: object,
        *,
        include_groups: object = True,
        include_permissions: object = True,
    ) -> dict[str, Any] | None:
        """Show a user, None for an unknown one."""
        del caller
        return self._directory.get_user(
            username,
            include_groups=include_groups,
            include_permissions=include_permissions,
        )

    @method(_VIEW)
    async def list_users(
        self,
        caller: Caller,
        pattern: object = "*",
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
    ) -> list[dict[str, Any]] | int:
        """List users whose names fit a pattern, or count them."""
        del caller
        return self._directory.list_users(
            pattern, criteria=criteria, limit=limit, skip=skip, sort=sort, count=count
        )

    @method(_VIEW)
    async def list_users_by_group(
        self,
        caller: Caller,
        group_name: object,
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
    ) -> list[dict[str, Any]] | int:
        """List the direct members of a group, or count them."""
        del caller
        return self._directory.list_users_by_group(
            group_name,
            criteria=criteria,
            limit=limit,
            skip=skip,
            sort=sort,
            count=count,
        )

    @method(_VIEW)
    async def list_user_names_by_group(
        self, caller: Caller, group_name: object
    ) -> list[str]:
        """List the names of the direct members of a group."""
        del caller
        return self._directory.list_user_names_by_group(group_name)

    # One's own user: by a rule of the group `_GUEST`.

    @method()
    async def get_own_user(self, caller: Caller) -> dict[str, Any]:
        """Show the caller's user, without permissions."""
        self._check_own(caller)
        return self._directory.get_own_user(caller.username)

    @method()
    async def update_own_user(self, caller: Caller, update: object) -> dict[str, Any]:
        """Change what a user may change of itself."""
        self._check_own(caller)
        return await self._directory.update_own_user(
            caller.username,
            update,
            guard=self._guard(caller),
            session_id=caller.session_id,
        )

    @method()
    async def change_own_password(
        self, caller: Caller, old_password: object, new_password: object
    ) -> None:
        """Set the caller's password; its other sessions end."""
        self._check_own(caller)
        await self._directory.change_own_password(
            caller.username,
            old_password,
            new_password,
            guard=self._guard(caller),
            session_id=caller.session_id,
        )

    # Groups and memberships.

    @method(_MODIFY)
    async def add_group(self, caller: Caller, group: object) -> dict[str, Any]:
        """Make a group with a new name."""
        return await self._directory.add_group(group, **_author(caller))

    @method(_MODIFY)
    async def update_group(self, caller: Caller, group: object) -> dict[str, Any]:
        """Change a group that is there; what is left out stays."""
        return await self._directory.update_group(group, **_author(caller))

    @method(_MODIFY)
    async def upsert_group(
        self, caller: Caller, group: object, *, overwrite_permissions: object = False
    ) -> dict[str, Any]:
        """Make or change a group."""
        return await self._directory.upsert_group(
            group, overwrite_permissions=overwrite_permissions, **_author(caller)
        )

    @method(_MODIFY)
    async def delete_group(self, caller: Caller, name: object) -> dict[str, Any]:
        """Remove a group and every mention of it; users stay."""
        return await self._directory.delete_group(name, **_author(caller))

    @method(_MODIFY)
    async def add_group_permissions(
        self, caller: Caller, name: object, permissions: object
    ) -> dict[str, Any]:
        """Merge grants into a group's own and answer what it has then."""
        return await self._directory.add_group_permissions(
            name, permissions, **_author(caller)
        )

    @method(_MODIFY)
    async def remove_group_permissions(
        self, caller: Caller, name: object, permissions: object
    ) -> dict[str, Any]:
        """Drop grants of a group's own and answer what it has then."""
        return await self._directory.remove_group_permissions(
            name, permissions, **_author(caller)
        )

    @method(_VIEW)
    async def get_group(self, caller: Caller, name: object) -> dict[str, Any] | None:
        """Show a group, None for an unknown one."""
        del caller
        return self._directory.get_group(name)

    @method(_VIEW)
    async def list_groups(
        self,
        caller: Caller,
        pattern: object = "*",
        *,
        criteria: object = None,
        limit: object = None,
        skip: object = 0,
        sort: object = None,
        count: object = False,
        include_permissions: object = True,
    ) -> list[dict[str, Any]] | int:
        """List groups whose names fit a pattern, or count them."""
        del caller
        return self._directory.list_groups(
            pattern,
            criteria=criteria,
            limit=limit,
            skip=skip,
            sort=sort,
            count=count,
            include_permissions=include_permissions,
        )

    @method(_MODIFY)
    async def link_group(
        self, caller: Caller, group_name: object, username: object
    ) -> dict[str, Any]:
        """Make a user a member of a group."""
        return await self._directory.link_group(group_name, username, **_author(caller))

    @method(_MODIFY)
    async def unlink_group(
        self, caller: Caller, group_name: object, username: object
    ) -> dict[str, Any]:
        """End a user's membership of a group."""
        return await self._directory.unlink_group(
            group_name, username, **_author(caller)
        )

    # Questions.

    @method(_VIEW)
    async def is_authorized(
        self, caller: Caller, username: object, query: object
    ) -> dict[str, Any]:
        """Tell what of a list of actions a user may not do."""
        del caller
        return self._directory.is_authorized(username, query)

    @method(_VIEW)
    async def explain(
        self, caller: Caller, username: object, action: object, path: object
    ) -> dict[str, Any]:
        """Tell whether a user may do something, and which grant decides it."""
        del caller
        return self._directory.explain(username, action, path)

    @method(_VIEW)
    async def who_can(
        self, caller: Caller, action: object, path: object
    ) -> list[dict[str, Any]]:
        """List the users who may do something."""
        del caller
        return await self._directory.who_can(action, path)

    @method(_VIEW)
    async def what_if(
        self,
        caller: Caller,
        changes: object,
        username: object,
        action: object,
        path: object,
    ) -> dict[str, Any]:
        """Explain as it is, and as it would be after some changes."""
        del caller
        return self._directory.what_if(changes, username, action, path)

    def _check_own(self, caller: Caller) -> None:
        """Refuse a session that stands for no user of the directory."""
        if not caller.bound or self._directory.user(caller.username) is None:
            raise DirectoryError(ErrorCode.OWN_USER_FORBIDDEN)

    def _guard(self, caller: Caller) -> _Guard | None:
        return None if self._lockout is None else _Guard(self._lockout, caller)


def _author(caller: Caller) -> dict[str, str]:
    return {"by": caller.username, "session_id": caller.session_id}


SECURITY_METHODS: Final[Mapping[str, tuple[GlobalPermission, ...]]] = {
    name: declared.needs for name, declared in methods_of(SecurityComponent).items()
}
"""The methods, and the global permissions that allow each; none: only a rule does."""
