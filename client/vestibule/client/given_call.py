"""A call that this session was given: what its function sees of it, and its one answer."""

from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw

from vestibule.client.errors import request_failed
from vestibule.protocol import messages
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody


if TYPE_CHECKING:
    from vestibule.client.carrier import Carrier
    from vestibule.client.channel import Channel
    from vestibule.client.session import Session

__all__ = ["GivenCall", "Reject"]

_TEXT_BYTES: Final = 1024
"""What a caller learns of an exception's text."""

_NAME_CHARACTERS: Final = 256
"""What a caller learns of its class name."""


class Reject(Exception):  # noqa: N818 - a name of the public contract
    """Raised by a provider's function before it accepts: the next provider is asked."""


class GivenCall:
    """The parameter `call` of a provider's function.

    All that it tells of others was set by the broker; nothing that a client sends can
    claim it.
    """

    __slots__ = (
        "_accepted",
        "_caller",
        "_carrier",
        "_channel",
        "_origin",
        "data",
        "id",
        "name",
        "over",
        "session",
    )

    def __init__(
        self,
        channel: "Channel",
        session: "Session",
        carrier: "Carrier",
        notice: messages.CallGiven,
    ) -> None:
        self._channel: Final = channel
        self._carrier: Final = carrier
        self._accepted = False
        self._caller: Raw | dict[str, Any] = notice.caller
        self._origin: Raw | dict[str, Any] = notice.origin
        self.id: Final = notice.call
        self.name: Final = notice.name
        self.data: Any = None
        self.session: Final = session
        """The session that provides: its requests have its own rights."""
        self.over: str | None = None
        """The code with which the call was withdrawn; None while it is wanted."""

    def __repr__(self) -> str:
        return f"<GivenCall {self.id} of {self.name}>"

    @property
    def caller(self) -> dict[str, Any]:
        """Who called: `username`, `session_id`, `delegate`, as the broker knows them."""
        if isinstance(self._caller, Raw):
            self._caller = _identity(self._caller)
        return self._caller

    @property
    def origin(self) -> dict[str, Any]:
        """Who called first, where providers call on for others: as `caller`."""
        if isinstance(self._origin, Raw):
            self._origin = _identity(self._origin)
        return self._origin

    async def accept(self) -> None:
        """Say that the work has begun. Only for `auto_accept=False`.

        Raises:
            RequestFailed: MULTIPLE_ACCEPT; INVALID_RPC_CORRELATION_ID: the call is
                over, and nobody waits for an answer.
        """
        if self.over is not None or self._channel.carrier is not self._carrier:
            raise self._refusal(
                ErrorCode.INVALID_RPC_CORRELATION_ID, "the call is over"
            )
        if self._accepted:
            raise self._refusal(
                ErrorCode.MULTIPLE_ACCEPT, "the call was accepted before"
            )
        self.begin()

    def _refusal(self, code: ErrorCode, text: str) -> Exception:
        return request_failed(
            code, text, {}, topic=Topic.RPC, action=Action.ACCEPT, name=self.name
        )

    # What the library calls. Each answers whether it was sent.

    def begin(self) -> None:
        """Accept, unless that has been done."""
        if not self._accepted:
            self._accepted = True
            self._tell(messages.Accept(self.id))

    def respond(self, result: Any) -> None:
        """Answer with a result; one that cannot be sent is a failure."""
        try:
            body = encode_body(result)
        except InvalidBody as problem:
            self._fail("TypeError", f"the result cannot be sent: {problem}")
            return
        self.begin()
        if not self._tell(messages.Respond(self.id, body)):
            self._fail("ValueError", "the result is longer than a message may be")

    def fail(self, error: BaseException) -> None:
        """Answer with an exception: its class name and the beginning of its text."""
        if isinstance(error, Reject) and not self._accepted:
            self._accepted = True  # what is rejected is not accepted any more
            self._tell(messages.Reject(self.id))
            return
        try:
            text = str(error)
        except Exception:  # noqa: BLE001 - whatever an exception's own text raises
            text = ""
        self._fail(type(error).__name__, text)

    def _fail(self, name: str, text: str) -> None:
        self.begin()
        short = text.encode(errors="replace")[:_TEXT_BYTES].decode(errors="ignore")
        self._tell(messages.Fail(self.id, name[:_NAME_CHARACTERS], short))

    def _tell(self, message: messages.Message) -> bool:
        return self._channel.tell(message, carrier=self._carrier)


def _identity(body: Raw) -> dict[str, Any]:
    try:
        value = decode_body(body)
    except InvalidBody:
        value = None
    # Nobody rather than somebody else: what cannot be read has no rights.
    nobody = {"username": None, "session_id": None, "delegate": None}
    return value if isinstance(value, dict) else nobody
