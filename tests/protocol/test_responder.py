from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.errors import (
    CloseCode,
    EndReason,
    ErrorCode,
    InvalidBody,
    LocalProtocolError,
    MessageTooLarge,
)
from vestibule.protocol.events import (
    ByeReceived,
    ByeSaid,
    Ended,
    LoginProofReceived,
    LoginReceived,
    LoginRefusedReceived,
    Malformed,
    Received,
)
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import NIL, Publish
from vestibule.protocol.phases import Phase
from vestibule.protocol.reserved import Tag
from vestibule.protocol.responder import Responder
from wire import ACCEPTED, Wire, batch, ended, messages_of
from wire_vectors import HANDSHAKES, VECTORS, octets


LOGIN = [3, 1, "plain", {"auth_data": {"username": "lisa"}}]
PUBLISH = [16, 2, "news/sport", {"score": 3}]


def login(number: int) -> list[object]:
    return [3, number, "plain", {"auth_data": {"n": number}}]


def quarantined(**settings: Any) -> Wire:
    wire = Wire(**settings)
    wire.pump()
    assert wire.responder.phase is Phase.QUARANTINED
    wire.forget()
    return wire


# The greeting.


@pytest.mark.parametrize("name", HANDSHAKES)
def test_w1_the_server_hello_of_the_vectors_comes_out(name: str) -> None:
    v = octets(name)
    other = IdentityKey.generate()
    identity = IdentityKey(v["server_identity_secret"])
    # The key that the hint names answers; without a hint the current one does.
    keys = [identity, other] if name == "handshake_first_use" else [other, identity]
    responder = Responder(
        keys,
        WireLimits(**VECTORS[name]["limits"]),
        ephemeral=v["server_ephemeral_secret"],
        session_id=v["session_id"],
    )
    assert responder.receive(v["client_hello"], 0.0) == []
    assert responder.outgoing(0.0) == [v["server_hello"]]
    assert responder.exporter == v["exporter"]
    assert responder.session_id == v["session_id"].hex()
    assert responder.phase is Phase.QUARANTINED


def test_w2_the_records_of_the_vectors_are_read_by_a_responder() -> None:
    v = octets("handshake")
    responder = Responder(
        [IdentityKey(v["server_identity_secret"])],
        WireLimits(),
        ephemeral=v["server_ephemeral_secret"],
        session_id=v["session_id"],
    )
    responder.receive(v["client_hello"], 0.0)
    records = [bytes.fromhex(r["box"]) for r in VECTORS["records_c2s"]]
    (event,) = responder.receive(records[0], 0.0)
    assert isinstance(event, LoginReceived)
    assert event.fields == {"auth_data": {"username": "lisa", "password": "sesame"}}
    assert "sesame" not in repr(event)
    responder.admit(dict(ACCEPTED), [v["server_identity_public"]], 0.0)
    events = [e for record in records[1:] for e in responder.receive(record, 0.0)]
    # Tag 16 of the vectors is an example with the shape of a publish.
    assert [(m.id, m.name) for m in messages_of(events)] == [
        (2, "news/sport"),
        (3, "a"),
        (4, "b"),
        (5, "é"),
    ]
    assert isinstance(events[-2], ByeReceived)
    assert events[-1] == Ended(1000, EndReason.CLIENT)


@pytest.mark.parametrize(
    "case", VECTORS["rejected_client_hellos"], ids=lambda case: case["name"]
)
def test_w3_a_malformed_client_hello_is_closed_without_a_word(
    case: dict[str, str],
) -> None:
    responder = Responder([IdentityKey.generate()], WireLimits())
    (end,) = responder.receive(bytes.fromhex(case["client_hello"]), 0.0)
    assert isinstance(end, Ended)
    assert end.close_code == CloseCode[case["close"]]
    assert not end.drop
    assert responder.outgoing(0.0) == []
    assert responder.exporter is None
    assert responder.receive(octets("handshake")["client_hello"], 0.0) == []


def test_no_two_connections_share_a_session_id_or_a_key() -> None:
    first, second = quarantined(), quarantined()
    assert len(first.responder.session_id) == 32
    assert first.responder.session_id != second.responder.session_id
    assert first.responder.exporter != second.responder.exporter
    assert first.responder.exporter == first.initiator.exporter
    assert first.responder.session_id == first.initiator.session_id


