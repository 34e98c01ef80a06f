"""Leaving with a word about one's session token: what a bye cannot say."""

from collections.abc import Awaitable, Callable
from typing import Final

from vestibule.protocol import messages
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server import replies
from vestibule.server.errors import RequestError
from vestibule.server.session import Session
from vestibule.server.tokens import Tokens


__all__ = ["Leaving"]


class Leaving:
    """Closes a session for its client, with its token or its family.

    Nobody decides that: like a bye it only gives up what is one's own.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens: Final = tokens
        self.handlers: Final[
            dict[type[messages.Message], Callable[..., Awaitable[None] | None]]
        ] = {messages.Leave: self.leave}

    async def leave(self, session: Session, request: messages.Leave) -> None:
        """Do what is asked, answer, and end the session as closed by its client."""
        token_id = session.family.token_id
        if request.end_children:
            self._tokens.end_others(session)
        try:
            if request.revoke_token and token_id is not None:
                await self._tokens.revoke(token_id, EndReason.CLIENT, but=session)
        except RequestError as error:
            replies.refuse(session, request.id, error)
        else:
            replies.done(session, request.id)
        if not session.ended:
            session.link.end(CloseCode.CLOSED, EndReason.CLIENT)

    async def recheck(self, session: Session) -> None:
        """Nothing is kept that could be decided again."""

    def session_ended(self, session: Session) -> None:
        """Nothing is kept."""
