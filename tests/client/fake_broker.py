"""A small broker in memory, on the real protocol core: enough for the client's tests.

It has no sockets, no files and no policy: who may do what is a set of denied pairs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nacl.bindings import randombytes

from client.fake_features import FakeFeatures
from vestibule.client.entering import Connecting, OpeningSession
from vestibule.client.errors import HandshakeFailed
from vestibule.client.reconnect import Reconnect
from vestibule.client.settings import Settings
from vestibule.client.transport import Receiver, Target, Transport
from vestibule.protocol import events
from vestibule.protocol.codec import encode
from vestibule.protocol.crypto import IdentityKey, server_key_text
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import Message
from vestibule.protocol.responder import Responder
from vestibule.protocol.scram import ScramExchange, canonical_password, password_keys
from vestibule.protocol.signatures import key_login, ticket_login, verifies


LISA = {"username": "lisa", "password": "sesame"}
URL = "ws://broker.example:7420"
LOOPBACK = "ws://127.0.0.1:7420"
AT_ONCE = Reconnect(first=0.0, most=0.0)

Tamper = Callable[[bytes], Sequence[bytes]]


def untouched(message: bytes) -> Sequence[bytes]:
    return (message,)


class MemoryTransport:
    """The client's end: what it sends is at the broker one turn later."""

    def __init__(self, connection: "FakeConnection", receiver: Receiver) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._receiver = receiver
        self._ending = False
        self._lost = False
        self.congested = False
        self.closed_with: int | None = None
        self.allowed = 0
        self.sent: list[bytes] = []

    def send(self, message: bytes) -> None:
        if not self._ending:
            self.sent.append(message)
            for changed in self._connection.broker.to_broker(message):
                self._loop.call_soon(self._connection.received, changed)

    def allow(self, message_bytes: int) -> None:
        self.allowed = message_bytes

    def close(self, code: int) -> None:
        self.closed_with = code
        self.lose(code)

    def abort(self) -> None:
        self.lose(None)

    def receive(self, message: bytes) -> None:
        if not self._lost:
            self._receiver.received(message)

    def relieve(self) -> None:
        self.congested = False
        self._receiver.writable()

    def lose(self, close_code: int | None) -> None:
        """End the connection at both ends, behind what is on its way."""
        if not self._ending:
            self._ending = True
            self._loop.call_soon(self._connection.lost)
            self._loop.call_soon(self._end, close_code)

    def _end(self, close_code: int | None) -> None:
        self._lost = True
        self._receiver.lost(close_code)


class FakeConnection:
    """The broker's end of one connection."""

    def __init__(self, broker: "FakeBroker", receiver: Receiver) -> None:
        self._loop = asyncio.get_running_loop()
        self.broker = broker
        self.transport = MemoryTransport(self, receiver)
        self.core = Responder(
            broker.identities, broker.limits, encrypted=broker.encrypted
        )
        self.username = ""
        self.admitted = False
        self.resume_key: bytes | None = None
        self.logins: list[dict[str, Any]] = []
        self.schemes: list[str] = []
        self.requests: list[Message] = []
        self.bye: events.ByeReceived | None = None
        self.end: events.Ended | None = None
        self._flush_soon = False
        # Without encryption the broker speaks first.
        self.flush()

    @property
    def session_id(self) -> str:
        return self.core.session_id

    def received(self, message: bytes) -> None:
        self._take(self.core.receive(message, self._loop.time()))

    def lost(self) -> None:
        self._take(self.core.lost(self._loop.time()))

    def _take(self, happened: Sequence[events.Event]) -> None:
        for event in happened:
            match event:
                case events.LoginReceived():
                    self.logins.append(event.fields)
                    self.schemes.append(event.scheme)
                    self._take(self.broker.answer_login(self, event))
                case events.LoginProofReceived():
                    self._take(self.broker.answer_proof(self, event))
                case events.Received():
                    for message in event.messages:
                        if isinstance(message, events.Malformed):
                            continue
                        self.requests.append(message)
                        self.broker.features.handle(self, message)
                case events.ByeReceived():
                    self.bye = event
                case events.Ended():
                    self.end = event
                    self.broker.features.gone(self)
                    self.flush()
                    if event.drop or event.close_code is None:
                        self.transport.abort()
                    else:
                        self.transport.lose(event.close_code)
                case _:
                    pass
        self.flush()

    def send(self, message: Message) -> None:
        """Queue a message; everything of one turn leaves in one record."""
        self.core.queue(encode(message))
        if not self._flush_soon:
            self._flush_soon = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        self._flush_soon = False
        for record in self.core.outgoing(self._loop.time()):
            for changed in self.broker.to_client(record):
                self._loop.call_soon(self.transport.receive, changed)

    def say_bye(
        self, code: CloseCode, reason: EndReason, retry_after_ms: int = 0
    ) -> None:
        self.core.bye(code, reason, retry_after_ms)
        self.flush()

    def cut(self, close_code: int | None = None) -> None:
        """End the connection without a bye."""
        self.transport.lose(close_code)


