"""Rights: what each kind of message needs, and what its deliveries need."""

from typing import Final

from vestibule.protocol.actions import DELIVERY, NEEDS, Action, Need, Section, Topic
from vestibule.protocol.permissions import GlobalPermission, PathPermission


__all__ = [
    "CALL",
    "PROVIDE",
    "PUBLISH",
    "SEND",
    "SUBSCRIBE",
    "Right",
    "component_right",
]


class Right:
    """What an action needs, and what the deliveries that it leads to need."""

    __slots__ = ("action", "delivery", "handled", "need", "topic")

    def __init__(
        self, topic: Topic, action: Action, need: Need, delivery: Need | None = None
    ) -> None:
        self.topic: Final = topic
        self.action: Final = action
        self.need: Final = need
        self.delivery: Final = delivery or need
        self.handled: Final = topic in _HANDLED
        """Whether a handler decides in the policy's place."""


_HANDLED: Final = frozenset({Topic.EVENT, Topic.RECORD, Topic.RPC, Topic.PRESENCE})


def _right(topic: Topic, action: Action) -> Right:
    key = (topic, action)
    return Right(topic, action, NEEDS[key], DELIVERY.get(key))


PUBLISH: Final = _right(Topic.EVENT, Action.PUBLISH)
SUBSCRIBE: Final = _right(Topic.EVENT, Action.SUBSCRIBE)
CALL: Final = _right(Topic.RPC, Action.CALL)
SEND: Final = _right(Topic.RPC, Action.SEND)
PROVIDE: Final = _right(Topic.RPC, Action.PROVIDE)


def component_right(needs: tuple[GlobalPermission, ...] | None) -> Right:
    """Give the right to call a method of the broker's own that names `needs`.

    None stands for a method that every session may call.
    """
    need = Need(
        section=Section.METHODS,
        verb="call",
        path=frozenset({PathPermission.SEND_TO_MESSAGE_HANDLER}),
        globally=frozenset(needs or ()),
        everybody=needs is None,
    )
    return Right(Topic.RPC, Action.CALL, need)
