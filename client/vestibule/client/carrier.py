"""One connection to the broker, from the dialling to its end: what carries a session."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from vestibule.client.errors import HandshakeFailed, LoginRefused
from vestibule.client.login import Accepted, Login
from vestibule.client.pump import Pump
from vestibule.client.transport import Dial, Target
from vestibule.client.trust import Trust
from vestibule.protocol import events
from vestibule.protocol.errors import (
    CloseCode,
    EndReason,
    ErrorCode,
    MessageTooLarge,
)
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.messages import AnyNotice


__all__ = ["Carrier", "CarrierEnded", "End", "Owner"]

_HELLO_SECONDS: Final = 10.0
"""What the broker has to answer the hello (docs/protocol.md, "Handshake")."""

_GRACE_SECONDS: Final = 5.0
"""How much later than announced the broker's own login timer may seem here."""

_TRANSIENT: Final = frozenset(
    {EndReason.TRUNCATED, EndReason.SHUTTING_DOWN, EndReason.SLOW_READER}
)
"""Reasons after which a session is taken up again. All others come in a bye, or this
end decided them, and are final."""


@dataclass(frozen=True, slots=True)
class End:
    """How a connection ended. `retry_after` is in seconds, a hint of the broker."""

    reason: EndReason
    retry_after: float = 0.0

    @property
    def transient(self) -> bool:
        """Whether a client that reconnects does so after this end."""
        return self.reason in _TRANSIENT


class CarrierEnded(Exception):  # noqa: N818 - never seen by applications
    """The connection ended while its login was open, and refused nothing."""

    def __init__(self, end: End) -> None:
        super().__init__(end.reason)
        self.end: Final = end


class Owner(Protocol):
    """Who is told, at once and in order, what happens on a carrier."""

    def admitted(self, carrier: "Carrier", accepted: Accepted) -> None:
        """Take note that the login succeeded; notices may follow at once."""

    def noticed(self, messages: Sequence[AnyNotice | events.Malformed]) -> None:
        """Take the messages of one record."""

    def ended(self, carrier: "Carrier", end: End) -> None:
        """Take note of the end, exactly once, the last thing that is told."""


