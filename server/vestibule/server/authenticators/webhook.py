"""Logins decided by a web service: one signed question, one checked answer.

The form of both is docs/authentication.md, "Webhook".
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import structlog

from vestibule.protocol.errors import ErrorCode
from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import (
    Entrance,
    NotAdmitted,
    expiry_of,
    properties_of,
    sendable,
)
from vestibule.server.config_authenticators import Webhook
from vestibule.server.directory.roles import BOUND, Roles
from vestibule.server.outgoing import NoAnswer, Outgoing
from vestibule.server.secret import Secret


__all__ = ["SIGNATURE_HEADER", "WebhookAuthenticator", "signature_of"]

SIGNATURE_HEADER: Final = "Vestibule-Signature"

_OK: Final = 200
_SHORTEST: Final = 0.001
_BUSY_SECONDS: Final = 1.0

log = structlog.get_logger("vestibule.login")


class _Reply(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the service says. Another key is a mistake that must not be overlooked."""

    action: Literal["allow", "deny", "abstain"]
    username: str | None = None
    groups: list[str] | None = None
    properties: dict[str, str] = {}
    client_data: Any = None
    reason: str | None = None


_decode: Final = msgspec.json.Decoder(_Reply).decode
_encode: Final = msgspec.json.Encoder().encode


class _Unusable(Exception):  # noqa: N818 - what there is to go by
    """There is no answer to go by; the text says why, for the log."""


class _Full(_Unusable):
    """No question could be asked in time: too many were under way."""


@dataclass(frozen=True, slots=True)
class _Timed:
    """When it must be over, by the loop's clock."""

    ends: float
    now: Callable[[], float]

    @property
    def left(self) -> float:
        return max(self.ends - self.now(), _SHORTEST)


def signature_of(secret: bytes, timestamp: int, body: bytes) -> str:
    """Give the value of the signature's header: `t=<timestamp>,v1=<hexadecimal>`.

    HMAC-SHA256 over the timestamp in decimal digits, a full stop, and the body.
    """
    signed = b"%d.%b" % (timestamp, body)
    return f"t={timestamp},v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"


class WebhookAuthenticator:
    """Asks the service about each login. Without a usable answer it lets in nobody.

    `clock` tells seconds since 1970.
    """

    name: Final = "webhook"

    def __init__(
        self,
        settings: Webhook,
        secret: Secret,
        entrance: Entrance,
        outgoing: Outgoing,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settings: Final = settings
        self._secret: Final = secret
        self._entrance: Final = entrance
        self._outgoing: Final = outgoing
        self._clock: Final = clock
        self._free: Final = asyncio.Semaphore(settings.concurrency)

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._outgoing.close()

    async def authenticate(self, attempt: Attempt) -> Answer:
        """Ask, within `webhook.timeout`, and check what is answered."""
        try:
            reply = await self._asked(question_of(attempt))
        except _Unusable as problem:
            log.warning("webhook.failed", problem=str(problem))
            if self._settings.on_failure == "skip":
                return None
            if isinstance(problem, _Full):
                return Refusal(
                    ErrorCode.BUSY,
                    "busy",
                    authenticator=self.name,
                    retry_after=_BUSY_SECONDS,
                    evaluated=False,
                )
            return Refusal(authenticator=self.name, told=f"webhook: {problem}")
        match reply.action:
            case "abstain":
                return None
            case "deny":
                return Refusal(authenticator=self.name, told=reply.reason)
            case "allow":
                return self._allowed(reply, attempt)

    def _allowed(self, reply: _Reply, attempt: Attempt) -> Admission | Refusal:
        """Check what it admits with; an admission that is malformed admits nobody."""
        try:
            name = attempt.username if reply.username is None else reply.username
            username = self._entrance.named(name, attempt)
            properties = properties_of(reply.properties)
            return Admission(
                username,
                self.name,
                self._roles(reply),
                client_data=sendable(reply.client_data),
                properties=properties.user_defined,
                location=properties.location,
                expires_at=expiry_of(properties, self._clock()),
            )
        except NotAdmitted as problem:
            return Refusal(authenticator=self.name, told=str(problem))

    def _roles(self, reply: _Reply) -> Roles:
        if reply.groups is None:
            return BOUND
        known = self._entrance.known_groups(reply.groups)
        unknown = set(reply.groups) - known
        if unknown:
            # Not all of what was meant would be a guess.
            raise NotAdmitted("groups that do not exist, or the system's")
        return Roles.fixed(known)

    async def _asked(self, question: bytes) -> _Reply:
        """Ask until there is an answer, or the time or the retries are used up.

        Raises:
            _Unusable: there is none.
        """
        loop = asyncio.get_running_loop()
        timed = _Timed(loop.time() + self._settings.timeout, loop.time)
        try:
            async with asyncio.timeout(timed.left):
                await self._free.acquire()
        except TimeoutError:
            raise _Full("too many questions at a time") from None
        try:
            return await self._persistently(question, timed)
        finally:
            self._free.release()

    async def _persistently(self, question: bytes, timed: _Timed) -> _Reply:
        settings = self._settings
        pause = settings.retry_delay
        tries = settings.retries
        while True:
            try:
                response = await self._outgoing.post(
                    settings.url,
                    question,
                    self._headers(question),
                    seconds=timed.left,
                    most_bytes=settings.response_bytes,
                )
            except NoAnswer as failure:
                problem, again = str(failure), failure.unsent
            else:
                if response.status == _OK:
                    return _read(response.body)
                problem = f"HTTP status {response.status}"
                again = response.status in settings.retry_statuses
            if not again or tries == 0 or pause >= timed.left:
                raise _Unusable(problem)
            tries -= 1
            await asyncio.sleep(pause)
            pause *= 2

    def _headers(self, question: bytes) -> Mapping[str, str]:
        timestamp = int(self._clock())
        return {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: signature_of(
                self._secret.reveal_bytes(), timestamp, question
            ),
        }


def question_of(attempt: Attempt) -> bytes:
    """Encode what the service is asked. Where a proof was checked, no secret is in it.

    Login data are text, numbers, lists and maps; bytes are sent as base64.
    """
    connection, session = attempt.connection, attempt.reauthentication
    credentials = {
        key: value for key, value in attempt.auth_data.items() if key != "username"
    }
    question = {
        "principal": attempt.username,
        "scheme": attempt.scheme,
        "credentials": credentials,
        "connection": {
            "session_id": connection.session_id,
            "remote_address": connection.remote_address,
            "origin": connection.origin,
            "referer": connection.referer,
        },
        "proposed_properties": dict(attempt.properties),
        "reauthentication": session is not None,
        "current_principal": None if session is None else session.username,
    }
    return _encode(question)


def _read(body: bytes) -> _Reply:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Unusable("an answer of another form") from None
