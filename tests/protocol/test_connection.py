from collections.abc import Callable

import pytest

from vestibule.protocol.clear import ClearKey
from vestibule.protocol.crypto import (
    MAX_EPOCH,
    MAX_EPOCH_BYTES,
    MAX_EPOCH_RECORDS,
    IdentityKey,
    SendingKey,
)
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.events import (
    ByeReceived,
    ByeSaid,
    Ended,
    LoginAccepted,
    LoginReceived,
)
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import NIL, Answered, Event, Publish
from vestibule.protocol.phases import Phase
from wire import Wire, batch


class Relay:
    """Somebody between: passes records on, but changes the one of this number."""

    def __init__(self, number: int, change: str) -> None:
        self.number, self.change = number, change
        self.seen = 0
        self.held: bytes | None = None

    def __call__(self, record: bytes) -> list[bytes]:
        self.seen += 1
        if self.held is not None:
            held, self.held = self.held, None
            return [record, held]
        if self.seen != self.number:
            return [record]
        if self.change == "swapped":
            self.held = record
        return CHANGES[self.change](record)


CHANGES: dict[str, Callable[[bytes], list[bytes]]] = {
    "repeated": lambda record: [record, record],
    "left out": lambda _: [],
    "swapped": lambda _: [],
    "shortened": lambda record: [record[:-1]],
    "lengthened": lambda record: [record + b"\0"],
    "a bit of the tag": lambda record: [bytes([record[0] ^ 1]) + record[1:]],
    "a bit of the text": lambda record: [record[:-1] + bytes([record[-1] ^ 0x80])],
    "emptied": lambda _: [b""],
}


def publish_ten(wire: Wire) -> None:
    for number in range(1, 11):
        wire.ask(Publish(wire.initiator.next_id(), f"n/{number}", NIL))
        wire.pump()


def deliver_ten(wire: Wire) -> None:
    for number in range(1, 11):
        wire.tell(Event(f"n/{number}", NIL))
        wire.pump()


def before(number: int, change: str) -> list[str]:
    """Name what arrives before the first record out of its place."""
    last = number if change == "repeated" else number - 1
    return [f"n/{n}" for n in range(1, last + 1)]


@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize("change", CHANGES)
def test_w13_k3_a_client_s_record_out_of_its_place_ends_it(
    number: int, change: str
) -> None:
    wire = Wire().admitted()
    wire.to_server = Relay(number, change)
    publish_ten(wire)
    assert [message.name for message in wire.received] == before(number, change)
    assert wire.server_end().close_code == CloseCode.BAD_RECORD
    assert wire.server_end().reason is EndReason.TRUNCATED
    # Nothing is said about it: the client sees a cut.
    wire.cut()
    assert wire.truncated()


@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize("change", CHANGES)
def test_w14_k3_a_server_s_record_out_of_its_place_ends_it(
    number: int, change: str
) -> None:
    wire = Wire().admitted()
    wire.to_client = Relay(number, change)
    deliver_ten(wire)
    assert [notice.name for notice in wire.noticed] == before(number, change)
    assert wire.truncated()
    assert wire.initiator.outgoing(0.0) == []


def test_w15_k3_a_record_that_is_sent_back_ends_it() -> None:
    wire = Wire().admitted()
    wire.ask(Publish(wire.initiator.next_id(), "n/1", NIL))
    (record,) = wire.initiator.outgoing(0.0)
    wire.at_client += wire.initiator.receive(record, 0.0)
    assert wire.truncated()
    wire = Wire().admitted()
    wire.tell(Event("n/1", NIL))
    (record,) = wire.responder.outgoing(0.0)
    wire.at_server += wire.responder.receive(record, 0.0)
    assert wire.server_end().close_code == CloseCode.BAD_RECORD


def test_w15_k3_a_record_of_another_session_ends_it() -> None:
    key = IdentityKey.generate()
    one, other = (Wire(identities=[key]).admitted() for _ in range(2))
    one.ask(Publish(one.initiator.next_id(), "n/1", NIL))
    (record,) = one.initiator.outgoing(0.0)
    other.at_server += other.responder.receive(record, 0.0)
    assert other.received == []
    assert other.server_end().close_code == CloseCode.BAD_RECORD


