"""What comes of a login: an admission, or a refusal and what the client hears of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from vestibule.protocol.errors import CloseCode, ErrorCode
from vestibule.server.directory.roles import BOUND, Roles
from vestibule.server.properties import no_properties


__all__ = ["INVALID_CREDENTIALS", "Admission", "Answer", "Refusal", "Turned"]

INVALID_CREDENTIALS: Final = "invalid credentials"
"""The one reason for a wrong password, an unknown name, and all the rest."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Let in: who it is then, with which roles, and what the session is given."""

    username: str
    """Empty for an anonymous session."""
    authenticator: str
    roles: Roles = BOUND
    client_data: Any = None
    server_data: Any = None
    properties: Mapping[str, str] = field(default_factory=no_properties)
    """User-defined ones."""
    location: Mapping[str, str] = field(default_factory=no_properties)
    """`$Country`, `$Language`, `$Latitude`, `$Longitude`."""
    expires_at: int | None = None
    """`$ExpiryTime`, in milliseconds since 1970; None: it never expires."""
    user_id: str = field(default="", compare=False)
    """Whom a proof is of; empty where none was checked. The user of the name must still
    be this one when all is decided."""
    stands: Callable[[], bool] | None = field(default=None, compare=False)
    """Asked when all is decided: whether what was proved is still so. Others may have
    taken their time, and the password another one meanwhile."""
    answer: Mapping[str, Any] = field(default_factory=no_properties, compare=False)
    """Further fields for the answer to a first login, by the scheme's own rules."""
    replaces: str = field(default="", compare=False)
    """The id of a session that ends, if it lives, when this one begins."""
    proof: Any = field(default=None, compare=False)
    """What the check of a proof found, for whoever follows admissions."""
    family: Any = field(default=None, compare=False)
    """All that goes on under the same session token; set where it is entered."""

    def __repr__(self) -> str:
        return f"Admission({self.username!r}, {self.authenticator!r})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not let in: what the client is told.

    `evaluated` says that credentials were looked at, so that it counts as a failure.
    `told` is for the audit log alone, where that may say more than the client hears.
    """

    code: ErrorCode = ErrorCode.INVALID_AUTH_DATA
    reason: str = INVALID_CREDENTIALS
    client_data: Any = None
    authenticator: str = ""
    retry_after: float | None = None
    evaluated: bool = True
    told: str | None = None

    def __repr__(self) -> str:
        return f"Refusal({self.code}, {self.authenticator!r})"


Answer: TypeAlias = Admission | Refusal | None
"""What a member of the chain says; None abstains."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A login that was refused: what the client is told, and whether it is the end."""

    code: ErrorCode
    reason: str
    details: Mapping[str, Any] = field(default_factory=no_properties)
    bye: CloseCode | None = None
