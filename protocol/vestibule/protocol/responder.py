"""The server's end of a connection."""

from collections.abc import Sequence
from typing import Any, Final

from nacl.bindings import randombytes

from vestibule.protocol.batches import RequestReader
from vestibule.protocol.clear import ClearKey
from vestibule.protocol.codec import decode_reserved, encode, encode_body
from vestibule.protocol.connection import Connection
from vestibule.protocol.crypto import (
    IdentityKey,
    ReceivingKey,
    SendingKey,
    agree,
    derive,
    fingerprint,
    new_ephemeral,
    public_key,
)
from vestibule.protocol.errors import (
    CloseCode,
    ErrorCode,
    FramingError,
    InvalidClientHello,
    LocalProtocolError,
)
from vestibule.protocol.events import (
    Event,
    LoginProofReceived,
    LoginReceived,
    Received,
)
from vestibule.protocol.framing import Entry
from vestibule.protocol.hello import (
    SESSION_ID_BYTES,
    ClearGreeting,
    ClientHello,
    ServerHello,
    choose,
)
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.logins import read_login, read_proof
from vestibule.protocol.phases import (
    RESPONDER_READS,
    RESPONDER_TRANSITIONS,
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


__all__ = ["Responder"]


class Responder(Connection):
    """The server's end. It speaks second, reads logins and, after one, requests.

    `attempts` counts the logins read so far.
    """

    __slots__ = (
        "_ephemeral",
        "_identities",
        "_login_id",
        "_reader",
        "_session_id",
        "attempts",
    )

    def __init__(
        self,
        identities: Sequence[IdentityKey],
        limits: WireLimits,
        *,
        encrypted: bool = True,
        ephemeral: bytes | None = None,
        session_id: bytes | None = None,
    ) -> None:
        """Take the identity keys, the current one first.

        `ephemeral` and `session_id` are for test vectors alone; they are random.
        """
        super().__init__(
            limits, RESPONDER_TRANSITIONS, RESPONDER_READS, CloseCode.INVALID_AUTH_MSG
        )
        self._identities: Final = identities
        self._ephemeral = ephemeral
        self._session_id = session_id or randombytes(SESSION_ID_BYTES)
        self.session_id = self._session_id.hex()
        self._reader: Final = RequestReader(limits)
        self._login_id = 0
        self.attempts = 0
        if not encrypted:
            self._herald(
                ClearGreeting(session_id=self._session_id, limits=limits).encode()
            )
            self._receiving = ClearKey()
            self._use_key(ClearKey(), 0.0)
            self._follow(Step.HELLO_ACCEPTED)

    # The answers to a login. Each gives the events of what waited behind it.

    def admit(
        self, fields: dict[str, Any], server_keys: Sequence[bytes], now: float
    ) -> list[Event]:
        """Accept the login: from now on the client is a user.

        `server_keys` are all public identity keys; none without encryption.

        Raises:
            LocalProtocolError: no login waits for an answer.
            InvalidBody, MessageTooLarge: `fields` cannot be sent; the login still waits.
        """
        self._expect_decision()
        answer = encode(LoginAnswered(self._login_id, encode_body(fields)))
        if server_keys:
            # One item: nothing comes between the two, no end of a record either.
            answer += encode(ServerKeys(list(server_keys)))
        self._check_size(len(answer), self._limits.message_bytes)
        self._admit(now)
        self._put(answer)
        return self._work_off(now)

    def refuse(
        self,
        code: str,
        reason: str,
        details: dict[str, Any],
        now: float,
        *,
        bye: CloseCode | None = None,
    ) -> list[Event]:
        """Refuse the login. After the last attempt, or with `bye`, that is the end.

        `attempts_left` is added to the details. On the last attempt
        TOO_MANY_AUTH_ATTEMPTS stands in place of INVALID_AUTH_DATA.

        Raises:
            LocalProtocolError: no login waits for an answer.
            InvalidBody, MessageTooLarge: `details` cannot be sent; the login still
                waits.
        """
        self._expect_decision()
        left = self._limits.login_attempts - self.attempts
        if left <= 0:
            bye = bye or CloseCode.TOO_MANY_AUTH_ATTEMPTS
            if code == ErrorCode.INVALID_AUTH_DATA:
                code = ErrorCode.TOO_MANY_AUTH_ATTEMPTS
        body = encode_body({"attempts_left": max(0, left), **details})
        self._put(encode(LoginRefusal(self._login_id, str(code), reason, body)))
        self._follow(Step.LOGIN_REFUSED)
        if bye is not None:
            return self._dismiss(bye, "")
        return self._work_off(now)

    def challenge(self, fields: dict[str, Any], now: float) -> list[Event]:
        """Ask for the proof of the login; `LoginProofReceived` follows.

        Raises:
            LocalProtocolError: no login waits for an answer.
        """
        self._expect_decision()
        self._put(encode(LoginAsked(self._login_id, encode_body(fields))))
        self._follow(Step.CHALLENGE_SENT)
        return self._work_off(now)

    def _expect_decision(self) -> None:
        if self.phase is not Phase.DECIDING:
            raise LocalProtocolError("no login waits for an answer")

    # What the connection asks of its server's end.

    def _greet(self, message: bytes, now: float) -> list[Event]:
        try:
            offered = ClientHello.decode(message)
            version, suite = choose(offered)
            identity = self._identity(offered.hint)
            ephemeral, self._ephemeral = self._ephemeral or new_ephemeral(), None
            try:
                shared = agree(offered.ephemeral, ephemeral)
                static = identity.agree(offered.ephemeral)
            except ValueError as error:
                raise InvalidClientHello(CloseCode.PROTOCOL_ERROR, str(error)) from None
        except InvalidClientHello as error:
            return self._fail(error.code, str(error))
        hello = ServerHello(
            version=version,
            suite=suite,
            ephemeral=public_key(ephemeral),
            identity=identity.public,
            session_id=self._session_id,
            limits=self._limits,
        ).encode()
        keys = derive(message, hello, shared, static)
        sending = SendingKey("s2c", keys.server_to_client)
        self._herald(hello + sending.seal(keys.finished))
        self._use_key(sending, now)
        self._receiving = ReceivingKey("c2s", keys.client_to_server)
        self.exporter = keys.exporter
        self._follow(Step.HELLO_ACCEPTED)
        return []

    def _identity(self, hint: bytes) -> IdentityKey:
        """Give the key that a client expects, else the current one."""
        for identity in self._identities:
            if fingerprint(identity.public) == hint:
                return identity
        return self._identities[0]

    def _refuse_hello(self, problem: str) -> list[Event]:
        return self._fail(CloseCode.PROTOCOL_ERROR, problem)

    def _read_batch(self, batch: bytes) -> Event | None:
        messages = self._reader.read_batch(batch)
        return None if messages is None else Received(messages)

    def _gather(self, entry: Entry) -> None:
        self._reader.gather(entry)

    def _gathered(self) -> list[Event]:
        messages = self._reader.take_gathered()
        return [Received(messages)] if messages else []

    def _handle_login(self, entry: Entry) -> list[Event]:
        if entry.tag == Tag.LOGIN_PROOF:
            proof = decode_reserved(LoginProof, entry.data)
            if proof.id != self._login_id:
                raise FramingError("the proof of another login")
            fields = read_proof(proof, self._limits)
            self._follow(Step.PROOF_SENT)
            return [LoginProofReceived(proof.id, fields)]
        login = decode_reserved(Login, entry.data)
        self._reader.take_id(login.id)
        if self.phase is Phase.ADMITTED:
            self._refuse_second(login)
            return []
        fields = read_login(login, self._limits)
        self._login_id = login.id
        self.attempts += 1
        self._follow(Step.LOGIN_SENT)
        return [LoginReceived(login.id, login.scheme, fields, self.attempts)]

    def _refuse_second(self, login: Login) -> None:
        """Answer a login in a session: it stays what it is."""
        code, reason = ErrorCode.INVALID_AUTH_MSG, "already logged in"
        self._put(encode(LoginRefusal(login.id, code, reason, encode_body({}))))

    def _answer_to_bye(self) -> Bye:
        return Bye(int(CloseCode.CLOSED), "", 0)
