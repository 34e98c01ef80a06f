from typing import get_args

import msgspec
import pytest

from vestibule.protocol.batches import _BODIED, NoticeReader, RequestReader
from vestibule.protocol.codec import encode, encode_body
from vestibule.protocol.errors import ErrorCode, FramingError
from vestibule.protocol.events import Malformed
from vestibule.protocol.framing import split_batch
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import (
    NIL,
    AnyNotice,
    AnyRequest,
    Call,
    Cancel,
    Fail,
    Provide,
    Publish,
    Respond,
    Subscribe,
)
from wire import batch


LIMITS = WireLimits()
GOOD: list[AnyRequest] = [
    Publish(5, "news/sport", encode_body({"score": 3})),
    Publish(6, "news", encode_body(b"binary"), ack=False, to=["a" * 32]),
    Subscribe(7, ["news/*", "a"], echo=True),
    Call(8, "add", encode_body({"a": 1, "b": [2, {"c": None}]}), 5000),
    Cancel(8),
    Respond(3, NIL),
    Fail(4, "ValueError", "no"),
    Provide(9, "add"),
]


def read_slowly(reader: RequestReader, sent: bytes) -> list[object]:
    for entry in split_batch(sent, 4096):
        reader.gather(entry)
    return list(reader.take_gathered())


def same(left: object, right: object) -> bool:
    """Compare messages; raw bodies compare by identity otherwise."""
    return msgspec.msgpack.encode(left) == msgspec.msgpack.encode(right)


def test_the_messages_with_a_body_are_those_with_a_raw_field() -> None:
    for kind in get_args(AnyRequest):
        raw = [
            name
            for name, annotation in kind.__annotations__.items()
            if annotation is msgspec.Raw
        ]
        assert raw == (["data"] if kind in _BODIED else [])


def test_requests_and_notices_have_tags_of_their_own() -> None:
    kinds = [*get_args(AnyRequest), *get_args(AnyNotice)]
    tags = [kind.__struct_config__.tag for kind in kinds]
    assert len(set(tags)) == len(tags)
    assert min(tags) >= 16


@pytest.mark.parametrize("count", [1, 2, len(GOOD)])
def test_both_ways_read_the_same(count: int) -> None:
    sent = b"".join(encode(message) for message in GOOD[:count])
    fast, slow = RequestReader(LIMITS), RequestReader(LIMITS)
    for _ in range(2):  # as one message is expected, and as several are
        fast.last_id = slow.last_id = 0
        at_once, one_by_one = fast.read_batch(sent), read_slowly(slow, sent)
        assert at_once is not None
        assert same(at_once, GOOD[:count])
        assert same(one_by_one, GOOD[:count])
        assert fast.last_id == slow.last_id


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (batch([16, 9, "n"]), Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16)),
        (batch([16, 9, 5, 6]), Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16)),
        (batch([16, 9, b"n", 6]), Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16)),
        (
            batch([16, 9, "n", 6, True, None, 1]),
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16),
        ),
        (batch([16]), Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, 16)),
        (batch([16, "9", "n", 6]), Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, 16)),
        (batch([16, 9.0, "n", 6]), Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, 16)),
        (batch([26, 9]), Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, 26, 9)),
        (batch([26, -1, 0]), Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, 26, 0)),
        (batch([60_000, 9]), Malformed(9, ErrorCode.UNKNOWN_ACTION, 60_000)),
        (batch([60_000]), Malformed(0, ErrorCode.UNKNOWN_ACTION, 60_000)),
        (batch([60_000, 2**53]), Malformed(0, ErrorCode.UNKNOWN_ACTION, 60_000)),
        (batch([32, 9, 0]), Malformed(9, ErrorCode.UNKNOWN_ACTION, 32)),
        (
            b"\x94\x10\x09\xa1\xff\xc0",
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16),
        ),
        (
            b"\x94\x10\x09\xa1n\x81\x01\x02",
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16),
        ),
        (
            b"\x94\x10\x09\xa1n" + b"\x91" * 64 + b"\xc0",
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16),
        ),
        (
            b"\x94\x10\x09\xa1n" + b"\x91" * 5000 + b"\xc0",
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16),
        ),
        (
            batch([16, 9, "n", [0] * 100_000]),
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 16),
        ),
        (
            batch([17, 9, [""] * 100_000]),
            Malformed(9, ErrorCode.INVALID_MESSAGE_DATA, 17),
        ),
        (
            batch([26, 9, [0] * 100_000]),
            Malformed(0, ErrorCode.INVALID_MESSAGE_DATA, 26, 9),
        ),
    ],
)
def test_a_malformed_message_keeps_its_place(
    message: bytes, expected: Malformed
) -> None:
    reader = RequestReader(LIMITS)
    good = encode(Publish(1, "n", NIL)), encode(Publish(10, "n", NIL))
    sent = good[0] + message + good[1]
    assert reader.read_batch(sent) is None
    assert reader.last_id == 0
    first, malformed, last = read_slowly(reader, sent)
    assert malformed == expected
    assert isinstance(first, Publish)
    assert isinstance(last, Publish)
    assert reader.last_id == 10