def test_w7_text_closes_with_4400_before_the_hellos_and_4101_after() -> None:
    responder = Responder([IdentityKey.generate()], WireLimits())
    end = ended(responder.receive_text(0.0))
    assert end.close_code == 4400
    assert end.reason is EndReason.TRUNCATED
    assert end.drop is False
    assert responder.outgoing(0.0) == []
    for wire in (quarantined(), Wire().admitted()):
        wire.at_server += wire.responder.receive_text(0.0)
        assert wire.server_end().close_code == CloseCode.BAD_RECORD
        assert wire.responder.outgoing(0.0) == []


# Quarantine.


@pytest.mark.parametrize(
    "case", VECTORS["rejected_batches"], ids=lambda case: case["name"]
)
def test_w4_a_batch_that_quarantine_forbids_ends_it_with_4401(
    case: dict[str, str],
) -> None:
    wire = quarantined()
    wire.client_says(bytes.fromhex(case["batch"]))
    assert [type(event) for event in wire.at_server] == [Ended]
    assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG
    assert wire.server_end().reason is EndReason.INVALID_AUTH_MSG
    assert wire.responder.attempts == 0
    wire.pump()
    said = wire.at_client[0]
    assert isinstance(said, ByeReceived)
    assert said.code == CloseCode.INVALID_AUTH_MSG
    assert wire.client_end().reason is EndReason.INVALID_AUTH_MSG


@pytest.mark.parametrize("tag", [*range(16), *range(16, 40), 60_000, 65_535])
def test_q7_no_message_but_the_login_has_an_effect_in_quarantine(tag: int) -> None:
    shapes = ([tag, 1], [tag, 1, "plain", {}], [tag, ["a"]], [tag])
    for shape in shapes:
        wire = quarantined()
        wire.client_says(batch(shape))
        effects = [e for e in wire.at_server if not isinstance(e, Ended | ByeReceived)]
        assert effects == []
        if tag not in (Tag.PAD, Tag.REKEY, Tag.BYE, Tag.PING, Tag.PONG):
            assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG


def test_w25_a_ping_is_answered_and_is_no_attempt() -> None:
    wire = quarantined()
    wire.client_says(batch([9, 5], [9, 2**64 - 1], [10, 7], [0, b"abc"]))
    assert wire.at_server == []
    wire.client_says(batch(LOGIN))
    (event,) = wire.at_server
    assert isinstance(event, LoginReceived)
    assert (event.attempt, wire.responder.attempts) == (1, 1)
    opened = opened_by_client(wire)
    assert opened == [batch([10, 5], [10, 2**64 - 1])]


def opened_by_client(wire: Wire) -> list[bytes]:
    """Open what the server has sent and say what is in the records."""
    key = wire.initiator._receiving
    assert key is not None
    return [key.open(record) for record in wire.responder.outgoing(wire.now)]


def test_w49_the_length_of_a_password_does_not_show() -> None:
    lengths = []
    for password in ("four", "x" * 40):
        wire = Wire()
        wire.log_in({"username": "lisa", "password": password})
        lengths.append([len(record) for record in wire.sent_by_client])
        lengths[-1] += [len(record) for record in wire.sent_by_server]
    assert lengths[0] == lengths[1]
    assert lengths[0][1] == 256 + 16


@pytest.mark.parametrize("size", [*range(120, 220), 16_000])
def test_a_login_s_batch_is_a_multiple_of_256_bytes(size: int) -> None:
    wire = Wire()
    login = wire.log_in({"p": "x" * size})
    assert login.fields["auth_data"] == {"p": "x" * size}
    assert (len(wire.sent_by_client[1]) - 16) % 256 == 0


def test_w27_what_waits_behind_a_login_is_looked_at_after_it() -> None:
    wire = quarantined()
    wire.client_says(batch(LOGIN, PUBLISH))
    wire.client_says(batch([16, 3, "later", None]))
    (event,) = wire.at_server
    assert isinstance(event, LoginReceived)
    assert wire.responder.phase is Phase.DECIDING
    behind = wire.responder.admit(dict(ACCEPTED), wire.server_keys, 0.0)
    assert [type(event) for event in behind] == [Received, Received]
    assert [m.name for m in messages_of(behind)] == ["news/sport", "later"]


