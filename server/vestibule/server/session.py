"""A session: a connection that has a user. Only `Quarantine.admit` makes one."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from msgspec import Raw

from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.admissions import Admission
from vestibule.server.directory.inquiry import Inquiry
from vestibule.server.directory.policy import Policy, Subject
from vestibule.server.directory.roles import Roles
from vestibule.server.families import Continued, Family, meter_of, unlimited
from vestibule.server.handler import ConnectionData, SessionView
from vestibule.server.properties import NO_PROPERTIES
from vestibule.server.secret import Secret


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

    Who that is may change while it lives: `become` does it, in one step.
    """

    __slots__ = (
        "admission",
        "authenticator",
        "client_data",
        "connected_at",
        "connection",
        "ended",
        "ends_with",
        "expires_at",
        "exporter",
        "family",
        "generation",
        "heard_at",
        "id",
        "identity",
        "info",
        "last",
        "limited",
        "link",
        "location",
        "meter",
        "narrowing",
        "proof",
        "properties",
        "remote_address",
        "resume_key",
        "roles",
        "server_data",
        "started_at",
        "subject",
        "token",
        "username",
        "waiting",
    )

    def __init__(  # noqa: PLR0913 - one a fact about the session
        self,
        connection: ConnectionData,
        admission: Admission,
        *,
        policy: Policy,
        link: Link,
        connected_at: float,
        started_at: int = 0,
        info: Mapping[str, Any] = NO_PROPERTIES,
        resume_key: bytes | None = None,
        exporter: bytes | None = None,
    ) -> None:
        self.id: Final = connection.session_id
        self.connection: Final = connection
        self.remote_address: Final = connection.remote_address
        self.link: Final = link
        self.connected_at: Final = connected_at
        """When it was admitted, by the clock of the loop."""
        self.started_at: Final = started_at
        """`$StartTime`: the same in milliseconds since 1970."""
        self.info: Final = info
        """What the client said of itself at its login: shown, and nothing else."""
        self.resume_key: Final = resume_key
        """The key under which the client wants resume tickets, if it does."""
        self.exporter: Final = exporter
        """Names the exchange of keys below it; None without encryption."""
        self.heard_at = connected_at
        """When messages came last, by the clock of the loop."""
        self.last: tuple[Any, object, bool, float] | None = None
        """The message decided last: right, name, whether it was allowed, and when."""
        self.narrowing: Subject | None = None
        """What its profile leaves of its rights, None for all of them."""
        self.location: Mapping[str, str] = NO_PROPERTIES
        """`$Country` and the like, as far as they are set."""
        self._take(admission)
        self._decide_by(policy)
        self.waiting: Any = None
        """Deliveries behind one whose verdict is awaited; `Delivery` keeps it."""
        self.generation = 0
        """Raised whenever an answer about this session may be another than before:
        what was asked under an earlier one is asked again."""
        self.ended = False
        self.ends_with: EndReason | None = None
        """Set where the session's own request ends it: its answer goes out first."""

    def _take(self, admission: Admission) -> None:
        """Be whom an admission says, with what it gives."""
        self.admission = admission
        """The login that it is there by, which what follows may have changed since."""
        self.username = admission.username
        """Empty for an anonymous session."""
        self.identity = Raw(
            encode_body(
                {
                    "username": admission.username,
                    "session_id": self.id,
                    "delegate": None,
                }
            )
        )
        """Who calls, as a provider is told; made by the broker, encoded once."""
        self.authenticator = admission.authenticator
        self.roles = admission.roles
        self.client_data = admission.client_data
        self.server_data = admission.server_data
        self.properties = admission.properties
        """Those that are user-defined; never changed, replaced as a whole."""
        self.location = {**self.location, **admission.location}
        self.expires_at = admission.expires_at
        """`$ExpiryTime`, in milliseconds since 1970; None: never."""
        self.proof = admission.proof
        """What the check of its proof found, if one was checked."""
        token = admission.answer.get("token")
        self.enter(
            unlimited() if admission.family is None else admission.family,
            Secret(token) if isinstance(token, str) else None,
        )

    @property
    def continued(self) -> Continued:
        """What goes on if the session is cut off and its client comes back."""
        return Continued(self.family, self.token)

    def enter(self, family: Family, token: Secret | None) -> None:
        """Be under the limits of another family; `Tokens` moves it there."""
        self.token = token
        """The session's token, as its client was told it."""
        self.family = family
        """All that goes on under the same session token."""
        self.meter = meter_of(family, self._use_up)
        """What counts its messages, None where nobody does."""
        narrowed = family.profile.narrowing is not None
        self.limited = narrowed or self.meter is not None
        """Whether the gate has more to ask than the policy."""

    def _use_up(self) -> None:
        self.link.end(CloseCode.SESSION_EXPIRED, EndReason.USAGE_LIMIT)

    def _decide_by(self, policy: Policy) -> None:
        self.subject: Subject = policy.subject(self.username, self.roles)
        narrowing = self.family.profile.narrowing
        if narrowing is None:
            self.narrowing = None
        else:
            user = policy.model.user(self.username) if self.bound else None
            self.narrowing = narrowing.subject(self.username, user)

    @property
    def bound(self) -> bool:
        """Whether the session follows the directory user of its name."""
        return self.roles.bound

    def follow(self, policy: Policy) -> None:
        """Be decided by `policy` from now on."""
        self.generation += 1
        self._decide_by(policy)

    def become(self, admission: Admission, policy: Policy) -> None:
        """Be somebody else from now on, and decided as such.

        Whoever calls it enters the session anew in `Sessions`, and has all that it
        holds decided again before anybody is answered.
        """
        self._take(admission)
        self.follow(policy)

    def change_roles(self, roles: Roles, policy: Policy) -> None:
        """Have other roles from now on; what it holds is for the caller to recheck."""
        self.roles = roles
        self.follow(policy)

    @property
    def fixed_properties(self) -> dict[str, str]:
        """The properties whose keys begin with `$`, except `$Roles`."""
        fixed = {
            "$SessionId": self.id,
            "$ClientIP": self.remote_address,
            "$StartTime": str(self.started_at),
            "$Principal": self.username,
            **self.location,
        }
        if self.expires_at is not None:
            fixed["$ExpiryTime"] = str(self.expires_at)
        return fixed

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
            policy=Inquiry(self.subject),
        )

    def __repr__(self) -> str:
        return f"Session({self.id}, {self.username!r})"
