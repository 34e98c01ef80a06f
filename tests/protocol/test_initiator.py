from typing import Any

import pytest

from vestibule.protocol.crypto import (
    IdentityKey,
    SendingKey,
    agree,
    derive,
    new_ephemeral,
    public_key,
)
from vestibule.protocol.errors import (
    CloseCode,
    EndReason,
    ErrorCode,
    InvalidBody,
    LocalProtocolError,
    MessageTooLarge,
)
from vestibule.protocol.events import (
    ByeSaid,
    Ended,
    HandshakeCompleted,
    HandshakeRefused,
    LoginAccepted,
    LoginChallenged,
    LoginReceived,
    LoginRefusedReceived,
    Malformed,
    Noticed,
    ServerKeysReceived,
)
from vestibule.protocol.hello import SUITE, ClientHello, ServerHello
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import NIL, Answered, Event, Publish
from vestibule.protocol.phases import Phase
from wire import ACCEPTED, Wire, batch, messages_of
from wire_vectors import VECTORS, octets


LIMITS = WireLimits()


def connected() -> Wire:
    wire = Wire()
    wire.pump()
    wire.forget()
    return wire


def deciding() -> Wire:
    wire = Wire()
    wire.log_in()
    wire.forget()
    return wire


# The handshake.


@pytest.mark.parametrize("name", ["handshake", "handshake_first_use"])
def test_w1_the_client_hello_of_the_vectors_comes_out(name: str) -> None:
    v = octets(name)
    initiator = Initiator(
        [v["server_identity_public"]],
        v["pin_hint"],
        ephemeral=v["client_ephemeral_secret"],
    )
    assert initiator.outgoing(0.0) == [v["client_hello"]]
    (event,) = initiator.receive(v["server_hello"], 0.0)
    assert event == HandshakeCompleted(
        v["session_id"].hex(),
        v["server_identity_public"],
        WireLimits(**VECTORS[name]["limits"]),
    )
    assert initiator.exporter == v["exporter"]
    assert initiator.server_key == v["server_identity_public"]
    assert initiator.phase is Phase.QUARANTINED


def test_w2_a_login_is_sealed_as_in_the_vectors() -> None:
    v, record = octets("handshake"), VECTORS["records_c2s"][0]
    initiator = Initiator(
        [v["server_identity_public"]],
        v["pin_hint"],
        ephemeral=v["client_ephemeral_secret"],
    )
    initiator.outgoing(0.0)
    initiator.receive(v["server_hello"], 0.0)
    fields = {"auth_data": {"username": "lisa", "password": "sesame"}}
    assert initiator.login("plain", fields) == 1
    assert initiator.outgoing(0.0) == [bytes.fromhex(record["box"])]
    accepted = bytes.fromhex(VECTORS["records_s2c"][0]["box"])
    assert initiator.receive(accepted, 0.0) == [LoginAccepted(1, dict(ACCEPTED))]


def test_the_announced_limits_hold_with_the_client_s_own() -> None:
    own = WireLimits(rekey_records=10, data_depth=7, heartbeat_ms=5)
    wire = Wire(
        limits=WireLimits(heartbeat_ms=77, message_bytes=40_000), client_limits=own
    )
    wire.pump()
    limits = wire.initiator.limits
    assert (limits.rekey_records, limits.data_depth) == (10, 7)
    assert (limits.heartbeat_ms, limits.message_bytes) == (77, 40_000)