def test_w27_behind_a_refused_login_nothing_is_published() -> None:
    wire = quarantined()
    wire.client_says(batch(LOGIN, PUBLISH))
    behind = wire.responder.refuse("INVALID_AUTH_DATA", "no", {}, 0.0)
    assert ended(behind).close_code == CloseCode.INVALID_AUTH_MSG
    first, second = opened_by_client(wire)
    assert first == batch(
        [7, 1, "INVALID_AUTH_DATA", "no", {"attempts_left": 2}],
    )
    assert second == batch([2, 4401, "", 0])


def test_w28_three_of_five_logins_are_evaluated_one_after_the_other() -> None:
    wire = quarantined()
    wire.client_says(batch(*(login(number) for number in range(1, 6))))
    codes = []
    for attempt in (1, 2, 3):
        event = wire.at_server.pop()
        assert isinstance(event, LoginReceived)
        assert (event.id, event.attempt) == (attempt, attempt)
        assert wire.at_server == []
        wire.at_server += wire.responder.refuse("INVALID_AUTH_DATA", "no", {}, 0.0)
        codes += opened_by_client(wire)
    assert codes == [
        batch([7, 1, "INVALID_AUTH_DATA", "no", {"attempts_left": 2}]),
        batch([7, 2, "INVALID_AUTH_DATA", "no", {"attempts_left": 1}]),
        batch([7, 3, "TOO_MANY_AUTH_ATTEMPTS", "no", {"attempts_left": 0}]),
        batch([2, 4402, "", 0]),
    ]
    assert wire.server_end().close_code == CloseCode.TOO_MANY_AUTH_ATTEMPTS
    assert wire.responder.receive(b"x", 0.0) == []


def test_other_codes_stay_on_the_last_attempt_and_end_it_too() -> None:
    wire = quarantined(limits=WireLimits(login_attempts=1))
    wire.client_says(batch(LOGIN))
    wire.at_server += wire.responder.refuse("BUSY", "", {"retry_after": 5}, 0.0)
    refused = batch([7, 1, "BUSY", "", {"attempts_left": 0, "retry_after": 5}])
    assert opened_by_client(wire) == [refused, batch([2, 4402, "", 0])]
    assert wire.server_end().reason is EndReason.TOO_MANY_AUTH_ATTEMPTS


def test_a_refusal_can_say_bye_before_the_last_attempt() -> None:
    wire = quarantined()
    wire.client_says(batch(LOGIN, login(2)))
    wire.at_server += wire.responder.refuse(
        "TOO_MANY_AUTH_ATTEMPTS",
        "",
        {},
        0.0,
        bye=CloseCode.TOO_MANY_AUTH_ATTEMPTS,
    )
    assert wire.server_end().close_code == CloseCode.TOO_MANY_AUTH_ATTEMPTS
    assert wire.responder.attempts == 1


def test_while_a_login_is_decided_nothing_is_opened() -> None:
    wire = quarantined()
    wire.client_says(batch(LOGIN))
    for _ in range(10):
        assert wire.responder.receive(b"no box", 0.0) == []
    # Only when it is looked at does it turn out not to open.
    (end,) = wire.responder.admit(dict(ACCEPTED), [], 0.0)
    assert isinstance(end, Ended)
    assert end.close_code == CloseCode.BAD_RECORD


def test_what_waits_behind_a_login_is_bounded() -> None:
    wire = quarantined(limits=WireLimits(quarantine_waiting_bytes=100_000))
    wire.client_says(batch(LOGIN))
    for _ in range(3):
        assert wire.responder.receive(bytes(32_768), 0.0) == []
    end = ended(wire.responder.receive(bytes(32_768), 0.0))
    assert end.close_code is None
    assert end.reason is EndReason.TRUNCATED
    assert end.drop is True
    assert not wire.responder._records
    assert wire.responder.outgoing(0.0) == []