def test_values_are_counted_by_message_not_by_batch() -> None:
    large = batch([16, 1, "n", [0] * 60_000], [16, 2, "n", [0] * 60_000])
    messages = RequestReader(LIMITS).read_batch(large)
    assert messages is not None
    assert len(messages) == 2
    long = batch([16, 1, "n", b"x" * 500_000])
    assert RequestReader(LIMITS).read_batch(long) is None
    (message,) = read_slowly(RequestReader(LIMITS), long)
    assert isinstance(message, Publish)


def test_the_message_s_own_values_count() -> None:
    # The array, tag, id, name, and the array of the body: 5, and its elements.
    fits, over = (batch([16, 1, "n", [0] * size]) for size in (99_995, 99_996))
    assert isinstance(read_slowly(RequestReader(LIMITS), fits)[0], Publish)
    assert isinstance(read_slowly(RequestReader(LIMITS), over)[0], Malformed)


@pytest.mark.parametrize("number", [0, -1, 5, 4, 2**53, 2**64 - 1])
def test_an_id_that_does_not_grow_ends_the_connection(number: int) -> None:
    reader = RequestReader(LIMITS)
    reader.last_id = 5
    sent = batch([16, number, "n", None])
    assert reader.read_batch(sent) is None
    with pytest.raises(FramingError):
        read_slowly(reader, sent)
    # Also where the rest of the message is wrong.
    with pytest.raises(FramingError):
        read_slowly(reader, batch([16, number]))
    # The ids in answers are the broker's, they need not grow.
    assert reader.read_batch(batch([24, 4], [24, 4], [23, 1])) is not None


def test_ids_grow_inside_a_batch_too() -> None:
    reader = RequestReader(LIMITS)
    sent = batch([16, 1, "n", None], [16, 1, "n", None])
    assert reader.read_batch(sent) is None
    with pytest.raises(FramingError):
        read_slowly(reader, sent)


def test_more_messages_than_a_batch_may_have_are_not_read() -> None:
    limits = WireLimits(batch_messages=3)
    sent = batch(*([24, n] for n in range(1, 5)))
    assert RequestReader(limits).read_batch(sent) is None
    assert RequestReader(limits).read_batch(batch([24, 1], [24, 2], [24, 3]))


def test_a_client_reads_what_it_knows_and_reports_the_rest() -> None:
    reader = NoticeReader(LIMITS)
    good = reader.read_batch(batch([32, 1, {"a": 1}], [34, "n", 5, False]))
    assert good is not None
    assert len(good) == 2
    # A body that breaks the rules is for whoever reads it.
    assert reader.read_batch(b"\x94\x22\xa1n\x81\x01\x02\xc2")
    sent = batch([33, 7], [99, 8], [34, 5, 6, 7], [32, 9, None])
    assert reader.read_batch(sent) is None
    for entry in split_batch(sent, 10):
        reader.gather(entry)
    bad, unknown, other, fine = reader.take_gathered()
    assert bad == Malformed(7, ErrorCode.INVALID_MESSAGE_DATA, 33)
    assert unknown == Malformed(8, ErrorCode.UNKNOWN_ACTION, 99)
    assert isinstance(other, Malformed)
    assert not isinstance(fine, Malformed)
