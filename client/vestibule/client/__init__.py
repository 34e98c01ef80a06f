"""The client: connect into quarantine, log in, and ask a broker everything."""

from vestibule.client.authentication import (
    Abstain,
    Allow,
    AuthenticationRequest,
    Authenticator,
    Deny,
)
from vestibule.client.changes import Change, ChangeStream
from vestibule.client.client import connect, open_session
from vestibule.client.connection import Connection
from vestibule.client.errors import (
    ConnectionClosed,
    ConnectionLost,
    ErrorReport,
    HandshakeFailed,
    LoginRefused,
    MessageDenied,
    RemoteError,
    RequestFailed,
    RequestTimeout,
    ScriptError,
    SessionClosed,
    VersionConflict,
    VestibuleError,
)
from vestibule.client.given_call import GivenCall, Reject
from vestibule.client.provision import Provision
from vestibule.client.reconnect import Reconnect
from vestibule.client.registration import Registration
from vestibule.client.script_builders import (
    SecurityScriptBuilder,
    SystemAuthenticationScriptBuilder,
)
from vestibule.client.security import Security
from vestibule.client.security_views import (
    AnonymousPolicy,
    PropertyRule,
    Role,
    SecurityConfiguration,
    SystemAuthenticationConfiguration,
    SystemPrincipal,
)
from vestibule.client.session import Session
from vestibule.client.state import ConnectionState
from vestibule.client.subscription import Event, Subscription
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.protocol.roles import roles_to_string, string_to_roles


__all__ = [
    "Abstain",
    "Action",
    "Allow",
    "AnonymousPolicy",
    "AuthenticationRequest",
    "Authenticator",
    "Change",
    "ChangeStream",
    "Connection",
    "ConnectionClosed",
    "ConnectionLost",
    "ConnectionState",
    "Deny",
    "ErrorReport",
    "Event",
    "GivenCall",
    "GlobalPermission",
    "HandshakeFailed",
    "LoginRefused",
    "MessageDenied",
    "PathPermission",
    "PropertyRule",
    "Provision",
    "Reconnect",
    "Registration",
    "Reject",
    "RemoteError",
    "RequestFailed",
    "RequestTimeout",
    "Role",
    "ScriptError",
    "Security",
    "SecurityConfiguration",
    "SecurityScriptBuilder",
    "Session",
    "SessionClosed",
    "Subscription",
    "SystemAuthenticationConfiguration",
    "SystemAuthenticationScriptBuilder",
    "SystemPrincipal",
    "Topic",
    "VersionConflict",
    "VestibuleError",
    "connect",
    "open_session",
    "roles_to_string",
    "string_to_roles",
]
