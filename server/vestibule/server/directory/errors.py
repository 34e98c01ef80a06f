"""How the directory refuses: one exception, and a maker for each thing at fault."""

from typing import Final

from vestibule.protocol.errors import ErrorCode
from vestibule.server.config_source import ConfigError
from vestibule.server.errors import RequestError


__all__ = [
    "DirectoryDamaged",
    "DirectoryError",
    "already_exists",
    "group_not_found",
    "invalid_argument",
    "invalid_name",
    "locked",
    "protected",
    "storage_failed",
    "unknown_key",
    "user_not_found",
]


_SHOWN: Final = 64
"""Characters of a key that a refusal names."""


class DirectoryError(RequestError):
    """A call is refused and nothing has changed; code and details go to the caller."""


class DirectoryDamaged(ConfigError):  # noqa: N818 - it names the state of the file
    """The directory cannot be served; one line names the file and what is wrong."""


def invalid_argument(argument: str, problem: str) -> DirectoryError:
    """Refuse a missing, unknown or wrongly typed argument or key of one."""
    return DirectoryError(
        ErrorCode.INVALID_ARGUMENT, f"{argument} {problem}", {"argument": argument}
    )


def unknown_key(argument: str, key: object) -> DirectoryError:
    """Refuse a key that a dict does not have, naming it as far as it can be sent."""
    text = key if isinstance(key, str) else repr(key)
    shown = text.encode(errors="backslashreplace").decode()[:_SHOWN]
    return DirectoryError(
        ErrorCode.INVALID_ARGUMENT,
        f"{argument} has an unknown key: {shown}",
        {"argument": argument, "key": shown},
    )


def invalid_name(argument: str) -> DirectoryError:
    """Refuse what cannot be the name of a user or group."""
    return DirectoryError(ErrorCode.INVALID_NAME, "", {"argument": argument})


def protected(principal: str) -> DirectoryError:
    """Refuse a change of what the system keeps (docs/permissions.md, "Who")."""
    return DirectoryError(ErrorCode.PROTECTED, "", {"principal": principal})


def locked(principal: str) -> DirectoryError:
    """Refuse a change of what a principal has locked (docs/stores.md, "Locks")."""
    return DirectoryError(ErrorCode.LOCKED, "", {"locking_principal": principal})


def user_not_found(name: str) -> DirectoryError:
    """Tell that there is no such user."""
    return DirectoryError(ErrorCode.USER_NOT_FOUND, "", {"user": name})


def group_not_found(name: str) -> DirectoryError:
    """Tell that there is no such group."""
    return DirectoryError(ErrorCode.GROUP_NOT_FOUND, "", {"group": name})


def already_exists(kind: str, name: str) -> DirectoryError:
    """Tell that the user or group, named by `kind`, is there."""
    return DirectoryError(ErrorCode.ALREADY_EXISTS, "", {kind: name})


def storage_failed() -> DirectoryError:
    """Tell that the disk refused; why is in the broker's log."""
    return DirectoryError(ErrorCode.STORAGE_FAILED)
