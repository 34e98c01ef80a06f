"""How a connection lives and ends: its phase, signs of life, byes, the one end.

The end comes once, for one reason, whichever way leads to it: this end's bye, the other
end's, a fault, silence, or the socket.
"""

from typing import Final

from vestibule.protocol.codec import encode
from vestibule.protocol.errors import CloseCode, EndReason, reason_of
from vestibule.protocol.events import ByeSaid, Ended, Event
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.phases import Phase, Step, Transitions, follow
from vestibule.protocol.reserved import Bye, Ping
from vestibule.protocol.sending import SendingHalf


__all__ = ["CLOSING_SECONDS", "Lifecycle"]

CLOSING_SECONDS: Final = 1.0
"""How long an end that has said bye waits for the other's."""

_ADMITTED: Final = Phase.ADMITTED


class Lifecycle(SendingHalf):
    """A sending half with phases and an end; `Connection` adds the receiving half."""

    __slots__ = (
        "_breach_code",
        "_closing_ends",
        "_heard",
        "_pinged_for",
        "_said",
        "_transitions",
        "_was_admitted",
        "end",
        "phase",
    )

    def __init__(
        self, limits: WireLimits, transitions: Transitions, breach_code: CloseCode
    ) -> None:
        """Take the phases of this end, and how it ends what breaks quarantine."""
        super().__init__(limits)
        self._transitions: Final = transitions
        self._breach_code: Final = breach_code
        self._heard = 0.0  # when a record was opened last
        self._pinged_for = -1.0  # the value of `_heard` that a ping was sent for
        self._closing_ends: float | None = None
        self._said: tuple[CloseCode, EndReason] | None = None
        self._was_admitted = False
        self.phase = Phase.GREETING
        self.end: Ended | None = None

    def _follow(self, step: Step) -> None:
        self.phase = follow(self._transitions, self.phase, step)

    def _admit(self, now: float) -> None:
        """Go on as an admitted end."""
        self._follow(Step.LOGIN_ACCEPTED)
        self._was_admitted = True
        self._heard = now
        self._takes = True
        self._use_record_bytes(self._limits.message_bytes)

    def deadline(self) -> float | None:
        """Say when `tick` has to be called; None where nothing is waited for."""
        if self.phase is _ADMITTED:
            silence = self._limits.heartbeat_ms / 1000
            pinged = self._pinged_for == self._heard
            return self._heard + silence * (2 if pinged else 1)
        return self._closing_ends if self.phase is Phase.CLOSING else None

    def tick(self, now: float) -> list[Event]:
        """Take note of the time. Calling it early does nothing."""
        due = self.deadline()
        if due is None or now < due:
            return []
        if self._said is not None:
            return self._finish(self._said[0], self._said[1])
        silence = self._limits.heartbeat_ms / 1000
        if now >= self._heard + 2 * silence:
            return self._drop("silence")
        self._pinged_for = self._heard
        self._put(encode(Ping(0)))
        return []

    def lost(self, now: float) -> list[Event]:
        """Take note that the socket has ended."""
        del now
        if self._said is not None:
            return self._finish(self._said[0], self._said[1])
        return self._finish(None, EndReason.TRUNCATED, "no bye", drop=True)

    def bye(
        self,
        code: CloseCode,
        reason: str = "",
        retry_after_ms: int = 0,
        *,
        discard: bool = False,
    ) -> None:
        """Say bye, unless the end has begun already.

        What is queued leaves before it, or with `discard` is dropped; what is queued
        afterwards is dropped. Before the hellos there is nothing to say it with: then
        the connection is closed and that is all.
        """
        if self._said is not None or self.phase is Phase.CLOSED:
            return
        if self.phase is Phase.GREETING:
            self._finish(int(code), reason_of(code, reason))
            return
        self._said = (code, reason_of(code, reason))
        self._takes = False
        self._silent = True
        words = Bye(int(code), str(reason), retry_after_ms)
        self._put_farewell(encode(words), discard=discard)
        self._follow(Step.BYE_SAID)

    def _bye_left(self, now: float) -> None:
        # A stranger is not owed the second: it is closed as soon as it was told.
        self._closing_ends = now + CLOSING_SECONDS * self._was_admitted

    def _breach(self, problem: str) -> list[Event]:
        """End the connection because the other end broke the protocol inside it."""
        if self.phase is _ADMITTED:
            self.bye(CloseCode.MESSAGE_PARSE_ERROR)
            return [
                ByeSaid(CloseCode.MESSAGE_PARSE_ERROR, EndReason.PARSE_ERROR, problem)
            ]
        return self._dismiss(self._breach_code, problem)

    def _dismiss(self, code: CloseCode, problem: str) -> list[Event]:
        """End a connection that is not admitted: say bye and wait for nothing."""
        self.bye(code)
        return self._finish(code, reason_of(code), problem)

    def _drop(self, problem: str) -> list[Event]:
        """End the connection without a word."""
        self._discard()
        return self._finish(None, EndReason.TRUNCATED, problem, drop=True)

    def _fail(self, code: CloseCode, problem: str) -> list[Event]:
        """End the connection with a close frame alone.

        After this end's own bye, that bye's code and reason stand.
        """
        if self.phase is Phase.CLOSING and self._said is not None:
            return self._finish(self._said[0], self._said[1])
        if self.phase is Phase.CLOSED:
            return []
        self._discard()
        return self._finish(code, EndReason.TRUNCATED, problem)

    def _finish(
        self,
        code: int | None,
        reason: EndReason,
        problem: str = "",
        *,
        drop: bool = False,
    ) -> list[Event]:
        """Close, once. What is left to send stays in `outgoing`."""
        if self.phase is Phase.CLOSED:
            return []
        self._follow(Step.ENDED)
        # Its number, so that a transport can put it into a frame as it is.
        number = None if code is None else int(code)
        self.end = Ended(number, reason, drop, problem)
        return [self.end]