def _signed(connection: FakeConnection, scheme: str, fields: dict[str, Any]) -> bool:
    exporter = connection.core.exporter or b""
    if scheme == "key":
        key = fields["public_key"]
        signed = key_login(exporter, fields["username"])
    else:
        key = connection.broker.resume_key
        signed = ticket_login(exporter, fields["ticket"])
    return verifies(key, signed, fields["signature"])


class FakeScram:
    """Challenges whoever logs in by SCRAM, as a broker that knows lisa's password."""

    def __init__(self) -> None:
        self.cost = {"opslimit": 1, "memlimit": 19 * 1024 * 1024}
        self.salt = b"s" * 16
        self.challenges = 0
        self.admit_at_once = False
        self.sign: Callable[[bytes], bytes | None] = bytes
        """What becomes of the broker's own proof."""
        self.answer: dict[str, Any] = {}

    def challenge(
        self, connection: FakeConnection, login: events.LoginReceived
    ) -> Sequence[events.Event]:
        if self.admit_at_once:
            return connection.broker.admit(connection, "lisa", None)
        self.challenges += 1
        fields: dict[str, Any] = {"server_nonce": b"n" * 32, "salt": self.salt}
        fields |= self.cost
        self.exchange = ScramExchange(
            username=login.fields["username"],
            client_nonce=login.fields["client_nonce"],
            exporter=connection.core.exporter or b"",
            **fields,
        )
        return connection.core.challenge(fields, asyncio.get_running_loop().time())

    def proved(
        self, connection: FakeConnection, proof: events.LoginProofReceived
    ) -> bool:
        password = canonical_password(connection.broker.users["lisa"])
        keys = password_keys(password, self.salt, **self.cost)
        signature = self.sign(self.exchange.server_signature(keys.server_key))
        self.answer = {} if signature is None else {"server_signature": signature}
        return self.exchange.proves(proof.fields["proof"], keys.stored_key)


