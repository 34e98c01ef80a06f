"""A handler that looks at who asks, and for what.

handler: examples.handlers.lisa_deletes_nothing:LisaDeletesNothing
"""

from vestibule.server import Action, Message, PermissionHandler, Topic


class LisaDeletesNothing(PermissionHandler):
    """Prevent LisaA from deleting records."""

    def can_perform_action(self, username: str, message: Message) -> bool:
        """Deny LisaA the deletion of records; allow all else."""
        return not (
            username == "LisaA"
            and message.topic is Topic.RECORD
            and message.action is Action.DELETE
        )
