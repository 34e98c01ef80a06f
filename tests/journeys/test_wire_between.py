"""Somebody between a client and a real broker, who changes what passes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from handlers import Everybody
from journeys.conftest import Starting, raw_peer, until
from journeys.relay import Hook, Relay, posing, relaying, unchanged
from vestibule.client import (
    Connection,
    HandshakeFailed,
    LoginRefused,
    SessionClosed,
    VestibuleError,
    connect,
)
from vestibule.protocol.codec import encode
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.hello import PROOF_BYTES, SUITE
from vestibule.protocol.messages import NIL, Publish
from vestibule.server import Broker
from vestibule.server.audit import AuditLog


@pytest.fixture
async def shared(starting: Starting) -> AsyncIterator[tuple[Broker, Everybody]]:
    handler = Everybody()
    async with starting(handler) as broker:
        yield broker, handler


HELLO = 0
"""The place of the hellos; records follow."""

LISA = {"username": "lisa", "password": "sesame"}


# Whose key it is.


async def login_fails(url: str, **options: Any) -> VestibuleError:
    """Connect, log in, and give the error of whichever fails."""
    with pytest.raises((HandshakeFailed, LoginRefused)) as caught:
        async with connect(url, reconnect=None, **options) as connection:
            await connection.login(LISA)
    return caught.value


async def test_w8_k1_another_key_than_the_pinned_one_ends_it(
    starting: Starting,
) -> None:
    handler = Everybody()
    async with starting(handler) as broker, relaying(broker) as relay:
        other = IdentityKey.generate().text
        error = await login_fails(relay.url, server_key=other)
        assert error.code == "SERVER_KEY_CHANGED"
        assert len(relay.down) == 1
        assert len(relay.up) == 1, "nothing may follow the ClientHello"
        assert handler.logins == []


async def test_k1_another_key_than_that_of_the_file_ends_it(
    starting: Starting, tmp_path: Path
) -> None:
    handler = Everybody()
    async with starting(handler) as broker, relaying(broker) as relay:
        known = tmp_path / "known_brokers"
        endpoint = relay.url.removeprefix("ws://")
        line = f"{endpoint} {IdentityKey.generate().text}\n"
        known.write_text(line)
        error = await login_fails(relay.url, known_brokers=known)
        assert error.code == "SERVER_KEY_CHANGED"
        assert len(relay.up) == 1
        assert handler.logins == []
        assert known.read_text() == line


@pytest.mark.parametrize("auth_data", [LISA, {"token": "a token"}, None])
async def test_k2_on_first_use_a_man_in_the_middle_gets_no_login(
    starting: Starting, tmp_path: Path, auth_data: dict[str, str] | None
) -> None:
    known = tmp_path / "known_brokers"
    async with starting(Everybody()) as broker, posing(broker) as impostor:
        async with connect(impostor.url, known_brokers=known) as connection:
            with pytest.raises(LoginRefused) as caught:
                await connection.login(auth_data)
            assert caught.value.code == "SERVER_KEY_UNVERIFIED"
        assert impostor.logins == []
        assert not impostor.admitted
        assert not known.exists()


async def test_k2_who_waives_that_protection_is_read_and_impersonated(
    starting: Starting, tmp_path: Path
) -> None:
    known = tmp_path / "known_brokers"
    async with starting(Everybody()) as broker, posing(broker) as impostor:
        async with connect(impostor.url, known_brokers=known) as connection:
            with pytest.raises(LoginRefused):
                await connection.login(LISA, plain_on_first_use=True)
        assert [login.fields["auth_data"] for login in impostor.logins] == [LISA]
        assert impostor.admitted


async def test_k2_a_client_that_pins_the_key_does_not_talk_to_another(
    starting: Starting,
) -> None:
    async with starting(Everybody()) as broker, posing(broker) as impostor:
        error = await login_fails(impostor.url, server_key=broker.server_key)
        assert error.code == "SERVER_KEY_CHANGED"
        assert impostor.logins == []


# The hellos.


def flipping(at: int, mask: int = 1) -> Hook:
    def flip(place: int, message: bytes) -> Sequence[bytes]:
        return (flipped(message, at, mask),) if place == HELLO else (message,)

    return flip


def flipped(message: bytes, at: int, mask: int = 1) -> bytes:
    changed = bytearray(message)
    changed[at] ^= mask
    return bytes(changed)


@pytest.mark.parametrize(
    "at", [0, 5, 6, 21, 37, 38, 53, 54, 55, 56, 57, 58, 58 + len(SUITE), 100, 511]
)
async def test_w10_a_changed_client_hello_never_sees_a_login(
    shared: tuple[Broker, Everybody], at: int
) -> None:
    broker, handler = shared
    async with relaying(broker, to_broker=flipping(at)) as relay:
        error = await login_fails(relay.url, server_key=broker.server_key)
        assert error.code in ("HANDSHAKE_INVALID", "NO_COMMON_VERSION")
        assert len(relay.up) == 1
    assert handler.logins == []


@pytest.mark.parametrize(
    "at", [4, 7, 8, 39, 40, 71, 72, 91, 95, 103, 112, 113, -56, -1]
)
async def test_w11_a_changed_server_hello_never_sees_a_login(
    shared: tuple[Broker, Everybody], at: int
) -> None:
    broker, handler = shared
    async with relaying(broker, to_client=flipping(at)) as relay:
        error = await login_fails(relay.url, server_key=broker.server_key)
        assert error.code in ("HANDSHAKE_INVALID", "SERVER_KEY_CHANGED")
        assert len(relay.up) == 1
    assert handler.logins == []


# Records.


KINDS = (
    "repeated",
    "dropped",
    "swapped",
    "shortened",
    "lengthened",
    "changed",
    "sent back",
    "foreign",
)


@dataclass
class Tampering:
    """Does one thing to the message at `place`, and passes on all others.

    `foreign` stood at that place in another session; `other` goes the other way.
    """

    kind: str
    place: int
    foreign: bytes
    other: list[bytes] = field(default_factory=list)
    held: bytes = b""

    def __call__(self, place: int, message: bytes) -> Sequence[bytes]:
        if self.kind == "swapped" and place == self.place + 1:
            return message, self.held
        if place != self.place:
            return (message,)
        self.held = message
        return self._instead_of(message)

    def _instead_of(self, message: bytes) -> Sequence[bytes]:
        # The one record that a ServerHello holds is its proof.
        last = self.other[-1]
        last = last[-PROOF_BYTES:] if last.startswith(b"VSTB") else last
        return {
            "repeated": (message, message),
            "dropped": (),
            "swapped": (),
            "shortened": (message[:-1],),
            "lengthened": (message + bytes(1),),
            "changed": (flipped(message, len(message) // 2, 0x10),),
            "sent back": (last,),
            "foreign": (self.foreign,),
        }[self.kind]


WRONG, RIGHT, FIRST_EVENT = 1, 2, 3
LATER = 6
EVENTS = 10
EARLY_CHANGE = {"rekey": {"records": 6}}
"""Record 5 of a direction ends its epoch: see the places of the parameters."""


async def pour(broker: Broker, relay: Relay, name: str, *, early: bool) -> int | None:
    """Send a wrong login, a right one and events, each in a record, whatever comes."""
    peer = await raw_peer(broker, url=relay.url)
    if early:
        peer.initiator.limits = replace(peer.initiator.limits, rekey_records=6)
    await peer.ready()
    peer.deaf = True
    peer.send_raw(peer.login_message(WRONG, {"wrong": name}))
    peer.send_raw(peer.login_message(RIGHT, {"username": name}))
    for number in range(EVENTS):
        peer.send_raw(encode(Publish(FIRST_EVENT + number, str(number), NIL)))
    if relay.to_broker is unchanged:
        await until(lambda: broker.sessions and len(relay.up) == FIRST_EVENT + EVENTS)
        peer.cut()
    assert await peer.wait_closed() == "truncated", "there may be no bye"
    return peer.close_code


@pytest.mark.parametrize(
    ("place", "settings"),
    [(WRONG, {}), (RIGHT, {}), (LATER, {}), (6, EARLY_CHANGE), (7, EARLY_CHANGE)],
    ids=["first", "login", "later", "change of keys", "after a change of keys"],
)
async def test_w13_w15_k3_a_clients_record_out_of_its_place_ends_it(
    starting: Starting, place: int, settings: dict[str, Any]
) -> None:
    handler = Everybody()
    early = bool(settings)
    async with starting(handler, **settings) as broker:
        async with relaying(broker) as honest:
            await pour(broker, honest, "honest", early=early)
        if early:
            assert len(honest.up[6]) == len(honest.up[5]) + 2, "it changes keys"

        async def tamper(kind: str) -> int | None:
            tampering = Tampering(kind, place, honest.up[place])
            async with relaying(broker, to_broker=tampering) as relay:
                tampering.other = relay.down
                return await pour(broker, relay, kind, early=early)

        codes = await asyncio.gather(*map(tamper, KINDS))
        assert codes == [4101] * len(KINDS)
        assert broker.counters["records_rejected"] == len(KINDS)
        for kind in KINDS:
            good = place if kind == "repeated" else place - 1
            logins = [
                data
                for _, data in handler.logins
                if kind in (data.get("wrong"), data.get("username"))
            ]
            assert len(logins) == min(good, RIGHT), kind
            published = [one.name for name, one in handler.asked if name == kind]
            assert published == [str(n) for n in range(good - RIGHT)], kind


async def listen(connection: Connection, name: str, heard: list[int]) -> None:
    """Log in wrong and right, and hear events until something ends it."""
    with suppress(LoginRefused):
        await connection.login({"wrong": name})
    session = await connection.login({"username": name})
    async with session.events.subscribe("n") as events:
        async for event in events:
            heard.append(event.data)
            if event.data == EVENTS - 1:
                return


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        (WRONG, {"quarantine": {"timeout": 1.0}}),
        (RIGHT, {"heartbeat": {"interval": 0.5}}),
        (LATER, {}),
        (5, EARLY_CHANGE),
        (6, EARLY_CHANGE),
    ],
    ids=["first", "login", "later", "change of keys", "after a change of keys"],
)
async def test_w14_w15_k3_a_brokers_record_out_of_its_place_ends_it(
    starting: Starting, place: int, settings: dict[str, Any]
) -> None:
    async with starting(Everybody(), **settings) as broker:
        publisher = await raw_peer(broker)
        await publisher.login({"username": "publisher"})

        async def publish(listeners: int) -> None:
            await until(lambda: broker.subscriptions == listeners)
            for number in range(EVENTS):
                await publisher.publish("n", number)
                await asyncio.sleep(0.002)

        async def overhear(name: str, tampering: Tampering | None) -> list[int]:
            heard: list[int] = []
            hook = tampering or unchanged
            async with relaying(broker, to_client=hook) as relay:
                if tampering is not None:
                    tampering.other = relay.up
                async with connect(
                    relay.url, server_key=broker.server_key, reconnect=None
                ) as connection:
                    if tampering is None:
                        await listen(connection, name, heard)
                        honest.extend(relay.down)
                        return heard
                    with pytest.raises(VestibuleError) as caught:
                        await listen(connection, name, heard)
                    assert caught.value.code in ("SESSION_CLOSED", "IS_CLOSED"), name
                    assert await connection.wait_closed() == "truncated", name
            return heard

        honest: list[bytes] = []
        whole, _ = await asyncio.gather(overhear("honest", None), publish(1))
        assert whole == list(range(EVENTS))
        if settings is EARLY_CHANGE:
            assert len(honest[5]) == len(honest[4]) + 2, "it changes keys"
        waiting = asyncio.gather(
            *(overhear(kind, Tampering(kind, place, honest[place])) for kind in KINDS)
        )
        if place > RIGHT:
            await publish(len(KINDS))
        heard = await asyncio.wait_for(waiting, 10)
        for kind, events in zip(KINDS, heard, strict=True):
            good = place if kind == "repeated" else place - 1
            assert events == list(range(good - FIRST_EVENT)), kind
        publisher.cut()


# The end.


async def journey(broker: Broker, url: str, name: str) -> str:
    """Log in and publish until the end comes, or say a proper one; gives its reason."""
    async with connect(url, server_key=broker.server_key, reconnect=None) as connection:
        with suppress(VestibuleError):
            session = await connection.login({"username": name})
            for number in range(30):
                await session.events.publish("n", number)
            await session.close()
        return await connection.wait_closed()


async def test_k8_every_cut_is_truncated_at_both_ends_and_a_proper_end_never_is(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: dict[str, str] = {}

    def session_ended(_: AuditLog, *, username: str, reason: str, **more: Any) -> None:
        ended[username] = str(reason)

    monkeypatch.setattr(AuditLog, "session_ended", session_ended)
    async with starting(Everybody()) as broker:

        async def cut(after: int) -> str:
            async with relaying(broker) as relay:
                relay.cut_after = 2 + after  # the hellos, then records
                return await journey(broker, relay.url, str(after))

        reasons = await asyncio.gather(*(cut(after) for after in range(1, 51)))
        assert reasons == ["truncated"] * 50
        async with relaying(broker) as relay:
            assert await journey(broker, relay.url, "proper") == "client"
            await until(lambda: not broker.sessions)
        # Where the login was cut off there may have been no session.
        cuts = {str(after) for after in range(2, 51)}
        assert cuts <= set(ended)
        assert ended.pop("proper") == "client"
        assert set(ended.values()) == {"truncated"}


async def test_w22_a_close_frame_of_a_relay_is_no_revocation(
    starting: Starting,
) -> None:
    async with (
        starting(Everybody()) as broker,
        relaying(broker) as relay,
        connect(relay.url, server_key=broker.server_key, reconnect=None) as connection,
    ):
        session = await connection.login(LISA)
        async with session.events.subscribe("n") as events:
            await relay.close(4406)
            with pytest.raises(SessionClosed) as caught:
                await anext(events)
            assert caught.value.reason == "truncated"
