"""Scripts against a directory, and what users may do then, in few words."""

import itertools
from typing import Any

import pytest

from directories import BY, key
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.names import parse_name
from vestibule.server.directory import Directory, DirectoryError
from vestibule.server.directory.policy import Subject
from vestibule.server.directory.script import View


Place = tuple[int, int]


class Administrator:
    """Applies scripts to a directory; most as `_ADMIN`."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)

    async def security(self, *lines: str, by: str = BY, **options: Any) -> int:
        """Apply a script of the security view."""
        script = "\n".join(lines)
        return await self.directory.update_security_store(script, by=by, **options)

    async def system(self, *lines: str, by: str = BY, **options: Any) -> int:
        """Apply a script of the authentication view."""
        update = self.directory.update_authentication_store
        return await update("\n".join(lines), by=by, **options)

    async def fails(self, view: View, *lines: str, by: str = BY) -> dict[Place, str]:
        """Apply a script that fails, and give its reports by line and column."""
        apply = self.security if view is View.SECURITY else self.system
        model = self.directory.policy.model
        with pytest.raises(DirectoryError) as refusal:
            await apply(*lines, by=by)
        assert refusal.value.code is ErrorCode.SCRIPT_FAILED
        assert self.directory.policy.model is model
        reports = refusal.value.details["reports"]
        return {(one["line"], one["column"]): one["message"] for one in reports}

    async def fails_after(self, view: View, *lines: str) -> dict[Place, str]:
        """Apply a script that fails because of what another changed meanwhile."""
        apply = self.security if view is View.SECURITY else self.system
        with pytest.raises(DirectoryError) as refusal:
            await apply(*lines)
        reports = refusal.value.details["reports"]
        return {(one["line"], one["column"]): one["message"] for one in reports}

    async def user(self, *roles: str, name: str | None = None) -> str:
        """Make a user without a password that has some roles."""
        number = next(self._numbers)
        name = name or f"user{number}"
        user = {"username": name, "public_key": key(number)}
        await self.directory.add_user(user, by=BY)
        if roles:
            await self.system(f"assign roles '{name}' {list(roles)}")
        return name

    def subject(self, username: str) -> Subject:
        """Give a session of a user, as the gate sees it."""
        return self.directory.policy.subject(username, None)

    def globals(self, username: str) -> set[str]:
        """Give the global permissions of a session of a user."""
        return set(self.subject(username).global_permissions)

    def perms(self, username: str, path: str) -> set[str]:
        """Give the path permissions of a session of a user."""
        return set(self.subject(username).path_permissions(parse_name(path)))

    def role(self, name: str) -> dict[str, Any] | None:
        """Give a role of the security view."""
        roles = self.directory.get_security_configuration()["roles"]
        return next((role for role in roles if role["name"] == name), None)

    def principal(self, name: str) -> dict[str, Any] | None:
        """Give a user of the authentication view."""
        view = self.directory.get_system_authentication_configuration()
        return next((one for one in view["principals"] if one["name"] == name), None)

    @property
    def versions(self) -> tuple[int, int]:
        """The versions of the security and of the authentication view."""
        model = self.directory.policy.model
        return model.security_version, model.authentication_version
