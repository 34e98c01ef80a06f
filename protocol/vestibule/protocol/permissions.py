"""The rights that assignments hand out: global permissions and path permissions."""

from enum import StrEnum
from typing import Self


__all__ = ["GlobalPermission", "PathPermission"]


class GlobalPermission(StrEnum):
    """A right that holds for the whole broker (docs/permissions.md)."""

    AUTHENTICATE = "AUTHENTICATE"
    VIEW_SESSION = "VIEW_SESSION"
    MODIFY_SESSION = "MODIFY_SESSION"
    REGISTER_HANDLER = "REGISTER_HANDLER"
    VIEW_SERVER = "VIEW_SERVER"
    CONTROL_SERVER = "CONTROL_SERVER"
    VIEW_SECURITY = "VIEW_SECURITY"
    MODIFY_SECURITY = "MODIFY_SECURITY"
    UNKNOWN_GLOBAL_PERMISSION = "UNKNOWN_GLOBAL_PERMISSION"
    READ_TOPIC_VIEWS = "READ_TOPIC_VIEWS"
    MODIFY_TOPIC_VIEWS = "MODIFY_TOPIC_VIEWS"

    @property
    def code(self) -> int:
        """The permission's number on the wire: its place in this list."""
        return list(type(self)).index(self)

    @classmethod
    def of_code(cls, code: int) -> Self:
        """Give the permission of a number; UNKNOWN_GLOBAL_PERMISSION if none has it."""
        known = list(cls)
        return (
            known[code] if 0 <= code < len(known) else cls("UNKNOWN_GLOBAL_PERMISSION")
        )


class PathPermission(StrEnum):
    """A right that an assignment gives at a path and below it."""

    READ_TOPIC = "READ_TOPIC"
    UPDATE_TOPIC = "UPDATE_TOPIC"
    MODIFY_TOPIC = "MODIFY_TOPIC"
    SEND_TO_MESSAGE_HANDLER = "SEND_TO_MESSAGE_HANDLER"
    SEND_TO_SESSION = "SEND_TO_SESSION"
    SELECT_TOPIC = "SELECT_TOPIC"
    QUERY_OBSOLETE_TIME_SERIES_EVENTS = "QUERY_OBSOLETE_TIME_SERIES_EVENTS"
    EDIT_TIME_SERIES_EVENTS = "EDIT_TIME_SERIES_EVENTS"
    EDIT_OWN_TIME_SERIES_EVENTS = "EDIT_OWN_TIME_SERIES_EVENTS"
    ACQUIRE_LOCK = "ACQUIRE_LOCK"
    UNKNOWN_PATH_PERMISSION = "UNKNOWN_PATH_PERMISSION"
    EXPOSE_BRANCH = "EXPOSE_BRANCH"

    @property
    def code(self) -> int:
        """The permission's number on the wire: its place in this list."""
        return list(type(self)).index(self)

    @classmethod
    def of_code(cls, code: int) -> Self:
        """Give the permission of a number; UNKNOWN_PATH_PERMISSION if none has it."""
        known = list(cls)
        return known[code] if 0 <= code < len(known) else cls("UNKNOWN_PATH_PERMISSION")
