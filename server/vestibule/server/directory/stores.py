"""The directory as the two stores of Diffusion: two views, changed by scripts."""

from dataclasses import replace
from functools import partial
from typing import Any

from vestibule.server.directory import changes, views
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.engine import Engine
from vestibule.server.directory.model import Group, User
from vestibule.server.directory.reading import Reading
from vestibule.server.directory.scripts import ScriptListener, Scripts
from vestibule.server.directory.views import View


__all__ = ["Stores"]


class Stores(Reading):
    """Scripts and views, for whoever has an engine (docs/stores.md).

    `by` is the principal who makes a change and `session_id` the session; refusals are
    `DirectoryError`s, and nothing has changed then.
    """

    _engine: Engine
    _scripts: Scripts

    def on_script(self, listener: ScriptListener) -> None:
        """Have a listener awaited for each script, before its caller is answered."""
        self._scripts.on_script(listener)

    async def update_security_store(
        self,
        script: object,
        *,
        expected_version: object = None,
        by: str,
        session_id: str | None = None,
    ) -> int:
        """Apply a script of the security view and give that view's version then."""
        return await self._scripts.update(
            View.SECURITY,
            script,
            expected_version=expected_version,
            by=by,
            session_id=session_id,
        )

    async def update_authentication_store(
        self,
        script: object,
        *,
        expected_version: object = None,
        by: str,
        session_id: str | None = None,
    ) -> int:
        """Apply a script of the authentication view and give its version then."""
        return await self._scripts.update(
            View.AUTHENTICATION,
            script,
            expected_version=expected_version,
            by=by,
            session_id=session_id,
        )

    def get_security_configuration(self) -> dict[str, Any]:
        """Show the security view."""
        return views.security_configuration(self.policy.model)

    def get_system_authentication_configuration(self) -> dict[str, Any]:
        """Show the authentication view; nothing made from a password is in it."""
        return views.authentication_configuration(self.policy.model)

    async def link_anonymous_group(
        self, group_name: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Give a group to the anonymous sessions that the directory admits."""
        link = partial(changes.link_anonymous_group, group_name=group_name)
        return await self._engine.change(link, by=by, session_id=session_id)

    async def unlink_anonymous_group(
        self, group_name: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Take a group from the anonymous sessions that the directory admits."""
        unlink = partial(changes.unlink_anonymous_group, group_name=group_name)
        return await self._engine.change(unlink, by=by, session_id=session_id)

    def locked_by(self, kind: str, name: str) -> str | None:
        """Give who locks a `user` or a `group`.

        Raises:
            DirectoryError: USER_NOT_FOUND or GROUP_NOT_FOUND.
        """
        return _holder(self._engine.draft(), kind, name).locked_by

    async def unlock(self, kind: str, name: str) -> None:
        """End the lock of a `user` or a `group`, whoever holds it.

        It is for the operator of the machine; nobody in the broker may.
        """

        async def make(draft: Draft) -> None:
            match _holder(draft, kind, name):
                case User() as user:
                    draft.put_user(replace(user, locked_by=None))
                case Group() as group:
                    draft.put_group(replace(group, locked_by=None))

        await self._engine.transact(make, by=None, session_id=None)


def _holder(draft: Draft, kind: str, name: str) -> User | Group:
    return draft.user(name) if kind == "user" else draft.group(name)