@pytest.mark.parametrize("change", CHANGES)
def test_k3_a_login_out_of_its_place_reaches_nobody(change: str) -> None:
    wire = Wire()
    wire.pump()
    wire.to_server = Relay(1, change)
    wire.initiator.login("plain", {"auth_data": {}})
    wire.pump()
    logins = [e for e in wire.at_server if isinstance(e, LoginReceived)]
    if change == "repeated":
        # The second waits, unopened, behind the first.
        assert len(logins) == 1
        wire.at_server += wire.responder.admit({"username": "lisa"}, [], 0.0)
    elif change in ("left out", "swapped"):
        wire.initiator.bye(CloseCode.CLOSED)
        wire.pump()
        assert logins == []
    assert wire.server_end().close_code == CloseCode.BAD_RECORD


@pytest.mark.parametrize("change", CHANGES)
def test_k3_a_record_out_of_its_place_at_a_change_of_keys_ends_it(change: str) -> None:
    for number in (2, 3, 4):
        wire = Wire(client_limits=WireLimits(rekey_records=4)).admitted()
        wire.to_server = Relay(number, change)
        publish_ten(wire)
        assert [message.name for message in wire.received] == before(number, change)
        assert wire.server_end().close_code == CloseCode.BAD_RECORD


# Changing keys.


def test_w17_keys_change_in_both_directions_while_requests_are_answered() -> None:
    limits = WireLimits(rekey_records=10)
    wire = Wire(limits=limits, client_limits=limits).admitted()
    for _ in range(1000):
        wire.ask(Publish(wire.initiator.next_id(), "n", NIL))
        wire.client_to_server()
        wire.tell(Answered(wire.received[-1].id))
        wire.server_to_client()
    assert len(wire.noticed) == 1000
    for end in (wire.initiator, wire.responder):
        for key in (end._sending, end._receiving):
            assert key is not None
            assert key.epoch >= 99


def exhausted(records: int, size: int = 0) -> Wire:
    """Give a session in which the client's direction is so far in its epoch."""
    wire = Wire().admitted()
    for key in (wire.initiator._sending, wire.responder._receiving):
        assert key is not None
        assert not isinstance(key, ClearKey)
        key.records, key.bytes = records, size
    return wire


def test_w18_the_last_record_of_an_epoch_has_to_change_keys() -> None:
    wire = exhausted(MAX_EPOCH_RECORDS - 1)
    wire.client_says(batch([16, 2, "n", None]))
    assert [type(event) for event in wire.at_server] == [ByeSaid]
    assert wire.received == []
    wire.server_to_client()
    said = wire.at_client[0]
    assert isinstance(said, ByeReceived)
    assert said.code == CloseCode.MESSAGE_PARSE_ERROR


def test_w18_bytes_end_an_epoch_as_records_do() -> None:
    message = batch([16, 2, "n", None])
    wire = exhausted(5, MAX_EPOCH_BYTES - len(message) - 16)
    wire.client_says(message)
    assert [type(event) for event in wire.at_server] == [ByeSaid]
    wire = exhausted(5, MAX_EPOCH_BYTES - len(message) - 16 - 1)
    wire.client_says(message)
    assert len(wire.received) == 1


@pytest.mark.parametrize(
    "wire",
    [
        exhausted(MAX_EPOCH_RECORDS - 2),
        exhausted(MAX_EPOCH_RECORDS - 1),
        exhausted(5, MAX_EPOCH_BYTES - 30),
    ],
    ids=["one before the last record", "the last record", "bytes"],
)
def test_w18_the_product_s_own_sender_changes_keys_in_time(wire: Wire) -> None:
    publish_ten(wire)
    assert len(wire.received) == 10
    assert wire.initiator._sending is not None
    assert wire.initiator._sending.epoch == 1


def test_keys_change_with_time_when_a_record_is_sent() -> None:
    wire = Wire().admitted()
    wire.now = 899.0
    publish_ten(wire)
    assert wire.initiator._sending is not None
    assert wire.initiator._sending.epoch == 0
    wire.now = 900.0
    publish_ten(wire)
    assert len(wire.received) == 20
    assert wire.initiator._sending.epoch == 1
    assert wire.responder._sending is not None
    assert wire.responder._sending.epoch == 0


def test_a_direction_can_change_keys_whenever_its_sender_likes() -> None:
    wire = Wire().admitted()
    sending = wire.initiator._sending
    assert isinstance(sending, SendingKey)
    for number in range(2, 50):
        wire.client_says(batch([16, number, "n", None], [1]))
        sending.rekey()
        wire.client_says(batch([1]))
        sending.rekey()
    assert len(wire.received) == 48


