"""Logins, and changes that set a password: what has to wait for hashing."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.arguments import parse_text
from vestibule.server.directory.data import InvalidData, pack
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.engine import Engine
from vestibule.server.directory.errors import (
    DirectoryError,
    invalid_argument,
    user_not_found,
)
from vestibule.server.directory.model import User
from vestibule.server.directory.names import folded
from vestibule.server.directory.passwords import Passwords, PasswordsBusy
from vestibule.server.directory.shapes import user_shape
from vestibule.server.directory.verifier import Verifier


__all__ = ["Accounts", "OldPasswordGuard"]

_OWN_KEYS: Final = frozenset(
    {"username", "password", "old_password", "custom_data", "application_data"}
)
"""What a user may say of itself; of `application_data` nothing is kept."""

_SUPPOSED: Final = Verifier(b"", 0, 0, b"", b"")
"""Stands for a password while a call is tried that may be refused anyway."""

T = TypeVar("T")


class OldPasswordGuard(Protocol):
    """Counts wrong old passwords, as failed logins are counted."""

    def locked(self) -> bool:
        """Whether too many were wrong: none is looked at then."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for the turn to have one looked at: few at a time, as few may be wrong."""

    def failed(self) -> None:
        """Another was wrong."""


class _OtherPasswordError(Exception):
    """The user got another password while one for it was hashed."""


