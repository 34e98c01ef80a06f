"""The client's end of a connection."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final, TypeAlias

from vestibule.protocol.batches import NoticeReader
from vestibule.protocol.clear import ClearKey
from vestibule.protocol.codec import decode_reserved, encode, encode_body
from vestibule.protocol.connection import Connection
from vestibule.protocol.crypto import (
    ReceivingKey,
    SendingKey,
    agree,
    derive,
    new_ephemeral,
    public_key,
)
from vestibule.protocol.errors import (
    BadRecord,
    CloseCode,
    EndReason,
    ErrorCode,
    FramingError,
    InvalidServerHello,
    LocalProtocolError,
)
from vestibule.protocol.events import (
    Event,
    HandshakeCompleted,
    HandshakeRefused,
    LoginAccepted,
    LoginChallenged,
    LoginRefusedReceived,
    Noticed,
    ServerKeysReceived,
)
from vestibule.protocol.framing import Entry
from vestibule.protocol.hello import (
    HINT_BYTES,
    PROOF_BYTES,
    ClearGreeting,
    ClientHello,
    ServerHello,
)
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.logins import read_answer, read_challenge, read_refusal
from vestibule.protocol.phases import (
    INITIATOR_READS,
    INITIATOR_TRANSITIONS,
    Phase,
    Step,
)
from vestibule.protocol.reserved import (
    Bye,
    Login,
    LoginAnswered,
    LoginAsked,
    LoginProof,
    LoginRefusal,
    ServerKeys,
    Tag,
)


__all__ = ["Initiator"]

Accept: TypeAlias = Callable[[bytes], bool] | Collection[bytes]

_REFUSING_BYES: Final = frozenset(
    {
        CloseCode.INVALID_AUTH_MSG,
        CloseCode.TOO_MANY_AUTH_ATTEMPTS,
        CloseCode.AUTHENTICATION_TIMEOUT,
    }
)
"""The byes that a client whose login is open takes as its refusal."""


class Initiator(Connection):
    """The client's end. It speaks first, logs in, and then asks.

    `server_key` is the identity key that the server proved, `limits` what it announced;
    both hold from `HandshakeCompleted` on.
    """

    __slots__ = (
        "_accept",
        "_ephemeral",
        "_hello",
        "_keys_due",
        "_last_id",
        "_login_id",
        "_reader",
        "limits",
        "server_key",
    )

    def __init__(
        self,
        accept: Accept,
        hint: bytes = bytes(HINT_BYTES),
        *,
        limits: WireLimits | None = None,
        encrypted: bool = True,
        ephemeral: bytes | None = None,
    ) -> None:
        """Take the server keys to accept, or the function that decides on one.

        `hint` is the fingerprint of the expected key. Of `limits` the ones that this
        end sets itself count: of data and of keys' ages. `ephemeral` is for test
        vectors alone; it is random.
        """
        self.limits = limits or WireLimits()
        super().__init__(
            self.limits,
            INITIATOR_TRANSITIONS,
            INITIATOR_READS,
            CloseCode.MESSAGE_PARSE_ERROR,
        )
        self._accept: Final = accept if callable(accept) else accept.__contains__
        self._ephemeral: bytes | None = None
        self._hello: ClientHello | None = None
        self._reader = NoticeReader(self.limits)
        self._last_id = 0
        self._login_id = 0  # of the login that is open
        self._keys_due = False  # whether server_keys may still come
        self.server_key: bytes | None = None
        if encrypted:
            self._ephemeral = ephemeral or new_ephemeral()
            public = public_key(self._ephemeral)
            self._hello = ClientHello(ephemeral=public, hint=hint)
            self._herald(self._hello.encode())

    # What the owner asks.

    def next_id(self) -> int:
        """Give the next request id. All ids of the connection come from here."""
        self._last_id += 1
        return self._last_id

    def login(self, scheme: str, fields: dict[str, Any]) -> int:
        """Send a login and give its id.

        Raises:
            LocalProtocolError: the handshake is not done, or a login is open, or one
                has succeeded.
            InvalidBody, MessageTooLarge: `fields` cannot be sent.
        """
        if self.phase is not Phase.QUARANTINED:
            raise LocalProtocolError("no login can be sent now")
        number = self._last_id + 1
        self._put_login(encode(Login(number, scheme, encode_body(fields))))
        self._login_id = self._last_id = number
        self._takes = True
        self._follow(Step.LOGIN_SENT)
        return number

    def prove(self, fields: dict[str, Any]) -> None:
        """Send the proof that a challenge asks for.

        Raises:
            LocalProtocolError: there is no challenge.
        """
        if self.phase is not Phase.CHALLENGED:
            raise LocalProtocolError("no proof was asked for")
        self._put(encode(LoginProof(self._login_id, encode_body(fields))))
        self._follow(Step.PROOF_SENT)

    # What the connection asks of its client's end.

    def _greet(self, message: bytes, now: float) -> list[Event]:
        try:
            if self._hello is None:
                return self._greet_in_clear(message, now)
            hello = ServerHello.decode(message, self._hello)
            if not self._accept(hello.identity):
                problem = "another server key"
                return self._reject(
                    ErrorCode.SERVER_KEY_CHANGED, problem, hello.identity
                )
            self._agree(self._hello, hello, message, now)
        except InvalidServerHello as error:
            return self._refuse_hello(str(error))
        self.server_key = hello.identity
        return self._complete(hello.session_id, hello.limits)

    def _agree(
        self, offer: ClientHello, hello: ServerHello, message: bytes, now: float
    ) -> None:
        """Derive the keys, and check that the server has the secret of its key."""
        ephemeral, self._ephemeral = self._ephemeral, None
        if ephemeral is None:
            raise LocalProtocolError("an ephemeral key serves once")
        body, proof = message[:-PROOF_BYTES], message[-PROOF_BYTES:]
        try:
            shared = agree(hello.ephemeral, ephemeral)
            static = agree(hello.identity, ephemeral)
            keys = derive(offer.encode(), body, shared, static)
            receiving = ReceivingKey("s2c", keys.server_to_client)
            finished = receiving.open(proof)
        except (ValueError, BadRecord) as error:
            raise InvalidServerHello(str(error)) from None
        if finished != keys.finished:
            raise InvalidServerHello("a proof of something else")
        self._receiving = receiving
        self._use_key(SendingKey("c2s", keys.client_to_server), now)
        self.exporter = keys.exporter

    def _greet_in_clear(self, message: bytes, now: float) -> list[Event]:
        greeting = ClearGreeting.decode(message)
        self._receiving = ClearKey()
        self._use_key(ClearKey(), now)
        return self._complete(greeting.session_id, greeting.limits)

    def _complete(self, session_id: bytes, announced: WireLimits) -> list[Event]:
        """Go on under the limits that the server announced."""
        self.limits = replace(
            self.limits,
            quarantine_message_bytes=announced.quarantine_message_bytes,
            message_bytes=announced.message_bytes,
            batch_messages=announced.batch_messages,
            quarantine_timeout_ms=announced.quarantine_timeout_ms,
            login_attempts=announced.login_attempts,
            heartbeat_ms=announced.heartbeat_ms,
        )
        self._use_limits(self.limits)
        self._use_record_bytes(self.limits.quarantine_message_bytes)
        # An accepted login with its data may be longer than what a stranger may send.
        self._record_bytes = self.limits.message_bytes
        self._reader = NoticeReader(self.limits)
        self.session_id = session_id.hex()
        self._follow(Step.HELLO_ACCEPTED)
        return [HandshakeCompleted(self.session_id, self.server_key, self.limits)]

    def _reject(
        self, code: ErrorCode, problem: str, server_key: bytes | None
    ) -> list[Event]:
        """Refuse the ServerHello: nothing more is sent, not even why."""
        return [HandshakeRefused(code, problem, server_key), *self._drop(problem)]

    def _refuse_hello(self, problem: str) -> list[Event]:
        return self._reject(ErrorCode.HANDSHAKE_INVALID, problem, None)

    def _read_batch(self, batch: bytes) -> Event | None:
        messages = self._reader.read_batch(batch)
        return None if messages is None else Noticed(messages)

    def _gather(self, entry: Entry) -> None:
        self._reader.gather(entry)

    def _gathered(self) -> list[Event]:
        messages = self._reader.take_gathered()
        return [Noticed(messages)] if messages else []

    def _handle_login(self, entry: Entry) -> list[Event]:
        match entry.tag:
            case Tag.LOGIN_CHALLENGE:
                asked = decode_reserved(LoginAsked, entry.data)
                self._expect_login(asked.id)
                fields = read_challenge(asked, self.limits)
                self._follow(Step.CHALLENGE_SENT)
                return [LoginChallenged(asked.id, fields)]
            case Tag.LOGIN_ACCEPTED:
                answer = decode_reserved(LoginAnswered, entry.data)
                self._expect_login(answer.id)
                fields = read_answer(answer, self.limits)
                self._admit(self._heard)
                self._keys_due = True
                return [LoginAccepted(answer.id, fields)]
            case Tag.LOGIN_REFUSED:
                refusal = decode_reserved(LoginRefusal, entry.data)
                self._expect_login(refusal.id)
                details = read_refusal(refusal, self.limits)
                self._takes = False
                self._follow(Step.LOGIN_REFUSED)
                code, reason = refusal.code, refusal.reason
                return [LoginRefusedReceived(refusal.id, code, reason, details)]
            case _:
                keys = decode_reserved(ServerKeys, entry.data).keys
                if not self._keys_due:
                    raise FramingError("server keys a second time")
                self._keys_due = False
                return [ServerKeysReceived(tuple(keys))]

    def _expect_login(self, number: int) -> None:
        if number != self._login_id:
            raise FramingError("the answer to another login")

    def _bye_came(self, bye: Bye) -> list[Event]:
        open_login = self.phase in (Phase.DECIDING, Phase.CHALLENGED)
        events = super()._bye_came(bye)
        if open_login and bye.code in _REFUSING_BYES:
            code = CloseCode(bye.code).name
            events.insert(0, LoginRefusedReceived(self._login_id, code, "", {}))
        return events

    def _answer_to_bye(self) -> Bye:
        return Bye(int(CloseCode.CLOSED), str(EndReason.CLIENT), 0)
