"""A conversation: one connection's protocol core, from the hello to the last bye.

It turns what the core says has happened into a login, a session, messages for the
router, an end; and what the broker wants to say into records.
"""

import asyncio
from typing import Any, Final

import structlog

from vestibule.protocol import events
from vestibule.protocol.errors import CloseCode, EndReason, ErrorCode
from vestibule.protocol.phases import Phase
from vestibule.protocol.responder import Responder
from vestibule.server.admissions import Admission, Turned
from vestibule.server.handler import ConnectionData, Headers
from vestibule.server.inbox import Inbox
from vestibule.server.login_desk import Decision, LoginDesk
from vestibule.server.outbox import Outbox
from vestibule.server.service import Service, Wire
from vestibule.server.session import Session


__all__ = ["Conversation"]

log = structlog.get_logger("vestibule.connection")

_LINGER: Final = 1.0
"""Seconds that a client's bye waits for what it sent before to be handled."""

_COUNTED: Final = {
    CloseCode.BAD_RECORD: "records_rejected",
    CloseCode.PROTOCOL_ERROR: "handshakes_failed",
    CloseCode.NO_COMMON_VERSION: "handshakes_failed",
    CloseCode.INVALID_AUTH_MSG: "parse_errors",
    CloseCode.MESSAGE_PARSE_ERROR: "parse_errors",
}
"""What the core's reasons to end are counted as."""


