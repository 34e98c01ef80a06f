"""A handler that looks at names.

handler: examples.handlers.private_records:PrivateRecords
"""

from vestibule.server import Message, PermissionHandler, Topic


class PrivateRecords(PermissionHandler):
    """A record's name must contain the name of the user."""

    def can_perform_action(self, username: str, message: Message) -> bool:
        """Allow a record with the user's name in its own; allow all other topics."""
        return message.topic is not Topic.RECORD or username in message.name
