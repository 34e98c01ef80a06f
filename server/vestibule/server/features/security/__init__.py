"""The component `security`: the directory, administered over the broker's own protocol.

Its methods are called, granted and denied like any method, at
`<broker name>/security/<method>` (docs/permissions.md, "The methods of `security`").
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import methods_of
from vestibule.server.features.security.administration import ADMINISTRATION
from vestibule.server.features.security.answers import Answers
from vestibule.server.features.security.attaching import Attaching
from vestibule.server.features.security.audit_log import AuditQueries
from vestibule.server.features.security.live_sessions import LiveSessions
from vestibule.server.features.security.own_permissions import OwnPermissions
from vestibule.server.features.security.own_user import OwnUser
from vestibule.server.features.security.registering import Registering
from vestibule.server.features.security.sessions_and_tokens import SessionsAndTokens


__all__ = ["PARTS", "SECURITY_METHODS"]

PARTS: Final = (
    Answers,
    Attaching,
    AuditQueries,
    LiveSessions,
    OwnPermissions,
    OwnUser,
    Registering,
    SessionsAndTokens,
)
"""The classes whose methods they are, beside `administration`."""

SECURITY_METHODS: Final[Mapping[str, tuple[GlobalPermission, ...] | None]] = (
    MappingProxyType(
        {
            **ADMINISTRATION,
            **{
                name: declared.needs
                for part in PARTS
                for name, declared in methods_of(part).items()
            },
        }
    )
)
"""The methods, and the global permissions that allow each; none: only a rule does;
None: every session may."""
