"""The messages from tag 16 on: a closed union of frozen, array-like structs.

The element order of a struct is the order on the wire, after the tag. Tags 0 to 15
are the wire's own and live in `codec`. `docs/protocol.md` has this table for the
writers of other clients; a test compares the two.
"""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Raw

from vestibule.protocol.limits import MAX_ID


__all__ = [
    "NIL",
    "Accept",
    "AnswerRefused",
    "Answered",
    "AnyNotice",
    "AnyRequest",
    "AuthenticationAsked",
    "AuthenticationWithdrawn",
    "AuthenticatorAnswered",
    "AuthenticatorClosed",
    "Call",
    "CallGiven",
    "CallWithdrawn",
    "Cancel",
    "ChangeNoticed",
    "Event",
    "Fail",
    "Failed",
    "Leave",
    "Message",
    "Provide",
    "Publish",
    "Reauthenticate",
    "Reject",
    "Request",
    "Respond",
    "Resumed",
    "Send",
    "Subscribe",
    "Suspended",
    "TicketReplaced",
    "TokenReplaced",
    "Unprovide",
    "UnregisterAuthenticator",
    "Unsubscribe",
]

RequestId: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]

NIL = Raw(b"\xc0")
"""The encoded body of a message that carries no data."""


class Message(
    msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False
):
    """The base of every message: what travels as `[tag, elements…]`."""


class _Secretive(Message, frozen=True):
    """The base of messages with what somebody may log in with: no log may show it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    # What rich and pytest would print instead.
    def __rich_repr__(self) -> Any:
        yield "..."


class Request(Message, frozen=True):
    """A message of a client that wants exactly one answer, `Answered` or `Failed`.

    `id` grows strictly over the connection; answers repeat it.
    """

    id: RequestId


# Client to broker: requests.


class Publish(Request, tag=16, frozen=True):
    """Publish an event. With `ack` false only a failure is answered.

    `to` narrows the receivers to these session ids; it grants nothing.
    """

    name: str
    data: Raw
    ack: bool = True
    to: list[str] | None = None


class Subscribe(Request, tag=17, frozen=True):
    """Subscribe to events by name or pattern; each is decided by itself.

    Answered with a list as long as `patterns`: nil for one that was accepted, else
    `[code, message, details]`. `again` says that a reconnecting client repeats a
    subscription: one that is refused now is kept suspended, with the code
    PERMISSION_REVOKED in its place of the list. `echo` asks for one's own events too.
    """

    patterns: list[str]
    echo: bool = False
    again: bool = False


class Unsubscribe(Request, tag=18, frozen=True):
    """End subscriptions. Answered like `Subscribe`, with NOT_SUBSCRIBED."""

    patterns: list[str]


class Provide(Request, tag=19, frozen=True):
    """Offer to answer calls of a name. `again` as in `Subscribe`; answered nil or code."""

    name: str
    again: bool = False


class Unprovide(Request, tag=20, frozen=True):
    """Withdraw a provision."""

    name: str


class Call(Request, tag=21, frozen=True):
    """Call a provided name or a component's method; answered with its result."""

    name: str
    data: Raw
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)] = 10_000


class Send(Request, tag=22, frozen=True):
    """Call a name at the one session named, if it provides it."""

    session_id: str
    name: str
    data: Raw
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)] = 10_000


class Reauthenticate(Request, tag=28, frozen=True):
    """Log the session in anew: by `scheme`, `data` being the fields of such a login.

    Messages behind it wait for its answer. Answered with a map of `username` and
    `client_data`, or with what refuses a login; the session then stays who it was.
    """

    scheme: str
    data: Raw


# Client to broker: what wants no answer. `call` is the broker's id of a given call.


class Cancel(Message, tag=23, frozen=True):
    """Give up one's own open `Call` or `Send`, named by its request id."""

    request: RequestId


class Accept(Message, tag=24, frozen=True):
    """A provider begins to work on a call."""

    call: RequestId


class Reject(Message, tag=25, frozen=True):
    """A provider passes a call on to the next provider."""

    call: RequestId


class Respond(Message, tag=26, frozen=True):
    """A provider's result."""

    call: RequestId
    data: Raw


class Fail(Message, tag=27, frozen=True):
    """A provider raised: the class name of its exception, and its text."""

    call: RequestId
    name: Annotated[str, msgspec.Meta(max_length=256)]
    message: Annotated[str, msgspec.Meta(max_length=1024)]


