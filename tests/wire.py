"""A wire in memory: an Initiator and a Responder, and somebody between them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgpack

from vestibule.protocol.codec import encode
from vestibule.protocol.connection import Connection
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.errors import EndReason
from vestibule.protocol.events import (
    Ended,
    Event,
    LoginReceived,
    Noticed,
    Received,
)
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import AnyNotice, AnyRequest
from vestibule.protocol.responder import Responder


Between: TypeAlias = Callable[[bytes], Iterable[bytes]]

ACCEPTED: Final[Mapping[str, Any]] = {
    "username": "lisa",
    "client_data": None,
    "token": None,
    "insecure": [],
}


def batch(*messages: object) -> bytes:
    """Encode messages, well formed or not, with a codec that is not the product's."""
    return b"".join(msgpack.packb(message) for message in messages)


def unchanged(record: bytes) -> Iterable[bytes]:
    """Pass a record on as it is."""
    return (record,)


class Wire:
    """Two ends and what each has seen.

    `to_server` and `to_client` take each record that crosses and give what arrives in
    its place: one that is repeated, swapped, changed, or nothing.
    """

    def __init__(
        self,
        *,
        limits: WireLimits | None = None,
        client_limits: WireLimits | None = None,
        identities: Sequence[IdentityKey] = (),
        accept: Callable[[bytes], bool] | Collection[bytes] | None = None,
        encrypted: bool = True,
    ) -> None:
        self.limits: Final = limits or WireLimits()
        self.identities: Final = list(identities) or [IdentityKey.generate()]
        self.server_keys: Final = [key.public for key in self.identities]
        self.responder: Final = Responder(
            self.identities, self.limits, encrypted=encrypted
        )
        self.initiator: Final = Initiator(
            accept or self.server_keys,
            self.identities[0].fingerprint,
            limits=client_limits,
            encrypted=encrypted,
        )
        self.now = 0.0
        self.to_server: Between = unchanged
        self.to_client: Between = unchanged
        self.sent_by_client: list[bytes] = []
        self.sent_by_server: list[bytes] = []
        self.at_server: list[Event] = []
        self.at_client: list[Event] = []

    def pump(self) -> None:
        """Let everything cross that either end has to say."""
        while self.client_to_server() or self.server_to_client():
            pass

    def client_to_server(self) -> bool:
        """Let what the client has to say cross; whether there was anything."""
        records = self.initiator.outgoing(self.now)
        self.sent_by_client += records
        for record in records:
            for arriving in self.to_server(record):
                self.at_server += self.responder.receive(arriving, self.now)
        return bool(records)

    def server_to_client(self) -> bool:
        """Let what the server has to say cross; whether there was anything."""
        records = self.responder.outgoing(self.now)
        self.sent_by_server += records
        for record in records:
            for arriving in self.to_client(record):
                self.at_client += self.initiator.receive(arriving, self.now)
        return bool(records)

    def log_in(self, auth_data: Mapping[str, Any] | None = None) -> LoginReceived:
        """Exchange the hellos, send a plain login, and give it as the server has it."""
        self.pump()
        data = {"username": "lisa"} if auth_data is None else dict(auth_data)
        self.initiator.login("plain", {"auth_data": data})
        self.pump()
        login = self.at_server[-1]
        assert isinstance(login, LoginReceived)
        return login

    def admit(self) -> None:
        """Accept the login that waits."""
        self.at_server += self.responder.admit(
            dict(ACCEPTED), self.server_keys, self.now
        )
        self.pump()

    def admitted(self) -> "Wire":
        """Go through to an admitted session, and forget what was seen on the way."""
        self.log_in()
        self.admit()
        self.forget()
        return self

    def forget(self) -> None:
        """Forget what was seen and sent so far."""
        self.at_server.clear()
        self.at_client.clear()
        self.sent_by_client.clear()
        self.sent_by_server.clear()

    def ask(self, *requests: AnyRequest) -> None:
        """Queue requests at the client."""
        for request in requests:
            self.initiator.queue(encode(request))

    def tell(self, *notices: AnyNotice) -> None:
        """Queue notices at the server."""
        for notice in notices:
            self.responder.queue(encode(notice))

    def client_says(self, batch: bytes) -> None:
        """Let the client's end send these bytes as a record, whatever they are."""
        self._say(batch, self.initiator, self.client_to_server)

    def server_says(self, batch: bytes) -> None:
        """Let the server's end send these bytes as a record, whatever they are."""
        self._say(batch, self.responder, self.server_to_client)

    def _say(self, batch: bytes, end: Connection, cross: Callable[[], bool]) -> None:
        # What the end itself has to say goes before, or the order would be lost.
        cross()
        key = end._sending
        assert key is not None
        end._herald(key.seal(batch))
        cross()

    @property
    def received(self) -> list[Any]:
        """The messages that reached the server's application."""
        return messages_of(self.at_server)

    @property
    def noticed(self) -> list[Any]:
        """The messages that reached the client's application."""
        return messages_of(self.at_client)

    def server_end(self) -> Ended:
        """Give how the server's end ended: once, and last."""
        return ended(self.at_server)

    def client_end(self) -> Ended:
        """Give how the client's end ended: once, and last."""
        return ended(self.at_client)

    def cut(self) -> None:
        """Cut the socket: both ends take note of it."""
        self.at_server += self.responder.lost(self.now)
        self.at_client += self.initiator.lost(self.now)

    def truncated(self) -> bool:
        """Whether the client would tell its user that the connection was cut."""
        return self.client_end().reason is EndReason.TRUNCATED


def messages_of(events: Sequence[Event]) -> list[Any]:
    """Give the messages that these events hand to an application."""
    return [
        message
        for event in events
        if isinstance(event, Received | Noticed)
        for message in event.messages
    ]


def ended(events: Sequence[Event]) -> Ended:
    """Give the end that these events tell of: once, and last."""
    ends = [event for event in events if isinstance(event, Ended)]
    assert len(ends) == 1, events
    assert events[-1] is ends[0], events
    return ends[0]
