"""The directory: one object by which the broker reads and changes who may do what."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from vestibule.server.directory import changes, prospects
from vestibule.server.directory.accounts import Accounts, OldPasswordGuard
from vestibule.server.directory.arguments import password_in
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.engine import Engine, Listener
from vestibule.server.directory.expiry import ExpiryWatch
from vestibule.server.directory.facts import Components
from vestibule.server.directory.model import User
from vestibule.server.directory.opening import DATABASE, open_directory
from vestibule.server.directory.passwords import Passwords, PasswordSettings
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.prospects import Prospect
from vestibule.server.directory.scripts import Scripts
from vestibule.server.directory.tokens import TokenBook
from vestibule.server.directory.transfer import Transfer
from vestibule.server.directory.verifier import Verifier
from vestibule.server.secret import Secret


__all__ = ["Directory"]

T = TypeVar("T")


class Directory(Transfer):
    """Users, groups and their permissions, on disk and compiled.

    `open` makes one, `close` must be awaited at the end. A changing operation returns
    when its change is on disk, in force, and everybody has been told; `by` is the
    username of whoever makes it and `session_id` the session. What an operation
    refuses it refuses with a `DirectoryError`, and nothing has changed then.
    """

    def __init__(
        self,
        engine: Engine,
        passwords: Passwords,
        first_password: Secret | None,
        *,
        own_custom_data_updates: bool,
    ) -> None:
        self._engine = engine
        self._passwords: Final = passwords
        self.first_password: Final = first_password
        """The random password that this first start gave the administrator."""
        self._expiry: Final = ExpiryWatch(engine)
        self._accounts: Final = Accounts(
            engine, passwords, own_custom_data_updates=own_custom_data_updates
        )
        self._scripts = Scripts(engine, passwords)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a folder holds a directory. Blocks."""
        return (folder / DATABASE).exists()

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        broker_name: str,
        components: Components,
        passwords: PasswordSettings,
        admin_password: Secret | None = None,
        case_insensitive: bool = False,
        own_custom_data_updates: bool = True,
        now: Callable[[], float] = time.time,
    ) -> "Directory":
        """Open the directory in a folder, making it if it is not there.

        `components` are the broker's own. `admin_password` counts at the first start
        only. `now` is the wall clock, in seconds.

        Raises:
            DirectoryDamaged: it cannot be made or served; one line says why.
        """
        opened = await open_directory(
            folder,
            broker_name=broker_name,
            components=components,
            settings=passwords,
            admin_password=admin_password,
            case_insensitive=case_insensitive,
            now=now,
        )
        return cls(
            opened.engine,
            opened.passwords,
            opened.first_password,
            own_custom_data_updates=own_custom_data_updates,
        )

    async def close(self) -> None:
        """Finish what is under way and close the files."""
        await self._expiry.close()
        await self._passwords.close()
        await self._engine.close()

    # What is now.

    @property
    def policy(self) -> Policy:
        """The policy in force; every change puts another in its place."""
        return self._engine.policy

    @property
    def tokens(self) -> TokenBook:
        """The session tokens, revoked with their users."""
        return self._engine.tokens

    @property
    def now(self) -> int:
        """The time in milliseconds since 1970, by the wall clock."""
        return self._engine.now()

    @property
    def storage_failed(self) -> bool:
        """Whether the last write failed."""
        return self._engine.storage_failed

    @property
    def storage_failures(self) -> int:
        """How many writes failed."""
        return self._engine.storage_failures

    def on_change(self, listener: Listener) -> None:
        """Have a listener awaited after each change and before its caller is answered.

        It is also told, without a new epoch, when a user expires.

        Listeners come one after another and changes wait for them, so a listener makes
        no change itself. One that raises is logged and stops nothing.
        """
        self._engine.on_change(listener)

    def halt_while(self, halted: Callable[[], bool]) -> None:
        """Refuse changes with STORAGE_FAILED while a function answers true."""
        self._engine.halted = halted

    # Logins.

    def may_log_in(self, user: User) -> bool:
        """Whether a user is neither disabled nor expired now."""
        return self._accounts.may_log_in(user)

    async def verify(self, username: str, password: str) -> User | None:
        """Give the user whose password this is, if it may log in.

        An unknown, disabled, expired or passwordless name costs the same work as a
        wrong password. A verifier with outdated parameters is renewed on the way.

        Raises:
            PasswordsBusy: too many wait; nothing was evaluated.
        """
        return await self._accounts.verify(username, password)

    def challenge(self, username: str) -> Verifier:
        """Give what a login under any name proves its password against.

        For a name without a password it is one that nothing fits, with the same salt
        and cost each time.
        """
        return self._accounts.challenge(username)

    def proven(self, username: str, verifier: Verifier) -> User | None:
        """Give the user that has proved the password of `challenge`, if it may log in."""
        return self._accounts.proven(username, verifier)

    # Changing users. Arguments are what a caller sent: they are checked here.

    async def add_user(
        self, user: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Make a user."""
        return await self._change_user(changes.add_user, user, by, session_id)

    async def update_user(
        self, user: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Change a user that is there."""
        return await self._change_user(changes.update_user, user, by, session_id)

    async def upsert_user(
        self,
        user: object,
        *,
        overwrite_memberships: object = False,
        overwrite_permissions: object = False,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Make or change a user."""
        upsert = partial(
            changes.upsert_user,
            overwrite_memberships=overwrite_memberships,
            overwrite_permissions=overwrite_permissions,
        )
        return await self._change_user(upsert, user, by, session_id)

    async def delete_user(
        self, username: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Remove a user with all that is its own."""
        return await self._change(changes.delete_user, username, by, session_id)

    async def add_user_permissions(
        self,
        username: object,
        permissions: object,
        *,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Merge grants into a user's own; the answer is what it has then."""
        add = partial(changes.add_user_permissions, permissions=permissions)
        return await self._change(add, username, by, session_id)

    async def remove_user_permissions(
        self,
        username: object,
        permissions: object,
        *,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Drop grants of a user's own; the answer is what it has then."""
        remove = partial(changes.remove_user_permissions, permissions=permissions)
        return await self._change(remove, username, by, session_id)

    async def update_own_user(
        self,
        username: str,
        update: object,
        *,
        guard: OldPasswordGuard | None = None,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Change what a user may change of itself; a password needs the old one."""
        return await self._accounts.update_own(
            username, update, guard=guard, session_id=session_id
        )

    async def change_own_password(
        self,
        username: str,
        old_password: object,
        new_password: object,
        *,
        guard: OldPasswordGuard | None = None,
        session_id: str | None = None,
    ) -> None:
        """Set a user's own password."""
        await self._accounts.change_own_password(
            username, old_password, new_password, guard=guard, session_id=session_id
        )

    # Changing groups.

    async def add_group(
        self, group: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Make a group."""
        return await self._change(changes.add_group, group, by, session_id)

    async def update_group(
        self, group: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Change a group that is there."""
        return await self._change(changes.update_group, group, by, session_id)

    async def upsert_group(
        self,
        group: object,
        *,
        overwrite_permissions: object = False,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Make or change a group."""
        upsert = partial(
            changes.upsert_group, overwrite_permissions=overwrite_permissions
        )
        return await self._change(upsert, group, by, session_id)

    async def delete_group(
        self, name: object, *, by: str, session_id: str | None = None
    ) -> dict[str, Any]:
        """Remove a group; its members stay users."""
        return await self._change(changes.delete_group, name, by, session_id)

    async def add_group_permissions(
        self,
        name: object,
        permissions: object,
        *,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Merge grants into a group's own; the answer is what it has then."""
        add = partial(changes.add_group_permissions, permissions=permissions)
        return await self._change(add, name, by, session_id)

    async def remove_group_permissions(
        self,
        name: object,
        permissions: object,
        *,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Drop grants of a group's own; the answer is what it has then."""
        remove = partial(changes.remove_group_permissions, permissions=permissions)
        return await self._change(remove, name, by, session_id)

    async def link_group(
        self,
        group_name: object,
        username: object,
        *,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """Make a user a member of a group."""
        link = partial(changes.link_group, username=username)
        return await self._change(link, group_name, by, session_id)

    async def unlink_group(
        self,
        group_name: object,
        username: object,
        *,
        by: str,
        session_id: str | None = None,
    ) -> dict[str, Any]:
        """End a user's membership of a group."""
        unlink = partial(changes.unlink_group, username=username)
        return await self._change(unlink, group_name, by, session_id)

    async def _change(
        self,
        function: Callable[[Draft, object], T],
        argument: object,
        by: str,
        session_id: str | None,
    ) -> T:
        def make(draft: Draft) -> T:
            return function(draft, argument)

        return await self._engine.change(make, by=by, session_id=session_id)

    async def _change_user(
        self,
        function: Callable[[Draft, object], T],
        user: object,
        by: str,
        session_id: str | None,
    ) -> T:
        setting = password_in(user)
        if setting is None:
            return await self._change(function, user, by, session_id)

        def make(draft: Draft) -> T:
            return function(draft, user)

        return await self._accounts.change(make, *setting, by=by, session_id=session_id)

    def prospect(self, changes: object, *, by: str | None = None) -> Prospect:
        """Suppose changes made by `by`: what there would be, while nothing is changed.

        `changes` is a list of `{"method", "args", "kwargs"}` of changing methods.
        """
        return prospects.prospect(self.policy, self._engine.draft(by=by), changes)

    def what_if(
        self, changes: object, username: object, action: object, path: object
    ) -> dict[str, Any]:
        """Explain as it is and as it would be; nothing is changed."""
        return prospects.answered(self.prospect(changes), username, action, path)