@pytest.mark.parametrize("how", ["collection", "function"])
def test_k1_a_key_that_is_not_accepted_ends_it_before_anything_is_sent(
    how: str,
) -> None:
    pinned, actual = IdentityKey.generate(), IdentityKey.generate()
    asked: list[bytes] = []

    def accept(key: bytes) -> bool:
        asked.append(key)
        return key == pinned.public

    wire = Wire(identities=[actual], accept=accept)
    wire = Wire(
        identities=[actual],
        accept=[pinned.public] if how == "collection" else accept,
    )
    wire.pump()
    refused = wire.at_client[0]
    assert isinstance(refused, HandshakeRefused)
    assert refused.code is ErrorCode.SERVER_KEY_CHANGED
    assert refused.server_key == actual.public
    assert wire.client_end().reason is EndReason.TRUNCATED
    assert wire.client_end().drop
    assert len(wire.sent_by_client) == 1
    assert wire.initiator.outgoing(0.0) == []
    with pytest.raises(LocalProtocolError):
        wire.initiator.login("plain", {"auth_data": {}})


class RawServer:
    """A server that answers with whatever it is told to."""

    def __init__(self, hello: bytes) -> None:
        self.offer = hello
        self.ephemeral = new_ephemeral()
        self.identity = new_ephemeral()

    def answer(self, **chosen: Any) -> bytes:
        fields: dict[str, Any] = {
            "version": 1,
            "suite": SUITE,
            "ephemeral": public_key(self.ephemeral),
            "identity": public_key(self.identity),
            "session_id": bytes(16),
            "limits": LIMITS,
            **chosen,
        }
        hello = ServerHello(**fields).encode()
        client = ClientHello.decode(self.offer).ephemeral
        keys = derive(
            self.offer,
            hello,
            agree(client, self.ephemeral),
            agree(client, self.identity),
        )
        return hello + SendingKey("s2c", keys.server_to_client).seal(keys.finished)


class Flip:
    """Somebody between who changes bits of one byte."""

    def __init__(self, at: int, bits: int) -> None:
        self.at, self.bits = at, bits

    def __call__(self, record: bytes) -> list[bytes]:
        at = self.at
        return [record[:at] + bytes([record[at] ^ self.bits]) + record[at + 1 :]]


def raw() -> tuple[Initiator, RawServer]:
    initiator = Initiator(bool)
    return initiator, RawServer(initiator.outgoing(0.0)[0])


def refused_by(initiator: Initiator, answer: bytes) -> HandshakeRefused:
    refused, end = initiator.receive(answer, 0.0)
    assert isinstance(refused, HandshakeRefused)
    assert isinstance(end, Ended)
    assert end.drop
    assert initiator.outgoing(0.0) == []
    assert initiator.exporter is None
    return refused


def test_a_raw_server_that_plays_by_the_rules_is_accepted() -> None:
    initiator, server = raw()
    (event,) = initiator.receive(server.answer(), 0.0)
    assert isinstance(event, HandshakeCompleted)


def test_w9_a_server_without_the_secret_of_its_key_is_refused() -> None:
    initiator, server = raw()
    stolen = IdentityKey.generate().public
    refused = refused_by(initiator, server.answer(identity=stolen))
    assert refused.code is ErrorCode.HANDSHAKE_INVALID


@pytest.mark.parametrize(
    "chosen",
    [{"version": 2}, {"version": 0}, {"suite": "none"}, {"suite": SUITE + "2"}],
)
def test_w12_what_was_not_offered_is_refused_although_it_is_proved(
    chosen: dict[str, Any],
) -> None:
    initiator, server = raw()
    refused = refused_by(initiator, server.answer(**chosen))
    assert refused.code is ErrorCode.HANDSHAKE_INVALID


def test_a_proof_of_something_else_is_refused() -> None:
    initiator, server = raw()
    answer = server.answer()
    hello = answer[:-56]
    client = ClientHello.decode(server.offer).ephemeral
    keys = derive(
        server.offer,
        hello,
        agree(client, server.ephemeral),
        agree(client, server.identity),
    )
    other = SendingKey("s2c", keys.server_to_client).seal(b"finished" + bytes(32))
    assert refused_by(initiator, hello + other).code is ErrorCode.HANDSHAKE_INVALID


