"""Methods of `security` by which a session asks to hear what the broker emits."""

from collections.abc import Mapping
from typing import Final

from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.attachments import Attachments, Family
from vestibule.server.components import Caller, method
from vestibule.server.session import Session


__all__ = ["Attaching"]


class Attaching:
    """Attaches sessions, and detaches them.

    It concerns the calling session alone, and ends with it. What an attached session
    hears is what it subscribes to and may (docs/permissions.md, "Events of the
    directory").
    """

    def __init__(
        self, attachments: Attachments, sessions: Mapping[str, Session]
    ) -> None:
        self._attachments: Final = attachments
        self._sessions: Final = sessions

    @method(GlobalPermission.VIEW_SECURITY)
    async def attach_to_security_changes(self, caller: Caller) -> None:
        """Let the session hear directory events. Attaching twice is attaching once."""
        self._attach(Family.DIRECTORY, caller)

    @method(GlobalPermission.VIEW_SECURITY)
    async def detach_from_security_changes(self, caller: Caller) -> None:
        """End that; nothing happens to a session that is not attached."""
        self._detach(Family.DIRECTORY, caller)

    @method(GlobalPermission.VIEW_SESSION)
    async def attach_to_session_changes(self, caller: Caller) -> None:
        """Let the session hear when others log in and leave."""
        self._attach(Family.SESSIONS, caller)

    @method(GlobalPermission.VIEW_SESSION)
    async def detach_from_session_changes(self, caller: Caller) -> None:
        """End that; nothing happens to a session that is not attached."""
        self._detach(Family.SESSIONS, caller)

    def _attach(self, family: Family, caller: Caller) -> None:
        session = self._sessions.get(caller.session_id)
        if session is not None:
            self._attachments.attach(family, session)

    def _detach(self, family: Family, caller: Caller) -> None:
        session = self._sessions.get(caller.session_id)
        if session is not None:
            self._attachments.detach(family, session)
