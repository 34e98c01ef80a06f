"""The chain of authenticators that decides logins, and its members."""

from vestibule.server.authenticators.building import Builder
from vestibule.server.authenticators.chain import Authenticator, Chain
from vestibule.server.authenticators.control import (
    Absent,
    Asking,
    ControlAuthenticator,
    Unanswered,
)
from vestibule.server.authenticators.directory import DirectoryAuthenticator
from vestibule.server.authenticators.entrance import CLIENT_DATA_BYTES
from vestibule.server.authenticators.handler import (
    HandlerAuthenticator,
    NoIdentity,
    admission_of,
)


__all__ = [
    "CLIENT_DATA_BYTES",
    "Absent",
    "Asking",
    "Authenticator",
    "Builder",
    "Chain",
    "ControlAuthenticator",
    "DirectoryAuthenticator",
    "HandlerAuthenticator",
    "NoIdentity",
    "Unanswered",
    "admission_of",
]