class FakeBroker:
    """Admits lisa and whoever else is in `users`; see `FakeFeatures` for the rest."""

    def __init__(
        self,
        *,
        encrypted: bool = True,
        limits: WireLimits | None = None,
        identities: Sequence[IdentityKey] | None = None,
    ) -> None:
        self.encrypted = encrypted
        self.limits = limits or WireLimits()
        self.identities = list(identities or [IdentityKey.generate()])
        self.users = {"lisa": "sesame", "bob": "builder"}
        self.client_data: Any = None
        self.connections: list[FakeConnection] = []
        self.features = FakeFeatures()
        self.to_broker: Tamper = untouched
        self.to_client: Tamper = untouched
        self.refuse_upgrade: int | None = None
        self.unreachable = False
        self.dialled = 0
        self.targets: list[Target] = []
        self.silent_logins = False
        self.resume_key = b""
        self.ticket: bytes | None = None
        """Given to whoever asks for one; a login by it is accepted once."""
        self.refuse_tickets: str | None = None
        self.scram = FakeScram()
        self.server_keys: list[bytes] | None = None
        self.arrived = asyncio.Event()

    @property
    def server_key(self) -> str:
        return server_key_text(self.identities[0].public)

    @property
    def connection(self) -> FakeConnection:
        """The newest connection."""
        return self.connections[-1]

    def dial(self, target: Target, receiver: Receiver) -> Awaitable[Transport]:
        return self._dial(target, receiver)

    async def _dial(self, target: Target, receiver: Receiver) -> Transport:
        self.dialled += 1
        self.targets.append(target)
        self.arrived.set()
        if self.unreachable:
            raise ConnectionRefusedError
        expected = "vestibule.1" if self.encrypted else "vestibule.1-clear"
        status = 400 if target.subprotocol != expected else self.refuse_upgrade
        if status is not None:
            raise HandshakeFailed("UPGRADE_REFUSED", "refused", {"status": status})
        connection = FakeConnection(self, receiver)
        self.connections.append(connection)
        return connection.transport

    async def cut(self, at: int = -1) -> None:
        """Cut a connection and wait until its client has seen it."""
        self.connections[at].cut()
        await turns(3)

    def answer_login(
        self, connection: FakeConnection, login: events.LoginReceived
    ) -> Sequence[events.Event]:
        now = asyncio.get_running_loop().time()
        if self.silent_logins:
            return ()
        refused = "INVALID_AUTH_DATA"
        match login.scheme:
            case "plain":
                data = login.fields["auth_data"]
                username = data.get("username")
                good = self.users.get(username) == data.get("password")
            case "key":
                username = login.fields["username"]
                good = _signed(connection, "key", login.fields)
            case "ticket":
                username = "lisa"
                good = self._takes_ticket(connection, login.fields)
                refused = self.refuse_tickets or refused
            case "scram":
                return self.scram.challenge(connection, login)
            case _:
                good, refused, username = False, "SCHEME_NOT_AVAILABLE", ""
        if not good:
            return connection.core.refuse(refused, "invalid credentials", {}, now)
        return self.admit(connection, username, login.fields.get("resume_key"))

    def _takes_ticket(self, connection: FakeConnection, fields: dict[str, Any]) -> bool:
        if self.refuse_tickets or fields["ticket"] != self.ticket:
            return False
        return _signed(connection, "ticket", fields)

    def answer_proof(
        self, connection: FakeConnection, proof: events.LoginProofReceived
    ) -> Sequence[events.Event]:
        now = asyncio.get_running_loop().time()
        if not self.scram.proved(connection, proof):
            return connection.core.refuse(
                "INVALID_AUTH_DATA", "invalid credentials", {}, now
            )
        return self.admit(connection, "lisa", None, **self.scram.answer)

    def admit(
        self,
        connection: FakeConnection,
        username: str,
        resume_key: bytes | None,
        **more: Any,
    ) -> Sequence[events.Event]:
        now = asyncio.get_running_loop().time()
        connection.username = username
        connection.resume_key = resume_key
        if self.ticket is not None and resume_key is not None:
            self.ticket = randombytes(32)
            more |= {"ticket": self.ticket, "ticket_ttl_ms": 60_000}
            self.resume_key = resume_key
        connection.admitted = True
        keys = self.server_keys or [key.public for key in self.identities]
        return connection.core.admit(
            {
                "username": username,
                "client_data": self.client_data,
                "token": None,
                "insecure": [] if self.encrypted else ["encryption_off"],
                "broker": "hub",
                **more,
            },
            keys if self.encrypted else [],
            now,
        )

    # How tests connect to it.

    def connect(self, url: str = URL, **options: Any) -> Connecting:
        """As `vestibule.client.connect`, pinned unless told otherwise."""
        arguments: dict[str, Any] = {
            "server_key": self.server_key,
            "known_brokers": None,
            "first_use": "trust",
            "encryption": "required",
            "headers": None,
            "reconnect": AT_ONCE,
            "request_timeout": 5.0,
            "keep_login_data": True,
            "on_state": None,
            "on_client_data": None,
            "on_error": None,
        }
        settings = Settings.of_arguments(url, **(arguments | options))
        return Connecting(settings, self.dial)

    def open_session(
        self,
        auth_data: Any = LISA,
        *,
        scram: bool = False,
        plain_on_first_use: bool = False,
        **options: Any,
    ) -> OpeningSession:
        """As `vestibule.client.open_session`, pinned and as lisa."""
        return OpeningSession(
            self.connect(**options),
            auth_data,
            scram=scram,
            plain_on_first_use=plain_on_first_use,
        )


async def turns(count: int = 20) -> None:
    """Let the loop turn: enough for everything in memory to come to rest."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to pass")