class Carrier:
    """A connection that is dialled, shaken hands on, logged in on and ended, once.

    `queue` hands it an encoded message, `next_id` gives the next request id.
    """

    def __init__(self, trust: Trust | None, owner: Owner) -> None:
        """Prepare a connection; without `trust` it is one without encryption."""
        loop = asyncio.get_running_loop()
        self._trust: Final = trust
        self._owner: Final = owner
        if trust is None:
            self._core = Initiator((), encrypted=False)
        else:
            self._core = Initiator(trust.accepts, trust.hint)
        self._pump: Final = Pump(self._core, self)
        self._shaken: asyncio.Future[HandshakeFailed | None] = loop.create_future()
        self._login: asyncio.Future[Accepted | LoginRefused | End] | None = None
        self._retry_after = 0.0
        self._dialled = False
        self.end: End | None = None
        self.session_id = ""
        self.server_keys: tuple[bytes, ...] = ()
        self.largest_message = 0
        self.next_id: Final = self._core.next_id
        self.queue: Final = self._pump.queue
        self.room: Final = self._pump.room

    @property
    def server_key(self) -> bytes | None:
        """The key that the broker has proved to hold; None without encryption."""
        return self._core.server_key

    @property
    def full(self) -> bool:
        """Whether who waits for no answer should wait for `room` before more."""
        return self._pump.full

    # From the dialling to the login.

    async def open(self, dial: Dial, target: Target) -> None:
        """Dial, and wait until the broker has proved who it is.

        Raises:
            HandshakeFailed: the upgrade or the handshake failed.
            OSError: there is no such peer, or no answer in time.
        """
        transport = await dial(target, self._pump)
        self._dialled = True
        try:
            self._pump.attach(transport)
            async with asyncio.timeout(_HELLO_SECONDS):
                failure = await self._shaken
        except TimeoutError:
            failure = HandshakeFailed(
                ErrorCode.HANDSHAKE_INVALID, "no ServerHello in time"
            )
        except asyncio.CancelledError:
            transport.abort()
            raise
        if failure is not None:
            transport.abort()
            await self._pump.gone.wait()
            raise failure
        if self._core.limits is not None:
            transport.allow(self._core.limits.message_bytes)

    async def login(self, login: Login) -> Accepted:
        """Send a login and wait for its answer.

        Raises:
            LoginRefused: the broker refused, by a bye perhaps.
            CarrierEnded: the connection ended otherwise.
        """
        if self.end is not None:
            raise CarrierEnded(self.end)
        self._login = asyncio.get_running_loop().create_future()
        try:
            self._core.login(login.scheme, login.fields())
        except MessageTooLarge:
            self._login = None
            raise LoginRefused(
                ErrorCode.LIMIT_EXCEEDED,
                "the login data do not fit a message",
                {"limit": "quarantine.message_bytes"},
            ) from None
        self._pump.wake()
        announced = self._core.limits.quarantine_timeout_ms / 1000
        try:
            async with asyncio.timeout(announced + _GRACE_SECONDS):
                answer = await asyncio.shield(self._login)
        except TimeoutError:
            # The broker would have refused long ago: nobody is there any more.
            self._pump.abort()
            answer = await self._login
        if isinstance(answer, LoginRefused):
            raise answer
        if isinstance(answer, End):
            raise CarrierEnded(answer)
        return answer

    # The end.

    def bye(self) -> None:
        """Say that this end is done; the end follows within seconds, or at once."""
        self._pump.bye()

    async def close(self) -> None:
        """Say bye, and wait until the connection is gone.

        Cancelled, it drops the connection.
        """
        if not self._dialled:
            return
        self.bye()
        try:
            await self._pump.gone.wait()
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop the connection."""
        self._pump.abort()

    # What the pump tells.

    def noticed(self, messages: Sequence[AnyNotice | events.Malformed]) -> None:
        """Pass the broker's messages on."""
        self._owner.noticed(messages)

    def happened(self, event: events.Event) -> None:
        """Take what concerns the handshake, the login or the end."""
        match event:
            case events.HandshakeCompleted():
                self.session_id = event.session_id
                self._shake(None)
            case events.HandshakeRefused():
                self._shake(self._handshake_failure(event))
            case events.LoginAccepted():
                self.largest_message = self._core.largest_message
                accepted = Accepted.of_fields(event.fields)
                self._answer(accepted)
                self._owner.admitted(self, accepted)
            case events.LoginRefusedReceived():
                self._answer(LoginRefused(event.code, event.reason, event.details))
            case events.ServerKeysReceived():
                self.server_keys = event.keys
            case events.ByeReceived():
                self._retry_after = event.retry_after_ms / 1000
            case events.Ended():
                self._ended(event)
            case _:
                # A bye of the core's own is followed by `Ended`; challenges belong to
                # schemes that this client does not use.
                pass

    def _shake(self, failure: HandshakeFailed | None) -> None:
        if not self._shaken.done():
            self._shaken.set_result(failure)

    def _handshake_failure(self, event: events.HandshakeRefused) -> HandshakeFailed:
        key = event.server_key
        if (
            event.code == ErrorCode.SERVER_KEY_CHANGED
            and key is not None
            and self._trust is not None
        ):
            return self._trust.refusal(key)
        return HandshakeFailed(event.code, event.problem)

    def _answer(self, answer: Accepted | LoginRefused | End) -> None:
        if self._login is not None and not self._login.done():
            self._login.set_result(answer)

    def _ended(self, event: events.Ended) -> None:
        self.end = end = End(event.reason, self._retry_after)
        code = self._pump.close_code
        if code == CloseCode.NO_COMMON_VERSION:
            failure = HandshakeFailed(
                ErrorCode.NO_COMMON_VERSION, "the broker has no version of this client"
            )
        else:
            failure = HandshakeFailed(
                ErrorCode.HANDSHAKE_INVALID,
                "the connection ended during the handshake",
                {} if code is None else {"close_code": code},
            )
        self._shake(failure)
        self._answer(end)
        self._owner.ended(self, end)