@pytest.mark.parametrize("at", [8, 40])
@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
def test_keys_that_agree_on_nothing_are_refused(at: int, key: bytes) -> None:
    initiator, server = raw()
    answer = server.answer()
    answer = answer[:at] + key + answer[at + 32 :]
    assert refused_by(initiator, answer).code is ErrorCode.HANDSHAKE_INVALID


def test_w11_any_byte_of_the_server_hello_that_is_changed_is_found_out() -> None:
    key = IdentityKey.generate()
    size = 113 + len(SUITE) + 56
    for at in range(size):
        wire = Wire(identities=[key])
        wire.to_client = Flip(at, 0x40)
        wire.pump()
        refused = wire.at_client[0]
        assert isinstance(refused, HandshakeRefused), at
        changed = ErrorCode.SERVER_KEY_CHANGED
        if 40 <= at < 72:
            assert refused.code in (changed, ErrorCode.HANDSHAKE_INVALID), at
        else:
            assert refused.code is ErrorCode.HANDSHAKE_INVALID, at
        assert len(wire.sent_by_client) == 1


def test_w10_any_byte_of_the_client_hello_that_is_changed_is_found_out() -> None:
    key = IdentityKey.generate()
    other = IdentityKey.generate()
    for at in [*range(92), 200, 511]:
        wire = Wire(identities=[key, other])
        wire.to_server = Flip(at, 1)
        wire.pump()
        if wire.at_server:
            assert wire.server_end().close_code in (4400, 4404), at
        else:
            refused = wire.at_client[0]
            assert isinstance(refused, HandshakeRefused), at
            assert refused.code is ErrorCode.HANDSHAKE_INVALID
        assert len(wire.sent_by_client) == 1


def test_text_in_place_of_a_server_hello_is_refused() -> None:
    initiator, _ = raw()
    refused, end = initiator.receive_text(0.0)
    assert isinstance(refused, HandshakeRefused)
    assert isinstance(end, Ended)


# Logging in.


def test_a_login_is_answered_with_the_server_s_keys_behind_it() -> None:
    wire = deciding()
    wire.admit()
    assert wire.at_client == [
        LoginAccepted(1, dict(ACCEPTED)),
        ServerKeysReceived(tuple(wire.server_keys)),
    ]
    assert len(wire.sent_by_server) == 1
    assert wire.initiator.phase is Phase.ADMITTED


def test_what_follows_an_accepted_login_in_its_record_is_noticed() -> None:
    wire = deciding()
    wire.responder.admit(dict(ACCEPTED), wire.server_keys, 0.0)
    wire.tell(Event("a", NIL), Event("b", NIL))
    wire.pump()
    assert [type(event) for event in wire.at_client] == [
        LoginAccepted,
        ServerKeysReceived,
        Noticed,
    ]
    assert [notice.name for notice in wire.noticed] == ["a", "b"]


def test_a_refused_login_can_be_tried_again() -> None:
    wire = deciding()
    wire.responder.refuse("INVALID_AUTH_DATA", "no", {"client_data": 5}, 0.0)
    wire.pump()
    details = {"attempts_left": 2, "client_data": 5}
    assert wire.at_client == [
        LoginRefusedReceived(1, "INVALID_AUTH_DATA", "no", details)
    ]
    assert wire.initiator.phase is Phase.QUARANTINED
    wire.initiator.login("plain", {"auth_data": {"username": "lisa"}})
    wire.pump()
    (event,) = wire.at_server
    assert isinstance(event, LoginReceived)
    assert (event.id, event.attempt) == (2, 2)


def test_the_last_refusal_is_told_once_and_ends_it() -> None:
    wire = Wire(limits=WireLimits(login_attempts=1))
    wire.log_in()
    wire.forget()
    wire.at_server += wire.responder.refuse("INVALID_AUTH_DATA", "no", {}, 0.0)
    wire.pump()
    refusals = [e for e in wire.at_client if isinstance(e, LoginRefusedReceived)]
    assert [refusal.code for refusal in refusals] == ["TOO_MANY_AUTH_ATTEMPTS"]
    assert wire.client_end().reason is EndReason.TOO_MANY_AUTH_ATTEMPTS