class Conversation:
    """The protocol on one connection; the `Link` of its session once there is one."""

    __slots__ = (
        "_accepted_at",
        "_bye",
        "_close_at",
        "_closed",
        "_connection",
        "_core",
        "_desk",
        "_inbox",
        "_loop",
        "_now",
        "_outbox",
        "_service",
        "_timer",
        "_wire",
        "put",
        "session",
    )

    def __init__(self, service: Service, wire: Wire, accepted_at: float) -> None:
        self._service: Final = service
        self._loop: Final = service.loop
        self._wire: Final = wire
        self._accepted_at: Final = accepted_at
        self._core: Final = Responder(
            service.identities, service.wire, encrypted=service.encrypted
        )
        self._outbox: Final = Outbox(
            self._core,
            write=wire.write,
            unsent=wire.unsent,
            overflow=self.slow,
            limit=service.stranger_unsent_bytes,
            turns=service.turns,
            now=service.loop.time,
        )
        self._now: Final = service.loop.time
        self.put: Final = self._outbox.put
        """Queue one encoded message; it leaves at the end of this turn of the loop."""
        self._connection: ConnectionData | None = None
        self._inbox: Inbox | None = None
        self._desk: LoginDesk | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._bye: events.Ended | None = None
        self._close_at = 0.0
        self._closed = False
        self.session: Session | None = None
        self._arm(accepted_at + service.handshake_timeout)

    @property
    def deciding(self) -> bool:
        """Whether a login is being decided."""
        return self._desk is not None and self._desk.deciding

    # The link of a session.

    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        """Say bye, and close when it is answered or in a second.

        The bye stands behind what is queued or, to `discard`, in its place. The session
        is over at once: it is sent nothing more and heard no more.
        """
        if self._closed:
            return
        self._core.bye(code, reason, retry_after_ms, discard=discard)
        self._over(reason)
        self._say()

    def fail(self) -> None:
        """Drop the connection without a bye: the broker failed inside it."""
        self._finish(EndReason.TRUNCATED)
        self._wire.drop()

    # What the wire brings.

    def begin(
        self, remote_address: str, headers: Headers, *, local: bool = False
    ) -> None:
        """Go on after the upgrade: the stranger may say hello.

        `local` says that the connection was made inside this process.
        """
        self._connection = ConnectionData(
            remote_address, headers, self._core.session_id, local
        )
        self._say()

    def receive(self, message: bytes) -> None:
        """Take one whole binary message."""
        core = self._core
        queued = core.queued_bytes
        now = self._now()
        heard = core.receive(message, now)
        inbox = self._inbox
        session = self.session
        if (
            inbox is not None
            and session is not None
            and len(heard) == 1
            and core.queued_bytes == queued  # else it answers a ping, which must leave
            and not self._closed
        ):
            event = heard[0]
            if type(event) is events.Received:
                session.heard_at = now
                inbox.take(event.messages, len(message))
                return
        self._heard(heard, len(message))

    def receive_text(self) -> None:
        """Take note of a text message, which nothing on this protocol is."""
        self._heard(self._core.receive_text(self._loop.time()), 0)

    def lost(self) -> None:
        """Take note that the socket is gone; without a bye the end is truncated."""
        reason = EndReason.TRUNCATED if self._bye is None else self._bye.reason
        for event in self._core.lost(self._loop.time()):
            if isinstance(event, events.Ended):
                reason = event.reason
        self._finish(reason)

    # What the core says.

    def _heard(self, heard: list[events.Event], size: int) -> None:
        for event in heard:
            match event:
                case events.Received(messages=messages):
                    if self.session is not None:
                        self.session.heard_at = self._now()
                    if self._inbox is not None and not self._closed:
                        self._inbox.take(messages, size)
                case events.LoginReceived() | events.LoginProofReceived():
                    self._log_in(event)
                case events.Ended():
                    self._ended(event)
                    return
                case events.ByeSaid(code=code, problem=problem):
                    self._count(code, problem)
                case events.ByeReceived():
                    pass  # `Ended` follows and says how
                case _:
                    pass  # the initiator's
        self._say()

    def _say(self) -> None:
        """Send what the core has to say and be woken when it wants to be."""
        self._outbox.flush()
        if self._closed:
            return
        deadline = self._core.deadline()
        if self.session is None and self._core.phase is not Phase.CLOSING:
            greeting = self._core.phase is Phase.GREETING
            service = self._service
            stranger = self._accepted_at + (
                service.handshake_timeout if greeting else service.login_timeout
            )
            deadline = stranger if deadline is None else min(deadline, stranger)
        if deadline is not None:
            self._arm(deadline)

    def _ended(self, end: events.Ended) -> None:
        if end.reason is EndReason.CLIENT and self._inbox is not None:
            # All that came before the bye is handled before it is answered, if that
            # does not take longer than the client waits (docs/protocol.md, "The end").
            self._bye = end
            self._close_at = self._loop.time() + _LINGER
            self._arm(self._close_at)
            self._inbox.finish(self._close_down)
        else:
            self._bye = end
            self._close_down()

    def _close_down(self) -> None:
        end = self._bye
        if end is None or self._closed:
            return
        if end.close_code is not None and end.problem:
            self._count(end.close_code, end.problem)
        self._outbox.flush()
        self._finish(end.reason)
        if end.drop or end.close_code is None:
            self._wire.drop()
        else:
            self._wire.close(end.close_code)

    def _count(self, code: int, problem: str) -> None:
        """Count and log that the peer broke the protocol."""
        name = _COUNTED.get(CloseCode(code))
        if name is not None:
            self._service.counters.add(name)
            log.info(
                "connection.failed",
                connection=self._core.session_id,
                address=self._connection and self._connection.remote_address,
                code=CloseCode(code).name,
                problem=problem,
            )

    def _finish(self, reason: EndReason) -> None:
        """End once: no timer, no task, no session of this connection remains."""
        if self._closed:
            return
        self._closed = True
        self._over(reason)
        self._outbox.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._desk is not None:
            self._desk.leave()

    def _over(self, reason: EndReason) -> None:
        """End the session, if there is one that has not ended."""
        session = self.session
        if session is None or session.ended:
            return
        session.ended = True
        if self._inbox is not None:
            self._inbox.close()
        self._service.ended(session, reason)

    # Logins.

    def _log_in(self, said: events.LoginReceived | events.LoginProofReceived) -> None:
        if self._desk is None:
            connection = self._connection
            if connection is None:
                raise RuntimeError("a login before the upgrade")
            self._desk = LoginDesk(
                self._service,
                connection,
                self,
                exporter=self._core.exporter,
                challenge=self._challenge,
                decided=self._answer,
            )
        self._desk.take(said)

    def _challenge(self, fields: dict[str, Any]) -> None:
        self._heard(self._core.challenge(fields, self._loop.time()), 0)

    def _answer(self, answer: Decision) -> None:
        if self._core.phase is not Phase.DECIDING or self._closed:
            return
        if isinstance(answer, Turned):
            heard = self._core.refuse(
                answer.code,
                answer.reason,
                dict(answer.details),
                self._loop.time(),
                bye=answer.bye,
            )
        else:
            heard = self._admitted(*answer)
        self._heard(heard, 0)
        self._say()

    def _admitted(self, session: Session, admission: Admission) -> list[events.Event]:
        service = self._service
        fields = {
            "username": session.username,
            **service.login_fields(session),
            **admission.answer,
        }
        keys = [key.public for key in service.identities] if service.encrypted else []
        heard = self._core.admit(fields, keys, self._loop.time())
        self.session = session
        self._inbox = Inbox(
            session,
            service.router,
            limits=service.inbox,
            tasks=service.tasks,
            turns=service.turns,
            loop=self._loop,
            pause=self._wire.pause,
            resume=self._wire.resume,
        )
        self._outbox.raise_limit(service.outbox_bytes)
        self._wire.admitted()
        service.admitted(session)
        return heard

    # Time.

    def _arm(self, when: float) -> None:
        """Be woken at `when`; a timer that stands for later is moved forward."""
        timer = self._timer
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._closed:
            return
        now = self._loop.time()
        if self._bye is not None:
            if self._loop.time() < self._close_at:
                self._arm(self._close_at)
            else:
                self._close_down()
            return
        if self.session is None and self._core.phase is not Phase.CLOSING:
            self._time_over(now)
        if not self._closed:
            self._heard(self._core.tick(now), 0)
            self._say()

    def _time_over(self, now: float) -> None:
        """End a stranger whose time is over; no byte of it extends a deadline."""
        service = self._service
        if self._connection is None:
            if now >= self._accepted_at + service.handshake_timeout:
                self.fail()
        elif self._core.phase is Phase.GREETING:
            if now >= self._accepted_at + service.handshake_timeout:
                service.counters.add("quarantine_timeouts")
                self._finish(EndReason.TRUNCATED)
                self._wire.close(CloseCode.HANDSHAKE_TIMEOUT)
        elif now >= self._accepted_at + service.login_timeout:
            service.counters.add("quarantine_timeouts")
            self._log_in_no_more()

    def _log_in_no_more(self) -> None:
        core, now = self._core, self._loop.time()
        code = CloseCode.AUTHENTICATION_TIMEOUT
        if self._desk is not None:
            self._desk.leave()
        if core.phase is Phase.DECIDING:
            refused = core.refuse(
                ErrorCode.AUTHENTICATION_TIMEOUT, "too late", {}, now, bye=code
            )
            self._heard(refused, 0)
        else:
            core.bye(code, EndReason.LOGIN_TIMEOUT)

    def slow(self) -> None:
        """End a peer that does not read what it is sent."""
        session = self.session
        if session is None:
            self._service.counters.add("quarantine_dropped")
            self.fail()
        elif not session.ended:
            self._service.counters.add("slow_readers")
            self.end(CloseCode.SLOW_READER, EndReason.SLOW_READER)
        elif self._wire.unsent() > 2 * self._service.outbox_bytes:
            self.fail()

    def stuck(self) -> None:
        """End a peer whose socket has taken nothing for too long."""
        self.slow()
        self._finish(EndReason.SLOW_READER)
        self._wire.drop()
