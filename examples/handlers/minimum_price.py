"""A handler that looks at data.

Creating a record with data is decided as an update too, and each part of a bulk change
as a patch, so these two actions are all there is to look at.

    handler: examples.handlers.minimum_price:MinimumPrice
"""

from vestibule.server import Action, CannotDecide, Message, PermissionHandler, Topic


LEAST = 60_000


class MinimumPrice(PermissionHandler):
    """The price of fancyCar is never set to less than 60000, by patch or by update."""

    def can_perform_action(self, username: str, message: Message) -> bool:
        """Deny a price that is too low; refuse to decide about what is no number."""
        del username
        if message.topic is not Topic.RECORD or message.name != "fancyCar":
            return True
        if message.action is Action.PATCH and message.path == "price":
            price = message.data
        elif message.action is Action.UPDATE:
            price = message.data.get("price")
        else:
            return True
        if isinstance(price, bool) or not isinstance(price, int | float):
            raise CannotDecide("price is not a number")
        return price >= LEAST