@pytest.mark.parametrize("decided", [False, True])
def test_a_message_longer_than_quarantine_allows_closes_it(*, decided: bool) -> None:
    wire = quarantined()
    if decided:
        wire.client_says(batch(LOGIN))
    end = ended(wire.responder.receive(bytes(32_769), 0.0))
    assert end.close_code == 1009
    assert end.reason is EndReason.TRUNCATED
    assert end.drop is False


def test_a_breach_of_the_value_rules_behind_a_login_voids_the_batch() -> None:
    wire = quarantined()
    wire.client_says(batch(LOGIN) + b"\x94\x10\x02\xa1n\xd4\x05x")
    assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG
    assert wire.responder.attempts == 0


def test_answers_are_given_once_and_only_to_a_login() -> None:
    wire = quarantined()

    def answers() -> Iterator[Callable[[], object]]:
        yield lambda: wire.responder.admit(dict(ACCEPTED), [], 0.0)
        yield lambda: wire.responder.refuse("X", "", {}, 0.0)
        yield lambda: wire.responder.challenge({}, 0.0)

    for answer in answers():
        with pytest.raises(LocalProtocolError):
            answer()
    wire.client_says(batch(LOGIN))
    wire.responder.admit(dict(ACCEPTED), [], 0.0)
    for answer in answers():
        with pytest.raises(LocalProtocolError):
            answer()


def test_an_answer_that_cannot_be_sent_changes_nothing() -> None:
    wire = quarantined()
    wire.client_says(batch(LOGIN))
    with pytest.raises(InvalidBody):
        wire.responder.admit({"client_data": {1}}, wire.server_keys, 0.0)
    with pytest.raises(MessageTooLarge):
        wire.responder.admit({"client_data": "x" * 2_000_000}, [], 0.0)
    with pytest.raises(InvalidBody):
        wire.responder.refuse("X", "", {"client_data": {1}}, 0.0)
    with pytest.raises(MessageTooLarge):
        wire.responder.refuse("X", "", {"client_data": "x" * 40_000}, 0.0)
    assert wire.responder.phase is Phase.DECIDING
    assert wire.responder.outgoing(0.0) == []
    with pytest.raises(LocalProtocolError):
        wire.responder.queue(b"\x91\x20")
    wire.responder.admit({**ACCEPTED, "client_data": "x" * 1_000_000}, [], 0.0)
    assert [len(r) > 1_000_000 for r in wire.responder.outgoing(0.0)] == [True]


def test_a_scheme_that_nobody_knows_is_left_to_the_owner() -> None:
    wire = quarantined()
    wire.client_says(batch([3, 1, "oauth", {"x": 1}]))
    (event,) = wire.at_server
    assert isinstance(event, LoginReceived)
    assert (event.scheme, event.fields) == ("oauth", {})


# Challenges.

NONCE = bytes(32)
PROOF = [5, 1, {"proof": NONCE}]
CHALLENGE = {"server_nonce": NONCE, "salt": NONCE[:16], "opslimit": 2, "memlimit": 1}


def challenged() -> Wire:
    wire = quarantined()
    fields = {"username": "lisa", "client_nonce": NONCE}
    wire.client_says(batch([3, 1, "scram", fields]))
    (event,) = wire.at_server
    assert isinstance(event, LoginReceived)
    assert event.fields == fields
    assert wire.responder.challenge(dict(CHALLENGE), 0.0) == []
    assert opened_by_client(wire) == [batch([4, 1, CHALLENGE])]
    wire.forget()
    return wire


def test_a_proof_answers_its_challenge() -> None:
    wire = challenged()
    wire.client_says(batch([9, 1], PROOF, PUBLISH))
    assert wire.at_server == [LoginProofReceived(1, {"proof": NONCE})]
    assert wire.responder.phase is Phase.DECIDING
    assert wire.responder.attempts == 1
    (behind,) = wire.responder.admit(dict(ACCEPTED), [], 0.0)
    assert isinstance(behind, Received)


@pytest.mark.parametrize(
    "message",
    [
        [5, 2, {"proof": NONCE}],
        [5, 1, {"proof": NONCE[:31]}],
        [5, 1, {}],
        [5, 1],
        [3, 2, "plain", {"auth_data": {}}],
        PUBLISH,
    ],
)
def test_a_challenge_takes_its_proof_and_nothing_else(
    message: list[object],
) -> None:
    wire = challenged()
    wire.client_says(batch(message))
    assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG


