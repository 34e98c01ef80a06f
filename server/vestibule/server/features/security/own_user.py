"""Methods of `security` for everybody's own user, by a rule of the group `_GUEST`."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from vestibule.protocol.errors import ErrorCode
from vestibule.server.components import Caller, method
from vestibule.server.directory import Directory, DirectoryError


__all__ = ["OwnPasswordLockout", "OwnUser"]


class OwnPasswordLockout(Protocol):
    """Counts wrong old passwords of a caller as failed logins are counted."""

    def locked(self, caller: Caller) -> bool:
        """Whether its name is locked where it comes from."""

    def turn(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """Wait for its turn to have an old password looked at, and take it."""

    def failed(self, caller: Caller) -> None:
        """Another old password was wrong."""


class _Guard:
    """A lockout, for one caller."""

    def __init__(self, lockout: OwnPasswordLockout, caller: Caller) -> None:
        self._lockout = lockout
        self._caller = caller

    def locked(self) -> bool:
        return self._lockout.locked(self._caller)

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self._lockout.turn(self._caller)

    def failed(self) -> None:
        self._lockout.failed(self._caller)


class OwnUser:
    """What a user may see and change of itself."""

    def __init__(
        self, directory: Directory, *, lockout: OwnPasswordLockout | None = None
    ) -> None:
        self._directory: Final = directory
        self._lockout: Final = lockout

    @method()
    async def get_own_user(self, caller: Caller) -> dict[str, Any]:
        """Show the caller's user, without permissions."""
        self._check_own(caller)
        return self._directory.get_own_user(caller.username)

    @method()
    async def update_own_user(self, caller: Caller, update: object) -> dict[str, Any]:
        """Change what a user may change of itself. Answers it, without permissions.

        `update` may hold `password` with `old_password`, and `custom_data`;
        `application_data` is passed over. Another password ends its other sessions.

        Raises:
            DirectoryError: OWN_USER_FORBIDDEN for who is no user of the directory;
                MESSAGE_DENIED for another's name; INVALID_ARGUMENT for another key;
                MISSING_OLD_PASSWORD, WRONG_OLD_PASSWORD; ACCOUNT_LOCKED after too many
                wrong ones.
        """
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

    def _check_own(self, caller: Caller) -> None:
        """Refuse a session that stands for no user of the directory."""
        if not caller.bound or self._directory.user(caller.username) is None:
            raise DirectoryError(ErrorCode.OWN_USER_FORBIDDEN)

    def _guard(self, caller: Caller) -> _Guard | None:
        return None if self._lockout is None else _Guard(self._lockout, caller)