def test_before_the_last_epoch_ends_the_sender_says_bye() -> None:
    limits = WireLimits(rekey_records=2)
    wire = Wire(limits=limits).admitted()
    for key in (wire.responder._sending, wire.initiator._receiving):
        assert key is not None
        assert not isinstance(key, ClearKey)
        key.epoch = MAX_EPOCH - 1
        key._prefix = key._label + (MAX_EPOCH - 1).to_bytes(4, "big")
    deliver_ten(wire)
    said = next(e for e in wire.at_client if isinstance(e, ByeReceived))
    assert said.code == CloseCode.SHUTTING_DOWN
    assert wire.noticed
    assert wire.client_end().reason is EndReason.SHUTTING_DOWN
    assert wire.server_end().reason is EndReason.SHUTTING_DOWN


# The end.


def test_a_bye_is_answered_and_both_ends_have_its_code_and_reason() -> None:
    wire = Wire().admitted()
    wire.responder.bye(CloseCode.SESSION_REVOKED, "user_deleted")
    wire.pump()
    assert wire.at_client == [
        ByeReceived(4406, EndReason.USER_DELETED, 0),
        Ended(4406, EndReason.USER_DELETED),
    ]
    assert wire.server_end() == Ended(4406, EndReason.USER_DELETED)


def test_a_client_that_says_bye_is_answered_with_1000() -> None:
    wire = Wire().admitted()
    wire.initiator.bye(CloseCode.CLOSED, "client")
    wire.pump()
    assert wire.server_end() == Ended(1000, EndReason.CLIENT)
    assert wire.client_end() == Ended(1000, EndReason.CLIENT)


def test_w24_what_waits_leaves_before_the_answer_and_nothing_behind_it() -> None:
    wire = Wire().admitted()
    wire.tell(Event("a", NIL))
    wire.client_says(batch([16, 2, "n", None], [2, 1000, "client", 0]))
    assert [message.name for message in wire.received] == ["n"]
    wire.tell(Answered(2))
    key = wire.initiator._receiving
    assert key is not None
    opened = [key.open(record) for record in wire.responder.outgoing(0.0)]
    assert opened[-1] == batch([2, 1000, "", 0])
    assert opened[0] == batch([34, "a", None, False], [32, 2, None])
    wire.tell(Event("late", NIL))
    assert wire.responder.outgoing(0.0) == []


def test_a_bye_ends_what_may_be_queued_and_can_discard_what_was() -> None:
    for discard, noticed in ((False, ["a"]), (True, [])):
        wire = Wire().admitted()
        wire.tell(Event("a", NIL))
        wire.responder.bye(CloseCode.SESSION_REVOKED, discard=discard)
        wire.tell(Event("b", NIL))
        assert wire.responder.queued_bytes == 0 or not discard
        wire.pump()
        assert [notice.name for notice in wire.noticed] == noticed
        assert wire.client_end().reason is EndReason.REVOKED


def test_after_its_bye_an_end_looks_at_nothing_but_the_other_s() -> None:
    wire = Wire().admitted()
    wire.responder.bye(CloseCode.SHUTTING_DOWN)
    wire.responder.outgoing(0.0)
    sending = wire.initiator._sending
    assert isinstance(sending, SendingKey)
    for number, content in enumerate(
        (batch([16, 2, "n", None], [9, 1]), b"", b"\xc1", batch([2]), batch([1])),
    ):
        assert wire.responder.receive(sending.seal(content), 0.0) == [], number
    sending.rekey()
    assert wire.responder.outgoing(0.0) == []
    farewell = batch([16, 3, "n", None], [2, 1000, "client", 0])
    wire.at_server += wire.responder.receive(sending.seal(farewell), 0.0)
    assert wire.received == []
    assert wire.server_end() == Ended(4100, EndReason.SHUTTING_DOWN)


@pytest.mark.parametrize("record", [b"", bytes(40), bytes(2_000_000)])
def test_after_its_bye_a_bad_record_ends_it_as_said(record: bytes) -> None:
    wire = Wire().admitted()
    wire.responder.bye(CloseCode.SHUTTING_DOWN)
    wire.responder.outgoing(0.0)
    wire.at_server += wire.responder.receive(record, 0.0)
    assert wire.server_end() == Ended(4100, EndReason.SHUTTING_DOWN)


