import pytest

from vestibule.protocol.codec import encode
from vestibule.protocol.errors import (
    CloseCode,
    ErrorCode,
    LocalProtocolError,
    MessageTooLarge,
)
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import NIL, Event
from wire import Wire, batch


def test_all_that_waits_leaves_as_one_record() -> None:
    wire = Wire().admitted()
    notices = [Event(f"n/{n}", NIL) for n in range(300)]
    wire.tell(*notices)
    encoded = b"".join(encode(notice) for notice in notices)
    assert wire.responder.queued_bytes == len(encoded)
    (record,) = wire.responder.outgoing(0.0)
    assert len(record) == len(encoded) + 16
    assert wire.responder.queued_bytes == 0
    assert wire.responder.outgoing(0.0) == []


@pytest.mark.parametrize("encrypted", [True, False])
def test_longer_batches_leave_as_several_records_in_their_order(
    *, encrypted: bool
) -> None:
    limits = WireLimits(
        quarantine_message_bytes=1024, message_bytes=2000, batch_messages=10
    )
    wire = Wire(limits=limits, encrypted=encrypted).admitted()
    sizes = [1, 500, 1900, 1, 1, 1900, 1900, *([1] * 50), 700, 700, 700]
    for number, size in enumerate(sizes):
        message = batch([34, f"{number:02}", b"x" * size, False])
        wire.responder.queue(message)
    wire.pump()
    assert [int(notice.name) for notice in wire.noticed] == list(range(len(sizes)))
    assert all(len(record) <= 2000 for record in wire.sent_by_server)
    assert len(wire.sent_by_server) < len(sizes)


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_message_that_fits_no_record_is_refused_where_it_is_made(
    *, encrypted: bool
) -> None:
    limits = WireLimits(quarantine_message_bytes=1024, message_bytes=2000)
    wire = Wire(limits=limits, encrypted=encrypted).admitted()
    largest = wire.responder.largest_message
    fits = batch([34, "n", b"x" * (largest - 8), False])
    assert len(fits) == largest
    wire.responder.queue(fits)
    with pytest.raises(MessageTooLarge) as refusal:
        wire.responder.queue(fits + b"x")
    assert refusal.value.code is ErrorCode.LIMIT_EXCEEDED
    assert (refusal.value.size, refusal.value.limit) == (largest + 1, largest)
    wire.pump()
    assert len(wire.noticed) == 1


def test_nothing_is_queued_for_a_stranger() -> None:
    wire = Wire()
    for step in (lambda: None, wire.pump, wire.log_in):
        step()
        with pytest.raises(LocalProtocolError):
            wire.responder.queue(b"\x91\x20")
    wire.admit()
    wire.responder.queue(batch([32, 1, None]))


def test_in_quarantine_records_are_as_short_as_a_stranger_s() -> None:
    wire = Wire(limits=WireLimits(quarantine_message_bytes=1024))
    wire.pump()
    wire.forget()
    pings = batch(*([9, 2**63 + n] for n in range(90)))
    for _ in range(3):
        wire.at_server += wire.responder.receive(_sealed(wire, pings), 0.0)
    records = wire.responder.outgoing(0.0)
    assert len(records) == 3
    assert all(len(record) <= 1024 for record in records)


def _sealed(wire: Wire, content: bytes) -> bytes:
    key = wire.initiator._sending
    assert key is not None
    return key.seal(content)


@pytest.mark.parametrize("records", [2, 3, 4])
def test_logins_are_padded_also_where_keys_change(records: int) -> None:
    wire = Wire(client_limits=WireLimits(rekey_records=records))
    for attempt in (1, 2, 3):
        wire.log_in()
        if attempt < 3:
            wire.responder.refuse("X", "", {}, 0.0)
    assert all((len(r) - 16) % 256 == 0 for r in wire.sent_by_client[1:])
    key = wire.initiator._sending
    assert key is not None
    assert key.epoch == 3 // records


@pytest.mark.parametrize("records", range(2, 8))
def test_a_bye_and_a_change_of_keys_never_meet(records: int) -> None:
    wire = Wire(client_limits=WireLimits(rekey_records=records)).admitted()
    wire.initiator.queue(batch([16, 2, "n", None]))
    wire.initiator.bye(CloseCode.CLOSED)
    wire.pump()
    assert len(wire.received) == 1
    assert wire.server_end().close_code == 1000
    assert wire.client_end().close_code == 1000


def test_the_least_batches_work() -> None:
    limits = WireLimits(batch_messages=3, rekey_records=2)
    wire = Wire(limits=limits, client_limits=limits).admitted()
    wire.tell(*(Event(f"{n}", NIL) for n in range(20)))
    wire.pump()
    assert [int(notice.name) for notice in wire.noticed] == list(range(20))
