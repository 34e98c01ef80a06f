"""The permission handler: what a user of the broker writes to take its decisions.

`docs/handlers.md` is the page for its authors; the base class here decides nothing by
itself: it lets in nobody and answers whatever the policy answers.
"""

from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from msgspec import Raw

from vestibule.protocol.actions import NEEDS, Action, Topic
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.server.verdict import Allowed, Verdict


__all__ = [
    "CannotDecide",
    "ConnectionData",
    "Headers",
    "Identity",
    "InvalidCredentials",
    "Message",
    "PermissionHandler",
    "PolicyView",
    "SessionView",
]


class InvalidCredentials(Exception):  # noqa: N818 - the contract's name
    """Raised by `is_valid_user`: refused, and no other authenticator is asked.

    `reason` and `client_data` go to the client.
    """

    def __init__(
        self, reason: str = "invalid credentials", client_data: Any = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.client_data = client_data


class CannotDecide(Exception):  # noqa: N818 - the contract's name
    """Raised by `can_perform_action`: refused with MESSAGE_PERMISSION_ERROR.

    The text goes to the client.
    """


@dataclass(frozen=True, slots=True)
class Identity:
    """Who `is_valid_user` lets in, and with what.

    With `groups` the session has exactly those; without, the groups of the directory
    user of that name. `client_data` reaches the client, `server_data` never leaves
    the broker; neither shows in a repr.
    """

    username: str
    groups: Iterable[str] = ()
    client_data: Any = None
    server_data: Any = None
    properties: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        return f"Identity({self.username!r})"


class Headers(Mapping[str, str]):
    """The headers of the upgrade request: read-only, keys without regard to case.

    A header that came several times is joined with `, `.
    """

    __slots__ = ("_values",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, str] = {}
        for key, value in items:
            low = key.lower()
            values[low] = f"{values[low]}, {value}" if low in values else value
        self._values: Final = values

    def __getitem__(self, key: str) -> str:
        return self._values[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        # Values may be cookies and tokens: the names alone are shown.
        return f"Headers({', '.join(self._values)})"


@dataclass(frozen=True, slots=True)
class ConnectionData:
    """What is known of a stranger while its login is decided."""

    remote_address: str
    """The socket's address without port, or what a trusted proxy says it is."""
    headers: Headers
    session_id: str
    """The id that the session will have."""
    local: bool = False
    """Whether it was made inside the broker's process; the transport says so."""

    @property
    def origin(self) -> str | None:
        """The upgrade's `Origin`, which only browsers send."""
        return self.headers.get("origin")

    @property
    def referer(self) -> str | None:
        """The upgrade's `Referer`."""
        return self.headers.get("referer")


class PolicyView(Protocol):
    """The policy that decides a message, to be asked; nothing here changes anything.

    Actions are written as section and verb (`events.publish`), paths are whole. The
    answers are those of the methods of `security` (docs/directory.md). What is asked
    wrongly raises.
    """

    def explain(
        self, action: str, path: str, username: str | None = None
    ) -> dict[str, Any]:
        """Tell whether the session, or a user, may do something, and why."""

    async def who_can(self, action: str, path: str) -> list[dict[str, Any]]:
        """List the users who may do something, each with its grant."""

    async def what_can(self, username: str | None = None) -> dict[str, Any]:
        """List what the session, or a user, may do."""

    async def what_if(self, changes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """List the users who would gain or lose what by changes of the directory."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """What a handler may see of the session that asks; all of it read-only."""

    username: str
    session_id: str
    remote_address: str
    groups: tuple[str, ...]
    client_data: Any
    server_data: Any
    properties: Mapping[str, str]
    policy: PolicyView | None = None
    """Present in every message of a session; `Message.policy` gives it."""

    def __repr__(self) -> str:
        return f"SessionView({self.username!r}, {self.session_id})"


_UNDECODED: Final = object()


class Message:
    """What is asked, for a handler to decide: read-only, always one primitive action.

    `name` is the canonical name or pattern. `path` and `steps` are the data path
    inside a record, None for every other message. `verdict` is what the policy alone
    answers, `granted` the same as a bool.
    """

    __slots__ = (
        "_body",
        "_data",
        "_encoded",
        "_session",
        "action",
        "is_pattern",
        "name",
        "path",
        "steps",
        "topic",
        "verdict",
        "version",
    )

    def __init__(  # noqa: PLR0913 - one a column of docs/handlers.md
        self,
        topic: Topic,
        action: Action,
        name: str,
        *,
        verdict: Verdict,
        session: Callable[[], SessionView] | None = None,
        body: Raw | None = None,
        data: Any = _UNDECODED,
        path: str | None = None,
        steps: tuple[str | int, ...] | None = None,
        version: int | None = None,
    ) -> None:
        self.topic: Final = topic
        self.action: Final = action
        self.name: Final = name
        self.is_pattern: Final = "*" in name
        self.path: Final = path
        self.steps: Final = steps
        self.version: Final = version
        self.verdict: Final = verdict
        self._session = session
        self._body = body
        self._encoded = False
        if data is _UNDECODED and body is None:
            data = None
        self._data = data

    @property
    def data(self) -> Any:
        """The decoded body, a private copy: changing it changes nothing."""
        if self._data is _UNDECODED:
            body = self._body
            if body is None:  # pragma: no cover - the constructor excludes it
                return None
            # What was decoded for a decision is what is passed on, so that a body
            # which repeats a key means the same to everybody (docs/security.md,
            # "What was decided is what happens").
            self._body = Raw(encode_body(decode_body(body)))
            self._data = decode_body(self._body)
        return self._data

    @property
    def body(self) -> Raw | None:
        """The encoded body to pass on: as it came, or as it was decoded."""
        return self._body

    @property
    def session(self) -> SessionView:
        """The session that asks."""
        if self._session is None:
            raise AttributeError("this message was made without a session")
        return self._session()

    @property
    def policy(self) -> PolicyView:
        """The policy that decides, to be asked about this session and about others."""
        policy = self.session.policy
        if policy is None:
            raise AttributeError("this message was made without a policy")
        return policy

    def explain(self) -> dict[str, Any] | None:
        """Tell what the policy alone says of this message: every grant that matched.

        None where no rule can speak of it.
        """
        need = NEEDS.get((self.topic, self.action))
        if need is None or need.section is None or need.verb is None:
            return None
        return self.policy.explain(f"{need.section}.{need.verb}", self.name)

    @property
    def granted(self) -> bool:
        """Whether the policy alone allows it."""
        return isinstance(self.verdict, Allowed)

    async def current(self) -> Any:
        """The record's data now; None for whatever is not an existing record."""
        return None

    async def result(self) -> Any:
        """The record's data as it would be after the whole request; None likewise."""
        return None

    def __repr__(self) -> str:
        # Without the data: it may be private, and reprs end in logs.
        return f"Message({self.topic}, {self.action}, {self.name!r})"


NO_PROPERTIES: Final[Mapping[str, str]] = MappingProxyType({})


class PermissionHandler:
    """The base of permission handlers; override what you want to decide.

    One object serves all connections. Each method may be `def` or `async def`; a
    plain `def` runs on the event loop and must not block.
    """

    def is_valid_user(
        self, connection: ConnectionData, auth_data: dict[str, Any]
    ) -> str | Identity | Awaitable[str | Identity | None] | None:
        """Decide a login: a username or an `Identity` admits, None abstains.

        Raise `InvalidCredentials` to refuse. The default abstains.
        """
        del connection, auth_data
        return None

    def can_perform_action(
        self, username: str, message: Message
    ) -> bool | Verdict | Awaitable[bool | Verdict]:
        """Decide a message; only True and `Allowed` allow.

        The default answers what the policy answers.
        """
        del username
        return message.verdict

    def can_receive(
        self, username: str, message: Message
    ) -> bool | Verdict | Awaitable[bool | Verdict]:
        """Decide a delivery; only True and `Allowed` deliver.

        The default answers what the policy answers.
        """
        del username
        return message.verdict

    def on_client_disconnect(self, username: str) -> Awaitable[None] | None:
        """Hear that an admitted session of `username` has ended."""
        del username
        return None