def test_one_login_is_open_at_a_time() -> None:
    wire = Wire()
    with pytest.raises(LocalProtocolError):
        wire.initiator.login("plain", {"auth_data": {}})
    wire.log_in()
    with pytest.raises(LocalProtocolError):
        wire.initiator.login("plain", {"auth_data": {}})
    wire.admit()
    with pytest.raises(LocalProtocolError):
        wire.initiator.login("plain", {"auth_data": {}})


def test_a_login_that_cannot_be_sent_changes_nothing() -> None:
    wire = connected()
    with pytest.raises(InvalidBody):
        wire.initiator.login("plain", {"auth_data": {1: 2}})
    with pytest.raises(MessageTooLarge):
        wire.initiator.login("plain", {"auth_data": {"p": "x" * 40_000}})
    assert wire.initiator.phase is Phase.QUARANTINED
    assert wire.initiator.login("plain", {"auth_data": {}}) == 1


def test_requests_can_be_sent_behind_a_login() -> None:
    wire = connected()
    with pytest.raises(LocalProtocolError):
        wire.initiator.queue(b"\x91\x10")
    wire.initiator.login("plain", {"auth_data": {}})
    wire.ask(Publish(wire.initiator.next_id(), "a", NIL))
    wire.pump()
    behind = wire.responder.admit(dict(ACCEPTED), [], 0.0)
    assert [(m.id, m.name) for m in messages_of(behind)] == [(2, "a")]


def test_a_challenge_is_answered_with_a_proof() -> None:
    wire = connected()
    nonce = bytes(32)
    wire.initiator.login("scram", {"username": "lisa", "client_nonce": nonce})
    wire.pump()
    asked = {"server_nonce": nonce, "salt": nonce[:16], "opslimit": 2, "memlimit": 5}
    wire.responder.challenge(dict(asked), 0.0)
    wire.pump()
    assert wire.at_client == [LoginChallenged(1, asked)]
    assert wire.initiator.phase is Phase.CHALLENGED
    wire.initiator.prove({"proof": nonce})
    with pytest.raises(LocalProtocolError):
        wire.initiator.prove({"proof": nonce})
    wire.pump()
    wire.admit()
    assert isinstance(wire.at_client[1], LoginAccepted)


ANSWER = dict(ACCEPTED)


@pytest.mark.parametrize(
    "message",
    [
        [6, 1, ANSWER],
        [7, 1, "INVALID_AUTH_DATA", "", {}],
        [4, 1, {}],
        [8, [bytes(32)]],
        [3, 1, "plain", {}],
        [5, 1, {}],
        [11],
        [34, "a", None, False],
        [32, 1, None],
    ],
)
def test_an_answer_to_a_login_that_was_not_sent_ends_it_with_4405(
    message: list[object],
) -> None:
    wire = connected()
    wire.server_says(batch(message))
    assert wire.client_end().close_code == CloseCode.MESSAGE_PARSE_ERROR
    (bye,) = wire.initiator.outgoing(0.0)
    wire.at_server += wire.responder.receive(bye, 0.0)
    assert wire.server_end().reason is EndReason.PARSE_ERROR


@pytest.mark.parametrize(
    "message",
    [
        [6, 2, ANSWER],
        [6, 1, {}],
        [6, 1, {**ANSWER, "username": 5}],
        [6, 1, []],
        [6, 1],
        [7, 2, "X", "", {}],
        [7, 1, "X", "", None],
        [7, 1, "X", ""],
        [4, 2, {}],
        [4, 1, {"salt": bytes(16)}],
        [8, [bytes(32)]],
        [34, "a", None, False],
    ],
)
def test_what_is_no_answer_to_the_login_ends_it_with_4405(
    message: list[object],
) -> None:
    wire = deciding()
    wire.server_says(batch(message))
    assert wire.client_end().close_code == CloseCode.MESSAGE_PARSE_ERROR
    assert wire.initiator.phase is Phase.CLOSED


