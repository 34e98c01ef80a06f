"""The broker: running it, embedding it, writing permission handlers for it."""

from vestibule.protocol.actions import Action, Topic
from vestibule.server.broker import Broker
from vestibule.server.config import Config
from vestibule.server.config_source import ConfigError
from vestibule.server.handler import (
    CannotDecide,
    ConnectionData,
    Identity,
    InvalidCredentials,
    Message,
    PermissionHandler,
)
from vestibule.server.verdict import Allowed, Denied


__all__ = [
    "Action",
    "Allowed",
    "Broker",
    "CannotDecide",
    "Config",
    "ConfigError",
    "ConnectionData",
    "Denied",
    "Identity",
    "InvalidCredentials",
    "Message",
    "PermissionHandler",
    "Topic",
]