def test_one_proof_is_read_for_one_challenge() -> None:
    wire = challenged()
    wire.client_says(batch(PROOF, PROOF))
    assert len(wire.at_server) == 1
    wire.at_server += wire.responder.refuse("INVALID_AUTH_DATA", "no", {}, 0.0)
    assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG


# An admitted session.


def test_messages_of_a_record_come_as_one_event_in_their_order() -> None:
    wire = Wire().admitted()
    messages = [[16, n, f"n/{n}", n] for n in range(2, 300)]
    wire.client_says(batch(*messages))
    assert [type(event) for event in wire.at_server] == [Received]
    assert [message.name for message in wire.received] == [m[2] for m in messages]
    wire.client_says(batch([16, 300, "a", 1], [9, 7], [0, b""], [16, 301, "b", 1]))
    assert [message.name for message in wire.received[-2:]] == ["a", "b"]
    assert len(wire.at_server) == 2


def test_w29_a_login_in_a_session_is_refused_and_the_session_goes_on() -> None:
    wire = Wire().admitted()
    wire.client_says(batch([16, 2, "a", 1], login(3), [16, 4, "b", 1]))
    assert [message.name for message in wire.received] == ["a", "b"]
    (answer,) = opened_by_client(wire)
    assert answer.startswith(b"\x95\x07\x03\xb0INVALID_AUTH_MSG")
    assert wire.responder.phase is Phase.ADMITTED
    # Its id counts like any other.
    wire.client_says(batch(login(4)))
    assert isinstance(wire.at_server[-1], ByeSaid)


@pytest.mark.parametrize("tag", [4, 5, 6, 7, 8, 11, 12, 13, 14, 15])
def test_w29_another_reserved_tag_is_a_framing_error(tag: int) -> None:
    wire = Wire().admitted()
    wire.client_says(batch([16, 2, "a", 1], [tag, 3, {}], [16, 4, "b", 1]))
    assert [message.name for message in wire.received] == ["a"]
    said = wire.at_server[-1]
    assert isinstance(said, ByeSaid)
    assert said.code is CloseCode.MESSAGE_PARSE_ERROR
    assert wire.responder.phase is Phase.CLOSING


def test_w29_an_unknown_tag_is_reported_and_the_session_goes_on() -> None:
    wire = Wire().admitted()
    wire.client_says(batch([60_000, 7, "x"]))
    wire.client_says(batch([16, 2, "a", 1]))
    unknown, publish = wire.received
    assert unknown == Malformed(7, ErrorCode.UNKNOWN_ACTION, 60_000)
    assert isinstance(publish, Publish)


@pytest.mark.parametrize(
    "bad", [b"", b"\x05", b"\x90", b"\xc1", b"\x92\x10", b"\x91\xff", b"\x91\xa1a"]
)
def test_w20_a_framing_error_voids_its_whole_batch(bad: bytes) -> None:
    wire = Wire().admitted()
    before = batch([16, 2, "a", 1], [16, 3, "b", 1]) if bad else b""
    wire.client_says(before + bad)
    assert [type(event) for event in wire.at_server] == [ByeSaid]
    assert opened_by_client(wire) == [batch([2, 4405, "", 0])]


def test_w19_rekey_in_the_middle_of_a_batch_voids_it() -> None:
    wire = Wire().admitted()
    wire.client_says(batch([16, 2, "a", 1], [1], [16, 3, "b", 1]))
    assert [type(event) for event in wire.at_server] == [ByeSaid]
    assert wire.received == []


@pytest.mark.parametrize("bad", [[1, 1], [2, 1000], [9], [9, "x"], [0], [0, "x"], [10]])
def test_a_malformed_reserved_message_ends_it_in_its_turn(bad: list[object]) -> None:
    wire = Wire().admitted()
    wire.client_says(batch([16, 2, "a", 1], bad))
    assert [message.name for message in wire.received] == ["a"]
    assert isinstance(wire.at_server[-1], ByeSaid)


