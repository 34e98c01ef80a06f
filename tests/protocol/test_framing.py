import threading

import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.errors import FramingError
from vestibule.protocol.framing import (
    Entry,
    count_messages,
    ends_of,
    read_entry,
    split_batch,
)
from wire import batch


messages = st.lists(
    st.tuples(st.integers(0, 65_535).filter(lambda tag: tag not in (1, 2))).flatmap(
        lambda head: st.lists(st.integers() | st.text()).map(
            lambda rest: [
                *head,
                *(x for x in rest if not isinstance(x, int) or -(2**63) <= x < 2**64),
            ]
        )
    ),
    min_size=1,
    max_size=30,
)


@given(messages)
def test_a_batch_is_split_into_its_messages(sent: list[list[object]]) -> None:
    entries = split_batch(batch(*sent), 30)
    assert [entry.data for entry in entries] == [batch(message) for message in sent]
    assert [entry.tag for entry in entries] == [message[0] for message in sent]
    for entry, message in zip(entries, sent, strict=True):
        second = message[1] if len(message) > 1 else None
        assert entry.number == (second if type(second) is int else None)
    assert count_messages(batch(*sent), 30) == len(sent)
    if len(sent) > 1:
        with pytest.raises(FramingError, match="too many"):
            split_batch(batch(*sent), len(sent) - 1)
        assert count_messages(batch(*sent), len(sent) - 1) == len(sent)


@given(messages, st.data())
def test_a_batch_that_is_cut_is_a_framing_error(
    sent: list[list[object]], draw: st.DataObject
) -> None:
    whole = batch(*sent)
    ends = {0, *ends_of(whole, 30)}
    at = draw.draw(st.integers(0, len(whole) - 1))
    if at in ends - {0}:
        assert len(split_batch(whole[:at], 30)) < len(sent)
    else:
        with pytest.raises(FramingError):
            split_batch(whole[:at], 30)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x05",
        b"\x80",
        b"\x90",
        b"\xa0",
        b"\xc1",
        b"\xc0",
        b"\x91\xc0",
        b"\x91\xc3",
        b"\x91\xff",
        b"\x91\xd0\xff",
        b"\x91\xa1a",
        b"\x91\xcb@\x08\x00\x00\x00\x00\x00\x00",
        b"\x91\xce\x00\x01\x00\x00",
        b"\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xdc\x00\x00",
        b"\xdd\x00\x00\x00\x00",
        b"\x91\x10\xc1",
        b"\x91\x10\x05",
        b"\x91\x10\x92\x10",
        b"\x91\x01\x91\x10",
        b"\x94\x02\xcd\x03\xe8\xa0\x00\x91\x10",
        b"\x92\x10\xc9\xff\xff\xff\xff",
        b"\x92\x10\xc9\xff\xff\xff\xff\x05",
        b"\x93\x10" + b"\x91" * 1000 + b"\xc0\xc9\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
    ],
)
def test_w20_what_is_no_batch_is_a_framing_error(bad: bytes) -> None:
    with pytest.raises(FramingError):
        split_batch(bad, 100)
    with pytest.raises(FramingError):
        split_batch(b"\x91\x10" + bad if bad else bad, 100)


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x92\x10\x05",
        b"\x92\xcc\x10\x05",
        b"\x92\xcd\x00\x10\xcc\x05",
        b"\x92\xce\x00\x00\x00\x10\xcd\x00\x05",
        b"\x92\xcf" + bytes(7) + b"\x10\xce\x00\x00\x00\x05",
        b"\x92\xd0\x10\xd3" + bytes(7) + b"\x05",
        b"\xdc\x00\x02\xd1\x00\x10\xd2\x00\x00\x00\x05",
        b"\xdd\x00\x00\x00\x02\xd3" + bytes(7) + b"\x10\x05",
    ],
)
def test_every_encoding_of_a_tag_and_number_is_read(encoded: bytes) -> None:
    assert read_entry(encoded) == Entry(16, 5, encoded)


@pytest.mark.parametrize(
    "second", [b"\xc0", b"\xc3", b"\xa15", b"\x90", b"\xcb" + bytes(8)]
)
def test_a_second_element_that_is_no_integer_is_no_number(second: bytes) -> None:
    assert read_entry(b"\x92\x10" + second).number is None
    assert read_entry(b"\x91\x10").number is None


def test_bytes_that_overflow_msgpack_may_lie_in_a_message() -> None:
    inside = batch([16, 1, b"\xc9\xff\xff\xff\xff"])
    assert [entry.data for entry in split_batch(inside * 3, 3)] == [inside] * 3
    deep = b"\x93\x10" + b"\x91" * 1000 + b"\xc0\xc4\x05\xc9\xff\xff\xff\xff"
    assert [entry.data for entry in split_batch(deep + inside, 3)] == [deep, inside]


def test_messages_of_any_depth_are_told_apart() -> None:
    deep = b"\x92\x10" + b"\x91" * 5000 + b"\xc0"
    assert [e.data for e in split_batch(deep + b"\x91\x11", 2)] == [deep, b"\x91\x11"]
    with pytest.raises(FramingError):
        split_batch(deep + b"\x91\x11", 1)
    with pytest.raises(FramingError, match="cut off"):
        split_batch(deep[:-1], 1)


def test_counting_is_left_clean_by_what_does_not_come_out_even() -> None:
    for bad in (b"\x92\x10", b"\xc1", b"\x91" * 5000, b"\x91\x10" * 50):
        count_messages(bad, 10)
        assert count_messages(b"\x91\x10\x91\x11", 10) == 2


def test_threads_count_for_themselves() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        counted = batch([16, number]) * number
        wrong.extend(
            n for _ in range(3000) if (n := count_messages(counted, 10)) != number
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
