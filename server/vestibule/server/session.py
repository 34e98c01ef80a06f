"""A session: a connection that has a user. Only `Quarantine.admit` makes one."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from msgspec import Raw

from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.handler import SessionView


__all__ = ["Link", "Session"]


class Link(Protocol):
    """The connection under a session, as far as a session needs it."""

    @property
    def put(self) -> Callable[[bytes], None]:
        """Queue one encoded message for the client."""

    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        """Say bye and close, behind what is queued or, to `discard`, in its place."""

    def slow(self) -> None:
        """End it for reading too slowly."""

    def fail(self) -> None:
        """Drop the connection without a bye: the broker failed inside it."""


class Session:
    """Who is on a connection, and what the policy says of them now.

    `groups` is None for a session bound to the directory user of its name, whose
    groups it then has, live; otherwise exactly those it was admitted with.
    """

    __slots__ = (
        "authenticator",
        "client_data",
        "connected_at",
        "ended",
        "ends_with",
        "generation",
        "groups",
        "id",
        "identity",
        "link",
        "properties",
        "remote_address",
        "server_data",
        "subject",
        "username",
        "waiting",
    )

    def __init__(  # noqa: PLR0913 - one a fact about the session
        self,
        session_id: str,
        username: str,
        *,
        groups: tuple[str, ...] | None,
        policy: Policy,
        link: Link,
        remote_address: str,
        authenticator: str,
        client_data: Any,
        server_data: Any,
        properties: Mapping[str, str],
        connected_at: float,
    ) -> None:
        self.id: Final = session_id
        self.username: Final = username
        self.identity: Final = Raw(
            encode_body(
                {"username": username, "session_id": session_id, "delegate": None}
            )
        )
        """Who calls, as a provider is told; made by the broker, encoded once."""
        self.groups: Final = groups
        self.link: Final = link
        self.remote_address: Final = remote_address
        self.authenticator: Final = authenticator
        self.client_data: Final = client_data
        self.server_data: Final = server_data
        self.properties: Final = properties
        self.connected_at: Final = connected_at
        self.subject: Subject = policy.subject(username, groups)
        self.waiting: Any = None
        """Deliveries behind one whose verdict is awaited; `Delivery` keeps it."""
        self.generation = 0
        """Raised whenever an answer about this session may be another than before:
        what was asked under an earlier one is asked again."""
        self.ended = False
        self.ends_with: EndReason | None = None
        """Set where the session's own request ends it: its answer goes out first."""

    @property
    def bound(self) -> bool:
        """Whether the session follows the directory user of its name."""
        return self.groups is None

    def follow(self, policy: Policy) -> None:
        """Be decided by `policy` from now on."""
        self.generation += 1
        self.subject = policy.subject(self.username, self.groups)

    def view(self) -> SessionView:
        """What a permission handler may see of this session."""
        return SessionView(
            username=self.username,
            session_id=self.id,
            remote_address=self.remote_address,
            groups=tuple(sorted(self.subject.groups)),
            client_data=self.client_data,
            server_data=self.server_data,
            properties=self.properties,
        )

    def __repr__(self) -> str:
        return f"Session({self.id}, {self.username!r})"
