"""The states of a connection as its application sees them."""

from enum import StrEnum


__all__ = ["ConnectionState"]


class ConnectionState(StrEnum):
    """How far a connection has come."""

    CONNECTING = "connecting"
    """There is no answer to the hello yet."""
    QUARANTINED = "quarantined"
    """The broker has proved who it is, and waits for a login."""
    AUTHENTICATING = "authenticating"
    """A login is open."""
    OPEN = "open"
    """There is a session, and it can be used."""
    RECONNECTING = "reconnecting"
    """There is a session; its requests wait for the next connection."""
    CLOSED = "closed"
    """It has ended for good."""