class Accounts:
    """Who logs in, and who gets another password."""

    def __init__(
        self, engine: Engine, passwords: Passwords, *, own_custom_data_updates: bool
    ) -> None:
        self._engine: Final = engine
        self._passwords: Final = passwords
        self._own_custom_data_updates: Final = own_custom_data_updates

    def may_log_in(self, user: User) -> bool:
        """Whether a user is neither disabled nor expired now."""
        return user.may_log_in(self._engine.now())

    async def verify(self, username: str, password: str) -> User | None:
        """Give the user whose password this is, if it may log in.

        Raises:
            PasswordsBusy: too many wait; nothing was evaluated.
        """
        user = self._engine.policy.model.user(username)
        verifier = None if user is None else user.password
        right = await self._passwords.verify(username, verifier, password)
        if user is None or verifier is None or not right:
            return None
        found = self._still(user.username, verifier)
        if found is None or not self._passwords.outdated(verifier):
            return found
        renewed = await self._passwords.make(password)
        await self._engine.renew(found, renewed)
        return self._still(user.username, verifier, renewed)

    def challenge(self, username: str) -> Verifier:
        """Give what a login proves its password against, for any name.

        A name without a password has a verifier that nothing fits, with the same salt
        and cost each time; it is made for every name, so that all cost the same.
        """
        user = self._engine.policy.model.user(username)
        if self._engine.policy.model.spellings is not None:
            username = folded(username)
        decoy = self._passwords.decoy(username)
        return decoy if user is None or user.password is None else user.password

    def proven(self, username: str, verifier: Verifier) -> User | None:
        """Give the user that has proved the password of `challenge`, if it may log in.

        None where that was a decoy, or is the password no more.
        """
        user = self._engine.policy.model.user(username)
        return None if user is None else self._still(user.username, verifier)

    def _still(self, username: str, *verifiers: Verifier) -> User | None:
        """Give the user if it may log in and the password is one of these still.

        While it was hashed, the user may have been changed or deleted.
        """
        user = self._engine.policy.model.users.get(username)
        if user is None or not any(user.password is one for one in verifiers):
            return None
        return user if self.may_log_in(user) else None

    async def change(
        self,
        make: Callable[[Draft], T],
        username: object,
        password: object,
        *,
        by: str,
        session_id: str | None,
    ) -> T:
        """Make a change that sets a password of a user.

        The password that it has already is no change.

        Raises:
            DirectoryError: as `Engine.change`, or INVALID_ARGUMENT.
        """
        # Tried first, so that what is refused anyway costs no hash.
        make(self._engine.draft(_SUPPOSED, by=by))
        text = self._passwords.check(password)
        name = parse_text(username, "username")
        while True:
            before = self._password_of(name)
            verifier = before
            if before is None or not await self._passwords.is_same(before, text):
                verifier = await self._passwords.make(text)

            def unless_changed(draft: Draft, before: Verifier | None = before) -> T:
                if self._password_of(name) is not before:
                    raise _OtherPasswordError
                return make(draft)

            try:
                return await self._engine.change(
                    unless_changed, by=by, session_id=session_id, verifier=verifier
                )
            except _OtherPasswordError:
                continue

    def _password_of(self, username: str) -> Verifier | None:
        user = self._engine.policy.model.user(username)
        return None if user is None else user.password

    async def update_own(
        self,
        username: str,
        update: object,
        *,
        guard: OldPasswordGuard | None,
        session_id: str | None,
    ) -> dict[str, Any]:
        """Change what a user may change of itself.

        Raises:
            DirectoryError: MESSAGE_DENIED for another's name, then INVALID_ARGUMENT,
                MISSING_OLD_PASSWORD, ACCOUNT_LOCKED, WRONG_OLD_PASSWORD or BUSY.
        """
        said = self._own_update(username, update)
        packed: bytes | None = None
        if "custom_data" in said:
            try:
                packed = pack(said["custom_data"])
            except InvalidData as problem:
                raise invalid_argument("custom_data", str(problem)) from None
        if not self._own_custom_data_updates:
            packed = None

        def make(draft: Draft) -> dict[str, Any]:
            user = draft.user(username)
            if packed is not None:
                user = replace(user, custom_data=packed)
            if "password" in said:
                user = replace(user, password=draft.verifier)
            user = draft.put_user(user)
            return user_shape(user, draft.broker_name, include_permissions=False)

        if "password" not in said:
            return await self._engine.change(make, by=username, session_id=session_id)
        self._passwords.check(said["password"])
        await self._check_old(username, said["old_password"], guard)
        return await self.change(
            make, username, said["password"], by=username, session_id=session_id
        )

    async def change_own_password(
        self,
        username: str,
        old_password: object,
        new_password: object,
        *,
        guard: OldPasswordGuard | None,
        session_id: str | None,
    ) -> None:
        """Set a user's own password.

        Raises:
            DirectoryError: INVALID_ARGUMENT, ACCOUNT_LOCKED, WRONG_OLD_PASSWORD, BUSY.
        """
        old = parse_text(old_password, "old_password")
        self._passwords.check(new_password, "new_password")
        await self._check_old(username, old, guard)

        def make(draft: Draft) -> None:
            user = draft.user(username)
            draft.put_user(replace(user, password=draft.verifier))

        await self.change(
            make, username, new_password, by=username, session_id=session_id
        )

    def _own_update(self, username: str, update: object) -> dict[str, Any]:
        """Read what a user says of itself, in the order that the checks have."""
        if not isinstance(update, dict):
            raise invalid_argument("update", "is no dict")
        user = self._engine.policy.model.user(username)
        if user is None:
            raise user_not_found(username)
        said = update.get("username", username)
        named = self._engine.policy.model.user(said) if isinstance(said, str) else None
        if named is not user:
            raise DirectoryError(ErrorCode.MESSAGE_DENIED)
        if not update.keys() <= _OWN_KEYS:
            raise invalid_argument("update", "has an unknown key")
        if "password" in update:
            if "old_password" not in update:
                raise DirectoryError(ErrorCode.MISSING_OLD_PASSWORD)
            parse_text(update["old_password"], "old_password")
        return update

    async def _check_old(
        self, username: str, password: str, guard: OldPasswordGuard | None
    ) -> None:
        async with nullcontext() if guard is None else guard.turn():
            if guard is not None and guard.locked():
                raise DirectoryError(ErrorCode.ACCOUNT_LOCKED)
            try:
                right = await self._passwords.verify(
                    username, self._password_of(username), password
                )
            except PasswordsBusy as busy:
                raise DirectoryError(
                    ErrorCode.BUSY, "", {"retry_after": busy.retry_after}
                ) from None
            if not right:
                if guard is not None:
                    guard.failed()
                raise DirectoryError(ErrorCode.WRONG_OLD_PASSWORD)
