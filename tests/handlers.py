"""Permission handlers that tests steer."""

from collections.abc import Callable
from typing import Any

from vestibule.server import (
    ConnectionData,
    Identity,
    InvalidCredentials,
    Message,
    PermissionHandler,
)


class Everybody(PermissionHandler):
    """Lets everybody in under the name they say; decides by `decide`, and records."""

    def __init__(
        self, decide: Callable[[str, Message], Any] = lambda _name, _message: True
    ) -> None:
        self.decide = decide
        self.logins: list[tuple[ConnectionData, dict[str, Any]]] = []
        self.asked: list[tuple[str, Message]] = []
        self.left: list[str] = []

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> Identity | None:
        self.logins.append((connection, auth_data))
        name = auth_data.get("username")
        if name == "_ADMIN":
            return None
        if not isinstance(name, str):
            raise InvalidCredentials("no name")
        return Identity(name, server_data=auth_data.get("server_data"))

    def can_perform_action(self, username: str, message: Message) -> Any:
        self.asked.append((username, message))
        return self.decide(username, message)

    def on_client_disconnect(self, username: str) -> None:
        self.left.append(username)

    def names_asked(self) -> list[str]:
        return [message.name for _, message in self.asked]


def denying(*names: str) -> Callable[[str, Message], bool]:
    """Decide no about these names, yes about all others."""
    return lambda _, message: message.name not in names