def test_pings_cross_in_every_phase() -> None:
    for wire in (connected(), deciding(), Wire().admitted()):
        wire.server_says(batch([9, 5], [0, b""]))
        assert wire.at_client == []
        (record,) = wire.initiator.outgoing(0.0)
        key = wire.responder._receiving
        assert key is not None
        assert key.open(record) == batch([10, 5])


# In a session.


def test_server_keys_come_once() -> None:
    wire = Wire().admitted()
    wire.server_says(batch([8, [bytes(32)]]))
    assert [type(event) for event in wire.at_client] == [ByeSaid]


@pytest.mark.parametrize("keys", [[], [bytes(31)], ["x" * 32], [bytes(32)] * 5, None])
def test_server_keys_that_are_none_end_it(keys: object) -> None:
    wire = deciding()
    wire.server_says(batch([6, 1, ANSWER]))
    wire.server_says(batch([8, keys]))
    assert [type(event) for event in wire.at_client] == [LoginAccepted, ByeSaid]


@pytest.mark.parametrize("tag", [3, 4, 5, 6, 7, 11, 15])
def test_a_reserved_tag_that_is_not_for_a_client_ends_it(tag: int) -> None:
    wire = Wire().admitted()
    wire.server_says(batch([34, "a", None, False], [tag, 1, {}]))
    assert [type(event) for event in wire.at_client] == [Noticed, ByeSaid]


def test_notices_of_a_record_come_as_one_event_in_their_order() -> None:
    wire = Wire().admitted()
    wire.tell(Answered(5), Event("a", NIL), Event("b", NIL, own=True))
    wire.pump()
    assert len(wire.at_client) == 1
    assert [type(notice) for notice in wire.noticed] == [Answered, Event, Event]
    wire.forget()
    wire.server_says(batch([34, "a", None, False], [99, 1], [9, 1], [33, 7]))
    known, unknown, bad = wire.noticed
    assert isinstance(known, Event)
    assert unknown == Malformed(1, ErrorCode.UNKNOWN_ACTION, 99)
    assert bad == Malformed(7, ErrorCode.INVALID_MESSAGE_DATA, 33)


def test_ids_are_given_once_logins_included() -> None:
    wire = Wire()
    wire.log_in()
    wire.admit()
    assert [wire.initiator.next_id() for _ in range(3)] == [2, 3, 4]


def test_secrets_are_not_shown() -> None:
    wire = Wire()
    login = wire.log_in({"password": "sesame"})
    wire.at_server += wire.responder.admit(
        {**ACCEPTED, "token": "sesame"}, wire.server_keys, 0.0
    )
    wire.pump()
    assert login.fields["auth_data"]["password"] == "sesame"
    shown = repr(wire.at_server) + repr(wire.at_client) + repr(login)
    assert "sesame" not in shown


# Without encryption.


def test_a_clear_greeting_that_is_none_is_refused() -> None:
    for greeting in (b"", bytes(48), octets("handshake")["server_hello"]):
        initiator = Initiator((), encrypted=False)
        assert initiator.outgoing(0.0) == []
        refused, _ = initiator.receive(greeting, 0.0)
        assert isinstance(refused, HandshakeRefused)
        assert refused.code is ErrorCode.HANDSHAKE_INVALID


def test_a_clear_connection_has_no_server_key_and_no_exporter() -> None:
    wire = Wire(encrypted=False)
    wire.pump()
    assert wire.at_client == [
        HandshakeCompleted(wire.responder.session_id, None, wire.initiator.limits)
    ]
    assert wire.initiator.exporter is None
