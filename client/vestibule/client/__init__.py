"""The client: connect into quarantine, log in, and ask a broker everything."""

from vestibule.client.client import connect, open_session
from vestibule.client.connection import Connection
from vestibule.client.errors import (
    ConnectionClosed,
    ConnectionLost,
    HandshakeFailed,
    LoginRefused,
    MessageDenied,
    RemoteError,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
    VestibuleError,
)
from vestibule.client.given_call import GivenCall, Reject
from vestibule.client.provision import Provision
from vestibule.client.reconnect import Reconnect
from vestibule.client.session import Session
from vestibule.client.state import ConnectionState
from vestibule.client.subscription import Event, Subscription
from vestibule.protocol.actions import Action, Topic


__all__ = [
    "Action",
    "Connection",
    "ConnectionClosed",
    "ConnectionLost",
    "ConnectionState",
    "Event",
    "GivenCall",
    "HandshakeFailed",
    "LoginRefused",
    "MessageDenied",
    "Provision",
    "Reconnect",
    "Reject",
    "RemoteError",
    "RequestFailed",
    "RequestTimeout",
    "Session",
    "SessionClosed",
    "Subscription",
    "Topic",
    "VestibuleError",
    "connect",
    "open_session",
]