def test_two_byes_that_cross_end_each_for_its_own_reason() -> None:
    wire = Wire().admitted()
    wire.initiator.bye(CloseCode.CLOSED, "client")
    wire.responder.bye(CloseCode.SESSION_EXPIRED, "idle")
    wire.pump()
    assert wire.client_end() == Ended(1000, EndReason.CLIENT)
    assert wire.server_end() == Ended(4407, EndReason.IDLE)


def test_an_end_waits_one_second_for_the_other_s_bye() -> None:
    wire = Wire().admitted()
    wire.responder.bye(CloseCode.SHUTTING_DOWN)
    wire.now = 7.0
    wire.responder.outgoing(wire.now)
    assert wire.responder.deadline() == 8.0
    assert wire.responder.tick(7.9) == []
    assert wire.responder.tick(8.0) == [Ended(4100, EndReason.SHUTTING_DOWN)]
    assert wire.responder.deadline() is None
    assert wire.responder.tick(9.0) == []


def test_a_stranger_is_closed_as_soon_as_it_was_told() -> None:
    wire = Wire()
    wire.log_in()
    wire.responder.bye(CloseCode.AUTHENTICATION_TIMEOUT)
    wire.now = 7.0
    assert wire.responder.outgoing(wire.now) != []
    assert wire.responder.deadline() == 7.0
    assert wire.responder.tick(7.0) == [Ended(4403, EndReason.LOGIN_TIMEOUT)]


def test_before_the_hellos_a_bye_is_not_said() -> None:
    for end in (Wire().responder, Wire().initiator):
        end.bye(CloseCode.SHUTTING_DOWN)
        assert end.phase is Phase.CLOSED
        assert end.end == Ended(4100, EndReason.SHUTTING_DOWN)
        assert end.lost(0.0) == []


def test_the_first_bye_counts() -> None:
    wire = Wire().admitted()
    wire.responder.bye(CloseCode.SESSION_REVOKED)
    wire.responder.bye(CloseCode.SHUTTING_DOWN)
    wire.pump()
    assert wire.client_end().reason is EndReason.REVOKED


@pytest.mark.parametrize(
    ("said", "code", "close_code", "reason"),
    [
        ([2, 4406, "nonsense", 0], 4406, 4406, EndReason.REVOKED),
        ([2, 4199, "", 0], 4199, 4199, EndReason.TRUNCATED),
        ([2, 5, "client", 0], 5, 1000, EndReason.TRUNCATED),
        ([2, -1, "client", 0], -1, 1000, EndReason.TRUNCATED),
        ([2, 2**63, "", 0], 2**63, 1000, EndReason.TRUNCATED),
        ([2, 1006, "", 0], 1006, 1000, EndReason.TRUNCATED),
    ],
)
def test_whatever_code_a_bye_has_it_can_be_closed(
    said: list[object], code: int, close_code: int, reason: EndReason
) -> None:
    wire = Wire().admitted()
    wire.server_says(batch(said))
    came, end = wire.at_client
    assert came == ByeReceived(code, reason, 0)
    assert end == Ended(close_code, reason)


def test_a_bye_tells_when_to_come_back() -> None:
    wire = Wire().admitted()
    wire.responder.bye(CloseCode.SHUTTING_DOWN, retry_after_ms=2500)
    wire.pump()
    assert wire.at_client[0] == ByeReceived(4100, EndReason.SHUTTING_DOWN, 2500)
    wire = Wire().admitted()
    wire.server_says(batch([2, 4100, "", -5]))
    assert wire.at_client[0] == ByeReceived(4100, EndReason.SHUTTING_DOWN, 0)


JOURNEY = 50


def travel(wire: Wire, cut_after: int) -> int:
    """Go from the hellos to the byes, but let only so many records cross."""
    crossed = 0

    def between(record: bytes) -> list[bytes]:
        nonlocal crossed
        if crossed == cut_after:
            return []
        crossed += 1
        return [record]

    wire.to_server = wire.to_client = between
    wire.pump()
    if wire.initiator.phase is Phase.QUARANTINED:
        wire.initiator.login("plain", {"auth_data": {}})
        wire.pump()
    if wire.responder.phase is Phase.DECIDING:
        wire.admit()
    while wire.initiator.phase is Phase.ADMITTED and crossed < min(JOURNEY, cut_after):
        wire.ask(Publish(wire.initiator.next_id(), "n", NIL))
        wire.tell(Event("n", NIL))
        wire.pump()
    if crossed == JOURNEY:
        wire.initiator.bye(CloseCode.CLOSED, "client")
        wire.pump()
    wire.cut()
    return crossed


