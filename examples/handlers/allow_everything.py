"""A handler that allows every message; logins stay with the directory.

It decides for events, records, calls and presence. The broker's own components stay
with the policy: no handler can hand out administration.

    handler: examples.handlers.allow_everything:AllowEverything
"""

from vestibule.server import Message, PermissionHandler


class AllowEverything(PermissionHandler):
    """Whoever is logged in may do everything that is not prohibited."""

    def can_perform_action(self, username: str, message: Message) -> bool:
        """Allow."""
        del username, message
        return True
