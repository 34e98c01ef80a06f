"""The session's token: what it is now, and what is done with it on leaving."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vestibule.client.channel import Channel, Feature
from vestibule.client.pending import About
from vestibule.protocol import messages
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.messages import Leave, Message


__all__ = ["Leaving"]

_LEAVE: Final = About(Topic.AUTH, Action.BYE)


class Leaving(Feature):
    """Hears of another token, and tells the broker what a bye cannot say.

    `replaced` is called with each token that takes the place of the one before.
    """

    def __init__(
        self, channel: Channel, replaced: Callable[[str | None], None]
    ) -> None:
        self._channel: Final = channel
        self._replaced: Final = replaced

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """As `Feature.handlers`."""
        return {messages.TokenReplaced: self._heard}

    def _heard(self, notice: messages.TokenReplaced) -> None:
        self._replaced(notice.token)

    async def leave(self, *, revoke_token: bool, end_children: bool) -> None:
        """Have the broker end the session, and more with it.

        Raises:
            RequestFailed: STORAGE_FAILED; the token is refused already, but that is
                not stored.
            ConnectionLost, SessionClosed: whether it was done is not known, or it was
                not.
        """
        await self._channel.ask(
            lambda id_: Leave(id_, revoke_token, end_children), _LEAVE, ""
        )
