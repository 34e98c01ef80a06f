"""The built-in handler `open`: everybody may do everything. For trying things out.

A broker with it refuses to start without `insecure: true`. The broker's own
components stay closed: a handler narrows there and never widens.
"""

from typing import Any

from vestibule.server.directory.names import SYSTEM_PREFIX, valid_username
from vestibule.server.handler import (
    ConnectionData,
    Identity,
    InvalidCredentials,
    Message,
    PermissionHandler,
)


__all__ = ["OpenHandler"]


class OpenHandler(PermissionHandler):
    """Lets in whoever says a name, and allows whatever is not forbidden."""

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Identity | None:
        """Admit under the name that is given; names of the system are abstained on."""
        del connection
        username = auth_data.get("username", "guest")
        if not valid_username(username):
            raise InvalidCredentials("that is no username")
        if username.startswith(SYSTEM_PREFIX):
            return None
        return Identity(username)

    def can_perform_action(self, username: str, message: Message) -> bool:
        """Allow."""
        del username, message
        return True
