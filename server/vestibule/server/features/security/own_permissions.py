"""Methods of `security` that tell a session its own permissions: every session may."""

from collections.abc import Mapping
from typing import Final

from vestibule.protocol.errors import ErrorCode, InvalidName
from vestibule.protocol.names import Name, parse_name
from vestibule.server.components import Caller, method
from vestibule.server.directory.arguments import parse_text
from vestibule.server.errors import RequestError
from vestibule.server.session import Session


__all__ = ["OwnPermissions"]


class OwnPermissions:
    """What the calling session holds, by the policy that the gate uses now.

    Permissions are answered by their codes (docs/stores.md, "Who may call what").
    """

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        self._sessions: Final = sessions

    @method(everybody=True)
    async def get_global_permissions(self, caller: Caller) -> list[int]:
        """Give the caller's global permissions."""
        subject = self._own(caller).subject
        return sorted(one.code for one in subject.global_permissions)

    @method(everybody=True)
    async def get_path_permissions(self, caller: Caller, path: object) -> list[int]:
        """Give what path assignments grant the caller at a path; no rule counts."""
        name = _concrete(parse_text(path, "path"))
        subject = self._own(caller).subject
        return sorted(one.code for one in subject.path_permissions(name))

    def _own(self, caller: Caller) -> Session:
        session = self._sessions.get(caller.session_id)
        if session is None:
            # It ended while its call was waiting.
            raise RequestError(ErrorCode.SESSION_CLOSED)
        return session


def _concrete(text: str) -> Name:
    try:
        name = parse_name(text)
    except InvalidName:
        raise RequestError(ErrorCode.INVALID_PATH) from None
    if "{" in name or "}" in name:
        raise RequestError(ErrorCode.INVALID_PATH)
    return name
