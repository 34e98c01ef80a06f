"""One connection to the broker, from the dialling to its end: what carries a session."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from vestibule.client.errors import HandshakeFailed, LoginRefused
from vestibule.client.login import Accepted, Login, Opening
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
from vestibule.protocol.signatures import SigningKey


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


_Answer: TypeAlias = Accepted | LoginRefused | HandshakeFailed | End
"""How a login ends."""


@dataclass(frozen=True, slots=True)
class _Challenge:
    """What the broker asks to have proved, and where what comes next is waited for."""

    fields: dict[str, Any]
    answer: "asyncio.Future[_Step]"


_Step: TypeAlias = _Answer | _Challenge


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

    def __init__(
        self, trust: Trust | None, owner: Owner, *, resumable: bool = False
    ) -> None:
        """Prepare a connection; without `trust` it is one without encryption.

        `resumable` asks at the login for a ticket to take the session up again with,
        under the `resume_key` that is made here.
        """
        loop = asyncio.get_running_loop()
        self._trust: Final = trust
        self._owner: Final = owner
        if trust is None:
            self._core = Initiator((), encrypted=False)
        else:
            self._core = Initiator(trust.accepts, trust.hint)
        self._pump: Final = Pump(self._core, self)
        self._shaken: asyncio.Future[HandshakeFailed | None] = loop.create_future()
        self._login: asyncio.Future[_Step] | None = None
        self._opening: Opening | None = None
        self._unproven = False
        self._retry_after = 0.0
        self._dialled = False
        self.end: End | None = None
        self.session_id = ""
        self.resume_key: Final = (
            SigningKey.generate() if resumable and trust is not None else None
        )
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
    def exporter(self) -> bytes | None:
        """What names this very connection to both ends; None without encryption."""
        return self._core.exporter

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
        """Send a login, prove what the broker asks for, and wait for its answer.

        Raises:
            LoginRefused: the broker refused, by a bye perhaps; or nothing was sent.
            HandshakeFailed: SERVER_PROOF_INVALID; the connection is gone then.
            CarrierEnded: the connection ended otherwise.
        """
        if self.end is not None:
            raise CarrierEnded(self.end)
        opening = login.open(self._core.exporter)
        fields = dict(opening.fields)
        if self.resume_key is not None:
            fields["resume_key"] = self.resume_key.public
        self._opening = opening
        self._login = asyncio.get_running_loop().create_future()
        try:
            self._core.login(login.scheme, fields)
        except MessageTooLarge:
            self._login = None
            raise LoginRefused(
                ErrorCode.LIMIT_EXCEEDED,
                "the login data do not fit a message",
                {"limit": "quarantine.message_bytes"},
            ) from None
        self._pump.wake()
        answer = await self._answered(opening, self._login)
        if isinstance(answer, HandshakeFailed):
            self._pump.abort()
            await self._pump.gone.wait()
            raise answer
        if isinstance(answer, LoginRefused):
            raise answer
        if isinstance(answer, End):
            raise CarrierEnded(answer)
        return answer

    async def _answered(
        self, opening: Opening, waiting: "asyncio.Future[_Step]"
    ) -> _Answer:
        """Wait for the answer to a login; what is to be proved is on the way."""
        announced = self._core.limits.quarantine_timeout_ms / 1000
        try:
            async with asyncio.timeout(announced + _GRACE_SECONDS):
                while True:
                    step = await asyncio.shield(waiting)
                    if not isinstance(step, _Challenge):
                        return step
                    waiting = step.answer
                    proof = await opening.prove(step.fields)
                    if self.end is None:
                        self._core.prove(proof)
                        self._pump.wake()
        except TimeoutError:
            # The broker would have refused long ago: nobody is there any more.
            self._pump.abort()
            step = await waiting
            return End(EndReason.TRUNCATED) if isinstance(step, _Challenge) else step
        except HandshakeFailed as failure:
            return failure

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
        if not self._unproven:
            self._owner.noticed(messages)

    def happened(self, event: events.Event) -> None:
        """Take what concerns the handshake, the login or the end."""
        match event:
            case events.HandshakeCompleted():
                self.session_id = event.session_id
                self._shake(None)
            case events.HandshakeRefused():
                self._shake(self._handshake_failure(event))
            case events.LoginChallenged():
                self._challenged(event)
            case events.LoginAccepted():
                self._accepted(event)
            case events.LoginRefusedReceived():
                self._answer(LoginRefused(event.code, event.reason, event.details))
            case events.ServerKeysReceived():
                self.server_keys = event.keys
            case events.ByeReceived():
                self._retry_after = event.retry_after_ms / 1000
            case events.Ended():
                self._ended(event)
            case _:
                pass  # a bye of the core's own is followed by `Ended`

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

    def _challenged(self, event: events.LoginChallenged) -> None:
        waiting = self._login
        # At once: the end may come in the same breath.
        self._login = asyncio.get_running_loop().create_future()
        if waiting is not None and not waiting.done():
            waiting.set_result(_Challenge(event.fields, self._login))

    def _accepted(self, event: events.LoginAccepted) -> None:
        try:
            if self._opening is not None:
                self._opening.check(event.fields)
        except HandshakeFailed as failure:
            # Nothing that follows in this record is believed either.
            self._unproven = True
            self._answer(failure)
            return
        self.largest_message = self._core.largest_message
        accepted = Accepted.of_fields(event.fields)
        self._answer(accepted)
        self._owner.admitted(self, accepted)

    def _answer(self, answer: _Answer) -> None:
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
