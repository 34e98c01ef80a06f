"""The life of a connection: its states, its login, its end, and how it is taken up."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from vestibule.client.backoff import Backoff
from vestibule.client.callbacks import Callbacks
from vestibule.client.carrier import Carrier, CarrierEnded, End
from vestibule.client.channel import Channel
from vestibule.client.errors import (
    ConnectionClosed,
    ConnectionLost,
    HandshakeFailed,
    LoginRefused,
)
from vestibule.client.login import Accepted, Login, Opening
from vestibule.client.resumption import Resumption
from vestibule.client.settings import Settings
from vestibule.client.state import ConnectionState
from vestibule.client.tasks import Tasks
from vestibule.client.transport import Dial
from vestibule.client.trust import Trust
from vestibule.protocol import events
from vestibule.protocol.errors import EndReason, ErrorCode
from vestibule.protocol.messages import AnyNotice


__all__ = ["TRANSITIONS", "Lifecycle"]

log = logging.getLogger("vestibule.client")

_CALLBACK_SECONDS: Final = 1.0
"""What async callbacks have to finish when a connection is left."""

_UNVERIFIED: Final = (
    "nobody has verified this broker's key, and a password would be shown to whoever"
    " holds it: name the key as server_key, log in by SCRAM or key, or say"
    " plain_on_first_use=True"
)

_FINAL_FAILURES: Final[dict[str, EndReason]] = {
    ErrorCode.SERVER_KEY_CHANGED: EndReason.SERVER_KEY_CHANGED,
    ErrorCode.SERVER_PROOF_INVALID: EndReason.REAUTHENTICATION_FAILED,
}
"""What no further attempt would change."""

TRANSITIONS: Final[dict[ConnectionState, frozenset[ConnectionState]]] = {
    ConnectionState.CONNECTING: frozenset(
        {ConnectionState.QUARANTINED, ConnectionState.CLOSED}
    ),
    ConnectionState.QUARANTINED: frozenset(
        {ConnectionState.AUTHENTICATING, ConnectionState.CLOSED}
    ),
    ConnectionState.AUTHENTICATING: frozenset(
        {ConnectionState.QUARANTINED, ConnectionState.OPEN, ConnectionState.CLOSED}
    ),
    ConnectionState.OPEN: frozenset(
        {ConnectionState.RECONNECTING, ConnectionState.CLOSED}
    ),
    ConnectionState.RECONNECTING: frozenset(
        {ConnectionState.OPEN, ConnectionState.CLOSED}
    ),
    ConnectionState.CLOSED: frozenset(),
}
"""What may follow a state. What is not here is a fault of the client."""


class Lifecycle:
    """Owns the carriers of one connection, one after the other, and every task.

    `open` and `aclose` are called once each, by whoever owns the connection.
    """

    def __init__(self, settings: Settings, dial: Dial) -> None:
        self._settings: Final = settings
        self._dial: Final = dial
        self._callback_tasks: Final = Tasks()
        self._callbacks: Final = Callbacks(self._callback_tasks)
        self._tasks: Final = Tasks()
        self._over: Final = asyncio.Event()
        self._trust: Trust | None = None
        self._carrier: Carrier | None = None
        self._backoff: Final = (
            None if settings.reconnect is None else Backoff(settings.reconnect)
        )
        self._reconnecting: asyncio.Task[None] | None = None
        self._reason: str = EndReason.TRUNCATED
        self.state = ConnectionState.CONNECTING
        self._shown = False
        self._leaving = False
        self.accepted: Accepted | None = None
        """What the broker said at the last admission; None before the first."""
        self.channel: Final = Channel(
            settings.request_timeout, self._callbacks, self._tasks
        )
        self.channel.reports_to(settings.on_error)
        self.resumption: Final = self.channel.add(
            Resumption(keep_login_data=settings.keep_login_data)
        )

    @property
    def session_id(self) -> str:
        """The id of the present connection, or of the last one."""
        return "" if self._carrier is None else self._carrier.session_id

    # Opening.

    async def open(self) -> None:
        """Connect, into quarantine.

        Raises:
            HandshakeFailed: the broker refused, or is not who it should be.
            OSError: there is no such peer.
        """
        try:
            self._trust = await self._find_trust()
            carrier = self._new_carrier()
            await carrier.open(self._dial, self._settings.target)
        except BaseException as error:
            changed = getattr(error, "code", "") == ErrorCode.SERVER_KEY_CHANGED
            self._finish(
                EndReason.SERVER_KEY_CHANGED if changed else EndReason.TRUNCATED
            )
            raise
        if self._trust is not None and carrier.server_key is not None:
            self._trust.settle(carrier.server_key)
        self._become(ConnectionState.QUARANTINED)
        if carrier.end is not None:
            self._finish(carrier.end.reason)

    def _new_carrier(self) -> Carrier:
        resumable = self._backoff is not None
        self._carrier = Carrier(self._trust, self, resumable=resumable)
        return self._carrier

    async def _find_trust(self) -> Trust | None:
        settings = self._settings
        if not settings.encrypted:
            return None
        if settings.server_keys:
            return Trust.pinned(settings.endpoint, settings.server_keys)
        return await asyncio.to_thread(
            Trust.looked_up,
            settings.endpoint,
            settings.known_brokers,
            first_use=settings.first_use,
        )

    # Logging in.

    async def login(self, login: Login, *, plain_on_first_use: bool) -> None:
        """Log in, once. Cancelled, it ends the connection: nobody would own a session.

        Raises:
            LoginRefused: refused, by the broker or before anything was sent.
            HandshakeFailed: the broker has not proved that it knows the password.
            ConnectionClosed: the connection has ended, or ends without an answer.
        """
        if self.accepted is not None:
            raise LoginRefused(
                ErrorCode.ALREADY_LOGGED_IN, "this connection has had its session"
            )
        state = self.state
        if state is ConnectionState.CLOSED:
            raise ConnectionClosed(self._reason)
        if state is ConnectionState.AUTHENTICATING:
            raise LoginRefused(ErrorCode.LOGIN_IN_PROGRESS, "another login is open")
        carrier = self._carrier
        assert carrier is not None  # noqa: S101 - there is one from QUARANTINED on
        self._check_shown(login, allowed=plain_on_first_use)
        self._become(ConnectionState.AUTHENTICATING)
        try:
            await carrier.login(login)
            self._shown = plain_on_first_use or login.proves_broker
            self.resumption.keep(login)
            await self._remember(carrier)
        except CarrierEnded as ended:
            raise ConnectionClosed(ended.end.reason) from None
        except asyncio.CancelledError:
            self._finish(EndReason.CLIENT, quietly=True)
            carrier.bye()
            raise
        except BaseException:
            # A last refusal comes with the end.
            if self.state is ConnectionState.AUTHENTICATING:
                self._become(ConnectionState.QUARANTINED)
            raise

    def _check_shown(self, login: Login, *, allowed: bool) -> None:
        """Refuse to show a secret to a broker whose key nobody has verified."""
        trust = self._trust
        if allowed or trust is None or trust.plain_allowed:
            return
        if login.shows_secret:
            raise LoginRefused(ErrorCode.SERVER_KEY_UNVERIFIED, _UNVERIFIED)

    # Logging in anew.

    def opening(self, login: Login) -> Opening:
        """Begin a login of the live session, on its present connection.

        Raises:
            LoginRefused: SCHEME_NOT_AVAILABLE; SERVER_KEY_UNVERIFIED, unless the
                session's first login has shown or proved a password to this broker.
        """
        self._check_shown(login, allowed=self._shown)
        carrier = self._carrier
        assert carrier is not None  # noqa: S101 - a session has had one
        return login.open(carrier.exporter)

    def switched(self, login: Login, username: str, client_data: object) -> None:
        """Take note of who the session is now, and by what it is taken up again."""
        assert self.accepted is not None  # noqa: S101 - a session is made by an admission
        self.accepted = replace(
            self.accepted, username=username, client_data=client_data
        )
        self.resumption.keep(login)

    def token_replaced(self, token: str | None) -> None:
        """Take note of the token that the session has now."""
        assert self.accepted is not None  # noqa: S101 - as above
        self.accepted = replace(self.accepted, token=token)
        if token is not None:
            self.resumption.token_changed(token)

    def leaves(self) -> None:
        """Take the end, when it comes, as one that is wanted here."""
        self._leaving = True

    async def _remember(self, carrier: Carrier) -> None:
        """Take in what keys the broker has."""
        trust, key = self._trust, carrier.server_key
        if trust is None or key is None:
            return
        if trust.writes:
            await asyncio.to_thread(trust.admitted, key, carrier.server_keys)
        else:
            trust.admitted(key, carrier.server_keys)

    # What the carrier tells.

    def admitted(self, carrier: Carrier, accepted: Accepted) -> None:
        """Open the session, or begin to make again what it had."""
        self.channel.attach(carrier)
        self.resumption.accepted(carrier.resume_key, accepted)
        if self.state is ConnectionState.AUTHENTICATING:
            self.accepted = accepted
            self._opened()

    def noticed(self, messages: Sequence[AnyNotice | events.Malformed]) -> None:
        """Pass the broker's messages on."""
        self.channel.noticed(messages)

    def ended(self, carrier: Carrier, end: End) -> None:
        """Decide what an end leads to."""
        match self.state:
            case ConnectionState.CONNECTING | ConnectionState.CLOSED:
                pass  # `open` raises; `close` knows
            case ConnectionState.QUARANTINED | ConnectionState.AUTHENTICATING:
                self._finish(end.reason)
            case ConnectionState.OPEN if end.transient and self._backoff is not None:
                self._take_up(end)
            case ConnectionState.OPEN:
                self._finish(end.reason, quietly=self._leaving)
            case ConnectionState.RECONNECTING:
                if carrier is self.channel.carrier:
                    self.channel.lost()

    # Reconnecting.

    def _take_up(self, end: End) -> None:
        if not self.resumption.possible:
            self._finish(EndReason.REAUTHENTICATION_FAILED)
            return
        assert self._backoff is not None  # noqa: S101 - `ended` has looked
        self._backoff.lost(asyncio.get_running_loop().time())
        self.channel.lost()
        self._become(ConnectionState.RECONNECTING, str(end.reason))
        self._reconnecting = self._tasks.start(
            self._reconnect(self._backoff, end), name="vestibule reconnect"
        )

    async def _reconnect(self, backoff: Backoff, end: End) -> None:
        least = end.retry_after
        while (delay := backoff.delay(least)) is not None:
            await asyncio.sleep(delay)
            try:
                accepted = await self._log_in_again(self._new_carrier())
            except HandshakeFailed as failure:
                if failure.code in _FINAL_FAILURES:
                    self._finish(_FINAL_FAILURES[failure.code])
                    return
                least = float(failure.details.get("retry_after", 0))
            except LoginRefused:
                self._finish(EndReason.REAUTHENTICATION_FAILED)
                return
            except CarrierEnded as ended:
                if not ended.end.transient:
                    self._finish(ended.end.reason)
                    return
                least = ended.end.retry_after
            except OSError:
                # No such peer now; or a TimeoutError, RequestTimeout among them.
                least = 0.0
            else:
                self._opened()
                self._tell_client_data(accepted)
                return
        self._finish(end.reason)

    async def _log_in_again(self, carrier: Carrier) -> Accepted:
        try:
            await carrier.open(self._dial, self._settings.target)
            accepted = await self._prove_again(carrier)
            await self._remember(carrier)
            await self._reopen(carrier)
        except BaseException:
            await carrier.close()
            raise
        return accepted

    async def _prove_again(self, carrier: Carrier) -> Accepted:
        """Present the ticket; if it is refused, or there is none, the login data."""
        ticket, resumption = self.resumption.ticket(), self.resumption
        if ticket is not None:
            try:
                return await carrier.login(ticket)
            except LoginRefused as refused:
                resumption.refused()
                if resumption.login is None:
                    raise
                if refused.code == ErrorCode.TOO_MANY_AUTH_ATTEMPTS:
                    # The one attempt of this connection: the data go on another.
                    raise CarrierEnded(End(EndReason.TRUNCATED)) from None
        if resumption.login is None:
            raise LoginRefused(ErrorCode.INVALID_AUTH_DATA, "nothing to log in with")
        return await carrier.login(resumption.login)

    async def _reopen(self, carrier: Carrier) -> None:
        with suppress(ConnectionLost):  # `carrier.end` says more
            await self.channel.reopen()
        if carrier.end is not None:
            raise CarrierEnded(carrier.end)

    def _opened(self) -> None:
        if self._backoff is not None:
            self._backoff.opened(asyncio.get_running_loop().time())
        self.channel.open()
        self._become(ConnectionState.OPEN)

    def _tell_client_data(self, accepted: Accepted) -> None:
        before, self.accepted = self.accepted, accepted
        if before is not None and before.client_data != accepted.client_data:
            self._callbacks.call(self._settings.on_client_data, accepted.client_data)

    # The end.

    async def close(self) -> None:
        """Say bye and wait until the connection is gone. Idempotent."""
        self._finish(EndReason.CLIENT, quietly=True)
        task = self._reconnecting
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])
        if self._carrier is not None:
            await self._carrier.close()

    async def aclose(self) -> None:
        """Close, and wait for every task. Afterwards nothing of it is left."""
        try:
            await self.close()
        finally:
            await self._tasks.close()
            await self._callbacks.drain(_CALLBACK_SECONDS)
            await self._callback_tasks.close()

    async def wait_closed(self) -> str:
        """Wait for the end; its reason is one of docs/protocol.md, "End reasons"."""
        await self._over.wait()
        return self._reason

    def _finish(self, reason: str, *, quietly: bool = False) -> None:
        if self.state is ConnectionState.CLOSED:
            return
        self._reason = str(reason)
        self.channel.end(self._reason, quietly=quietly)
        self._over.set()
        self._become(ConnectionState.CLOSED, self._reason)

    def _become(self, state: ConnectionState, reason: str | None = None) -> None:
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"{self.state} does not lead to {state}")
        self.state = state
        self._callbacks.call(self._settings.on_state, state, reason)