@pytest.mark.parametrize("cut_after", range(JOURNEY))
def test_k8_every_cut_is_truncated_at_both_ends(cut_after: int) -> None:
    wire = Wire()
    assert travel(wire, cut_after) == cut_after
    assert wire.truncated()
    assert wire.server_end().reason is EndReason.TRUNCATED


def test_k8_a_cut_before_the_bye_arrives_is_truncated_at_the_server() -> None:
    wire = Wire()
    travel(wire, JOURNEY)
    assert wire.server_end().reason is EndReason.TRUNCATED


@pytest.mark.parametrize("cut_after", [JOURNEY + 1, JOURNEY + 2])
def test_k8_the_proper_end_never_is(cut_after: int) -> None:
    wire = Wire()
    assert travel(wire, cut_after) == cut_after
    assert wire.server_end().reason is EndReason.CLIENT
    assert wire.client_end().reason is EndReason.CLIENT


def test_lost_is_the_end_and_comes_once() -> None:
    wire = Wire().admitted()
    wire.cut()
    wire.cut()
    assert wire.server_end() == Ended(
        None, EndReason.TRUNCATED, drop=True, problem="no bye"
    )
    assert wire.truncated()


# Signs of life.


def beating() -> Wire:
    wire = Wire(limits=WireLimits(heartbeat_ms=200))
    wire.now = 100.0
    return wire.admitted()


def test_w26_silence_is_asked_about_and_then_ends_it() -> None:
    wire = beating()
    for end in (wire.responder, wire.initiator):
        assert end.deadline() == pytest.approx(100.2)
        assert end.tick(100.19) == []
        assert end.outgoing(100.19) == []
        assert end.tick(100.21) == []
        assert len(end.outgoing(100.21)) == 1
        assert end.deadline() == pytest.approx(100.4)
        assert end.tick(100.3) == []
        assert end.outgoing(100.3) == []
        (ended,) = end.tick(100.41)
        assert ended == Ended(None, EndReason.TRUNCATED, drop=True, problem="silence")
        assert end.outgoing(100.41) == []


def test_an_answered_ping_keeps_a_silent_session() -> None:
    wire = beating()
    for _ in range(50):
        wire.now += 0.21
        assert wire.responder.tick(wire.now) == []
        wire.pump()
        assert wire.initiator.tick(wire.now) == []
    assert wire.at_server == wire.at_client == []
    assert wire.responder.deadline() == pytest.approx(wire.now + 0.2)


def test_a_timer_that_was_late_does_not_end_it_unasked() -> None:
    wire = beating()
    wire.now += 0.3
    wire.responder.tick(wire.now)
    wire.pump()
    assert wire.responder.phase is Phase.ADMITTED
    assert wire.responder.deadline() == pytest.approx(wire.now + 0.2)


def test_a_decision_that_took_long_is_no_silence() -> None:
    wire = Wire(limits=WireLimits(heartbeat_ms=200))
    wire.log_in()
    assert wire.responder.deadline() is None
    assert wire.initiator.deadline() is None
    wire.now = 20.0
    wire.admit()
    assert isinstance(wire.at_client[1], LoginAccepted)
    assert wire.responder.deadline() == pytest.approx(20.2)
    assert wire.initiator.deadline() == pytest.approx(20.2)


def test_only_records_that_open_are_signs_of_life() -> None:
    wire = beating()
    wire.now += 0.1
    wire.ask(Publish(wire.initiator.next_id(), "n", NIL))
    wire.pump()
    assert wire.responder.deadline() == pytest.approx(wire.now + 0.2)


def test_a_flood_of_pings_leaves_no_more_than_its_answers() -> None:
    wire = Wire().admitted()
    for _ in range(20):
        wire.client_says(batch(*([9, n] for n in range(4096))))
        assert wire.responder.queued_bytes <= 3 * 4096 * 2
        assert len(wire.responder.outgoing(0.0)) <= 2
        assert wire.responder.queued_bytes == 0
