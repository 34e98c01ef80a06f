"""Registering as a control authenticator: the method by which sessions do it."""

from collections.abc import Callable, Mapping
from typing import Final

from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, method
from vestibule.server.errors import RequestError
from vestibule.server.session import Session


__all__ = ["Registering"]


class Registering:
    """The method `set_authenticator`.

    Whoever may call it can let in anybody as anybody.
    """

    def __init__(
        self,
        register: Callable[[Session, object], None],
        sessions: Mapping[str, Session],
    ) -> None:
        self._register: Final = register
        self._sessions: Final = sessions

    @method(GlobalPermission.REGISTER_HANDLER, GlobalPermission.AUTHENTICATE)
    async def set_authenticator(self, caller: Caller, name: object) -> None:
        """Ask the calling session about logins, under a name of the chain's."""
        session = self._sessions.get(caller.session_id)
        if session is None:
            raise RequestError(ErrorCode.SESSION_CLOSED)
        self._register(session, name)
