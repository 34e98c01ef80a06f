"""A handler that decides logins alone; what a user may do stays with the directory.

handler: examples.handlers.only_lisa:OnlyLisa
"""

from typing import Any

from vestibule.server import ConnectionData, InvalidCredentials, PermissionHandler


class OnlyLisa(PermissionHandler):
    """Let LisaA in with her password, nobody else."""

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> str:
        """Admit LisaA; refuse everybody else, so that nobody else is asked."""
        del connection
        if auth_data.get("user") == "LisaA" and auth_data.get("password") == "sesame":
            return "LisaA"
        raise InvalidCredentials("invalid credentials")