class Leave(Request, tag=29, frozen=True):
    """Close the session.

    With `revoke_token` its token is revoked for good, so that all that goes on under it
    ends; with `end_children` the other sessions under the token end and it stays good.

    Answered nil, or STORAGE_FAILED where a revocation is in force and not stored; then
    the session ends as closed by its client.
    """

    revoke_token: bool = False
    end_children: bool = False


class UnregisterAuthenticator(Request, tag=30, frozen=True):
    """End the session's registration as a control authenticator of that name.

    A registration is begun by the method `set_authenticator` of `security`. Answered
    nil, also if there is none any more.
    """

    name: str


class AuthenticatorAnswered(Message, tag=31, frozen=True):
    """A control authenticator's answer: a map, or nil where it has failed.

    `ask` is the broker's id of the question.
    """

    ask: RequestId
    data: Raw


# Broker to client.


class Answered(Message, tag=32, frozen=True):
    """A request was done; `data` is its result, nil where there is none."""

    id: RequestId
    data: Raw = NIL


class Failed(Message, tag=33, frozen=True):
    """A request was refused or failed. `details` is a map, empty where there is none.

    `id` is 0 where the message that failed had no readable id.
    """

    id: Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]
    code: str
    message: str
    details: Raw = Raw(b"\x80")


class Event(Message, tag=34, frozen=True):
    """An event for the receiver's subscriptions that match `name`.

    `own` says that the receiver published it: only subscriptions with echo take it.
    """

    name: str
    data: Raw
    own: bool = False


class CallGiven(Message, tag=35, frozen=True):
    """A call for a provider to accept, reject and answer.

    `caller` and `origin` are maps `{username, session_id, delegate}` set by the broker.
    """

    call: RequestId
    name: str
    data: Raw
    caller: Raw
    origin: Raw


class CallWithdrawn(Message, tag=36, frozen=True):
    """A given call is over (its caller gave up, or it was late): stop working on it."""

    call: RequestId
    code: str


class AnswerRefused(Message, tag=37, frozen=True):
    """A provider's answer had no effect: MULTIPLE_ACCEPT, INVALID_RPC_CORRELATION_ID."""

    call: RequestId
    code: str


class Suspended(Message, tag=38, frozen=True):
    """Subscriptions (`kind` "event") or provisions ("rpc") that are suspended now."""

    kind: str
    names: list[str]
    code: str


class Resumed(Message, tag=39, frozen=True):
    """Subscriptions or provisions that resume."""

    kind: str
    names: list[str]


class TicketReplaced(_Secretive, tag=40, frozen=True):
    """The session's resume ticket is void.

    `ticket` takes its place, under the same key and for `ttl_ms` after the session;
    nil: there is none any more.
    """

    ticket: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)] | None
    ttl_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]


class TokenReplaced(_Secretive, tag=41, frozen=True):
    """The session has another session token from here on; nil: none any more."""

    token: str | None


class ChangeNoticed(Message, tag=42, frozen=True):
    """A change of the directory changed what the session may do.

    `kinds` are the names of the directory events that the change emits, without what
    they hold. At most one comes for an epoch.
    """

    epoch: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
    kinds: list[str]


class AuthenticationAsked(Message, tag=43, frozen=True):
    """A login for a control authenticator registered as `name` to decide.

    `data` is a map. It holds credentials.
    """

    ask: RequestId
    name: str
    data: Raw


class AuthenticationWithdrawn(Message, tag=44, frozen=True):
    """A question is over (the stranger left, or it was late): stop deciding it."""

    ask: RequestId


class AuthenticatorClosed(Message, tag=45, frozen=True):
    """A registration was ended by the broker, and does not come back by itself."""

    name: str
    code: str


AnyRequest: TypeAlias = (
    Publish
    | Subscribe
    | Unsubscribe
    | Provide
    | Unprovide
    | Call
    | Send
    | Cancel
    | Accept
    | Reject
    | Respond
    | Fail
    | Reauthenticate
    | Leave
    | UnregisterAuthenticator
    | AuthenticatorAnswered
)
"""What an admitted client may send."""

AnyNotice: TypeAlias = (
    Answered
    | Failed
    | Event
    | CallGiven
    | CallWithdrawn
    | AnswerRefused
    | Suspended
    | Resumed
    | ChangeNoticed
    | TicketReplaced
    | TokenReplaced
    | AuthenticationAsked
    | AuthenticationWithdrawn
    | AuthenticatorClosed
)
"""What a broker may send to an admitted client."""
