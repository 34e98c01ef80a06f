"""What the parts of a broker stand on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vestibule.protocol.crypto import IdentityKey
from vestibule.server.audit import AuditLog
from vestibule.server.config import Config
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.gate import OnDenied
from vestibule.server.hooks import Hooks
from vestibule.server.profiles import Profiles
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions
from vestibule.server.tasks import Tasks
from vestibule.server.trail import Trail


__all__ = ["Ground"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the parts stand on; the broker owns it.

    `finishing` owns what a stop gives time to end by itself, `tasks` the rest.
    `clock` counts seconds for lockouts, `wall` those since 1970. `denied` is told each
    refused message, `login_fields` says what an admitted session is told.
    """

    config: Config
    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    wall: Callable[[], float]
    directory: Directory
    identities: Sequence[IdentityKey]
    hooks: Hooks
    sessions: Sessions
    counters: Counters
    audit: AuditLog
    trail: Trail
    tasks: Tasks
    finishing: Tasks
    denied: OnDenied
    login_fields: Callable[[Session], dict[str, Any]]
    profiles: Profiles