@pytest.mark.parametrize("number", [0, 1, 2**53])
def test_an_id_that_does_not_grow_ends_it_in_its_turn(number: int) -> None:
    wire = Wire().admitted()
    wire.client_says(batch([16, 2, "a", 1], [16, number, "b", 1], [16, 3, "c", 1]))
    assert [message.name for message in wire.received] == ["a"]
    assert isinstance(wire.at_server[-1], ByeSaid)


def test_w51_a_body_that_breaks_the_rules_is_reported_and_the_session_goes_on() -> None:
    wire = Wire().admitted()
    bodies = [
        b"\x91" * 65 + b"\xc0",
        b"\x91" * 64 + b"\xc0",
        b"\xdd\x00\x01\x86\xa0" + b"\xc0" * 100_000,
        b"\xd4\x05x",
        b"\xa1\xff",
    ]
    for number, body in enumerate(bodies, start=2):
        wire.client_says(b"\x94\x10" + bytes([number]) + b"\xa1n" + body)
    wire.client_says(b"\x94\x10\x20\xa1n" + b"\x91" * 63 + b"\xc0")
    *bad, good = wire.received
    invalid = ErrorCode.INVALID_MESSAGE_DATA
    assert bad == [Malformed(n, invalid, 16) for n in range(2, 2 + len(bodies))]
    assert isinstance(good, Publish)


def test_q8_a_mebibyte_of_arrays_in_one_message_is_one_bad_body() -> None:
    wire = Wire().admitted()
    wire.client_says(b"\x94\x10\x02\xa1n" + b"\x91" * 1_000_000 + b"\xc0")
    assert wire.received == [Malformed(2, ErrorCode.INVALID_MESSAGE_DATA, 16)]


def test_a_message_longer_than_allowed_closes_a_session() -> None:
    wire = Wire().admitted()
    end = ended(wire.responder.receive(bytes(1_048_577), 0.0))
    assert end.close_code == 1009
    assert end.reason is EndReason.TRUNCATED
    assert end.drop is False


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17])
def test_w16_a_box_of_hardly_any_bytes_closes_with_4101(size: int) -> None:
    for wire in (quarantined(), Wire().admitted()):
        wire.at_server += wire.responder.receive(bytes(size), 0.0)
        assert wire.server_end().close_code == CloseCode.BAD_RECORD
        assert wire.responder.outgoing(0.0) == []


def test_w16_a_box_of_an_empty_batch_is_a_framing_error() -> None:
    wire = Wire().admitted()
    wire.client_says(b"")
    assert [type(event) for event in wire.at_server] == [ByeSaid]


# Without encryption.


def test_a_clear_connection_has_its_greeting_and_the_same_phases() -> None:
    wire = Wire(encrypted=False)
    assert wire.responder.phase is Phase.QUARANTINED
    assert wire.responder.exporter is None
    wire.log_in()
    assert [len(r) for r in wire.sent_by_server] == [48]
    assert b"lisa" in wire.sent_by_client[0]
    assert len(wire.sent_by_client[0]) == 256
    wire.admit()
    wire.forget()
    wire.ask(Publish(wire.initiator.next_id(), "a", NIL))
    wire.pump()
    assert [message.name for message in wire.received] == ["a"]
    wire.client_says(batch([16, 9, "a", 1], [1]))
    assert [type(event) for event in wire.at_server[1:]] == [ByeSaid]


def test_a_clear_quarantine_is_as_strict() -> None:
    for case in VECTORS["rejected_batches"]:
        wire = quarantined(encrypted=False)
        wire.client_says(bytes.fromhex(case["batch"]))
        assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG
    wire = quarantined(encrypted=False)
    wire.client_says(batch([1]))
    assert wire.server_end().close_code == CloseCode.INVALID_AUTH_MSG


def test_a_login_that_is_refused_by_bye_has_the_code_of_the_bye() -> None:
    for code in (4401, 4402, 4403):
        wire = Wire()
        wire.log_in()
        wire.forget()
        wire.responder.bye(CloseCode(code))
        wire.pump()
        refused = wire.at_client[0]
        assert isinstance(refused, LoginRefusedReceived)
        assert refused.code == CloseCode(code).name
        assert wire.client_end().close_code == code


def test_several_initiators_do_not_share_a_hello() -> None:
    hellos = {Initiator(()).outgoing(0.0)[0] for _ in range(20)}
    assert len(hellos) == 20
