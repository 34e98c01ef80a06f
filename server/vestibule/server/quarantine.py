"""The quarantine: a connection without a user. `admit` is the only way to a session."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeGuard

from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import CloseCode, ErrorCode, InvalidBody
from vestibule.server.audit import AuditLog
from vestibule.server.authenticators import Admission, Chain, Refusal
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.handler import ConnectionData
from vestibule.server.lockout import AddressFailures, Lockout
from vestibule.server.session import Link, Session
from vestibule.server.sessions import Sessions
from vestibule.server.turnstile import Key, Turnstile


__all__ = ["Door", "Quarantine", "Turned"]

_AUTH_DATA_BYTES: Final = 16 * 1024
"""Login data, encoded: names, passwords, tokens; more is not a login."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A login that was refused: what the client is told, and whether it is the end."""

    code: ErrorCode
    reason: str
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    bye: CloseCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What every quarantine of a broker decides with."""

    chain: Chain
    directory: Directory
    lockout: Lockout
    addresses: AddressFailures
    turnstile: Turnstile
    sessions: Sessions
    sessions_per_user: int
    counters: Counters
    audit: AuditLog


class Quarantine:
    """One connection that has no user, and nothing to do but log in.

    At most one login is evaluated at a time; the protocol core sees to that.
    """

    def __init__(self, door: Door, connection: ConnectionData) -> None:
        self._door: Final = door
        self._connection: Final = connection

    async def admit(
        self, scheme: str, fields: Mapping[str, Any], link: Link
    ) -> Session | Turned:
        """Decide a login: the session it makes, or what to refuse it with.

        Where the logins that are evaluated already could lock the name or its address
        if they all failed, it waits for one of them, so that no more are evaluated side
        by side than one after the other. A login that is cancelled while it is
        evaluated, because its connection went away or its time was over, counts as
        failed; one that waits does not.
        """
        auth_data = fields.get("auth_data")
        if scheme != "plain":
            return self._turn(
                Refusal(
                    ErrorCode.SCHEME_NOT_AVAILABLE,
                    "scheme not available",
                    evaluated=False,
                ),
                None,
            )
        if not _acceptable(auth_data):
            return Turned(
                ErrorCode.INVALID_AUTH_MSG,
                "not a login",
                bye=CloseCode.INVALID_AUTH_MSG,
            )
        name = self._counted_as(_account(auth_data))
        turnstile = self._door.turnstile
        while (refused := self._refused_before(name)) is None:
            full = self._full(name)
            if full is None:
                with turnstile.under(*self._bounds(name)):
                    return await self._evaluate(auth_data, name, link)
            await turnstile.wait(full)
        return refused

    def _bounds(self, name: str | None) -> Mapping[Key, int | None]:
        """Give what the login counts under, and how many failures each has left."""
        door, address = self._door, self._connection.remote_address
        bounds: dict[Key, int | None] = {address: door.addresses.failures_left(address)}
        if name is not None:
            bounds[name, address] = door.lockout.failures_left(name, address)
        return bounds

    def _full(self, name: str | None) -> Key | None:
        """Find where those under evaluation may use up every failure that is left."""
        for key, left in self._bounds(name).items():
            passing = self._door.turnstile.passing(key)
            # With nobody to wait for it is its turn, whatever is left.
            if left is not None and passing and passing >= left:
                return key
        return None

    async def _evaluate(
        self, auth_data: dict[str, Any], name: str | None, link: Link
    ) -> Session | Turned:
        """Ask the authenticators, and count what comes of it."""
        counters = self._door.counters
        try:
            answer = await self._door.chain.authenticate(self._connection, auth_data)
        except asyncio.CancelledError:
            counters.add("logins_evaluated")
            self._failed(name)
            raise
        if isinstance(answer, Admission):
            counters.add("logins_evaluated")
            return self._session(answer, name, link)
        if answer.evaluated:
            counters.add("logins_evaluated")
            self._failed(name)
        return self._turn(answer, name)

    def _refused_before(self, name: str | None) -> Turned | None:
        """Refuse what is locked, before any authenticator is asked."""
        address = self._connection.remote_address
        after = self._door.addresses.retry_after(address)
        if after is not None:
            self._door.counters.add("logins_locked")
            refusal = Refusal(
                ErrorCode.TOO_MANY_AUTH_ATTEMPTS,
                "too many failed logins from this address",
                retry_after=after,
            )
            return self._turn(refusal, name, bye=CloseCode.TOO_MANY_AUTH_ATTEMPTS)
        if name is not None:
            after = self._door.lockout.locked(name, address)
            if after is not None:
                self._door.counters.add("logins_locked")
                refusal = Refusal(
                    ErrorCode.ACCOUNT_LOCKED, "account locked", retry_after=after
                )
                return self._turn(refusal, name)
        return None

    def _failed(self, name: str | None) -> None:
        address = self._connection.remote_address
        self._door.addresses.failed(address)
        if name is not None:
            self._door.lockout.failed(name, address)

    def _counted_as(self, name: str | None) -> str | None:
        """Give the name that failures count under: one for all spellings of a user."""
        user = None if name is None else self._door.directory.user(name)
        return name if user is None else user.username

    def _turn(
        self, refusal: Refusal, name: str | None, *, bye: CloseCode | None = None
    ) -> Turned:
        door, connection = self._door, self._connection
        busy = refusal.code is ErrorCode.BUSY
        door.counters.add("logins_busy" if busy else "logins_refused")
        door.audit.login_refused(
            session_id=connection.session_id,
            # Only names that are users': people type passwords into the wrong field.
            username=name if name and door.directory.user(name) else "",
            address=connection.remote_address,
            code=refusal.code,
            reason=refusal.reason,
            authenticator=refusal.authenticator,
        )
        details: dict[str, Any] = {}
        if refusal.client_data is not None:
            details["client_data"] = refusal.client_data
        if refusal.retry_after is not None:
            details["retry_after"] = round(refusal.retry_after, 3)
        return Turned(refusal.code, refusal.reason, details, bye)

    def _session(
        self, admission: Admission, name: str | None, link: Link
    ) -> Session | Turned:
        door, connection = self._door, self._connection
        address = connection.remote_address
        if admission.groups is None:
            user = door.directory.user(admission.username)
            gone = user is None and admission.authenticator == "directory"
            if gone or (user is not None and not door.directory.may_log_in(user)):
                # Deleted or disabled while the login was decided.
                return self._turn(Refusal(authenticator=admission.authenticator), name)
        if door.sessions.count(admission.username) >= door.sessions_per_user:
            refusal = Refusal(
                ErrorCode.LIMIT_EXCEEDED,
                "too many sessions of this user",
                authenticator=admission.authenticator,
            )
            return self._turn(refusal, name)
        if name is not None:
            door.lockout.succeeded(name, address)
        session = Session(
            connection.session_id,
            admission.username,
            groups=admission.groups,
            policy=door.directory.policy,
            link=link,
            remote_address=address,
            authenticator=admission.authenticator,
            client_data=admission.client_data,
            server_data=admission.server_data,
            properties=admission.properties,
            connected_at=asyncio.get_running_loop().time(),
        )
        door.counters.add("sessions_admitted")
        door.audit.login_accepted(
            session_id=session.id,
            username=session.username,
            address=address,
            authenticator=session.authenticator,
        )
        return session


def _acceptable(auth_data: object) -> TypeGuard[dict[str, Any]]:
    """Whether login data is a map of text keys that is not too long."""
    if not isinstance(auth_data, dict):
        return False
    if not all(isinstance(key, str) for key in auth_data):
        return False
    try:
        return len(bytes(encode_body(auth_data))) <= _AUTH_DATA_BYTES
    except InvalidBody:
        return False


def _account(auth_data: Mapping[str, Any]) -> str | None:
    """Give the name that failures are counted under, if the data holds one."""
    name = auth_data.get("username")
    if not isinstance(name, str):
        name = auth_data.get("user")
    return name if isinstance(name, str) else None
