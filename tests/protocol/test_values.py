import math

import msgpack
import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import Raw

from vestibule.protocol.actions import Action
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import CloseCode, InvalidBody
from vestibule.protocol.values import body_check, decode_value


data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)


def nested(depth: int, inner: object = None) -> object:
    for _ in range(depth):
        inner = [inner]
    return inner


@given(data)
def test_data_comes_back_as_it_was(value: object) -> None:
    body = encode_body(value)
    assert decode_body(body) == value
    assert msgpack.unpackb(body) == value
    body_check(63)(body)


@given(data)
def test_another_encoder_s_data_is_read(value: object) -> None:
    assert decode_body(msgpack.packb(value)) == value


def test_every_float_and_every_width_is_read() -> None:
    assert math.isnan(decode_body(encode_body(math.nan)))
    assert decode_body(encode_body(-math.inf)) == -math.inf
    assert decode_body(msgpack.packb(1.5, use_single_float=True)) == 1.5
    assert decode_body(b"\xd3" + bytes(7) + b"\x05") == 5
    assert decode_body(b"\xdd" + bytes(4)) == []
    assert decode_body(b"\x82\xa1a\x01\xa1a\x02") == {"a": 2}


def test_tuples_and_subclasses_are_what_they_derive_from() -> None:
    class Text(str):
        __slots__ = ()

    class Table(dict[str, object]):
        pass

    class Number(int):
        pass

    class Fraction(float):
        pass

    value: dict[str, object] = {
        Text("a"): (Text("b"), bytearray(b"c"), True, Number(5), Fraction(0.5))
    }
    body = encode_body(Table(value))
    assert decode_body(body) == {"a": ["b", b"c", True, 5, 0.5]}
    assert decode_body(encode_body([Action.PUBLISH, CloseCode.CLOSED])) == [
        "publish",
        1000,
    ]


BREACHES = {
    "extension": b"\xd4\x05x",
    "timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "empty extension": b"\xc7\x00\x05",
    "integer key": b"\x81\x01\x02",
    "binary key": b"\x81\xc4\x01a\x02",
    "nil key": b"\x81\xc0\x02",
    "nan key": b"\x81\xcb\x7f\xf8" + bytes(6) + b"\x02",
    "map as key": b"\x81\x80\x01",
    "array as key": b"\x81\x90\x01",
    "text is not UTF-8": b"\xa1\xff",
    "key is not UTF-8": b"\x81\xa1\xff\x01",
    "surrogate": b"\xa3\xed\xa0\x80",
    "overlong": b"\xa2\xc0\x80",
    "cut off": b"\x92\x01",
    "nothing": b"",
    "trailing": b"\x01\x02",
    "no msgpack": b"\xc1",
    "deep": b"\x91" * 64 + b"\xc0",
    "very deep": b"\x91" * 100_000 + b"\xc0",
    "very deep in maps": b"\x81\xa1a" * 100_000 + b"\xc0",
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES)
@pytest.mark.parametrize("around", ["alone", "in a list", "beside binary"])
def test_w51_a_body_that_breaks_the_rules_is_refused(
    breach: bytes, around: str
) -> None:
    body = {
        "alone": breach,
        "in a list": b"\x91" + breach,
        "beside binary": b"\x92\xc4\x01x" + breach,
    }[around]
    if around == "in a list" and breach == BREACHES["trailing"]:
        body += b"\x03"
    elif around == "beside binary" and breach == BREACHES["nothing"]:
        body = body[:-1] + b"\x81"
    with pytest.raises(InvalidBody):
        decode_body(body)
    with pytest.raises(InvalidBody):
        body_check(63)(Raw(body))


@pytest.mark.parametrize("depth", [1, 2, 4, 5, 6, 63])
def test_depth_is_counted_exactly(depth: int) -> None:
    check = body_check(depth)
    for inner in (None, b"binary", "text"):
        check(Raw(msgpack.packb(nested(depth, inner))))
        with pytest.raises(InvalidBody):
            check(Raw(msgpack.packb(nested(depth + 1, inner))))
    assert decode_value(msgpack.packb(nested(depth)), depth, 1000) == nested(depth)
    with pytest.raises(InvalidBody):
        decode_value(msgpack.packb(nested(depth + 1)), depth, 1000)
    encode_body(nested(depth), depth)
    with pytest.raises(InvalidBody, match="containers"):
        encode_body(nested(depth + 1), depth)


def test_no_container_at_all_can_be_allowed() -> None:
    check = body_check(0)
    check(Raw(b"\x05"))
    with pytest.raises(InvalidBody):
        check(Raw(b"\x90"))


def test_w51_values_are_counted_exactly_and_before_they_are_decoded() -> None:
    full = encode_body([0] * 99_999)
    assert len(decode_body(full)) == 99_999
    with pytest.raises(InvalidBody, match="100000 values"):
        decode_body(msgpack.packb([0] * 100_000))
    # A repeated key counts each time; decoded it would be there once.
    repeated = b"\xdf\x00\x00\xc3\x50" + b"\xa1a\x00" * 50_000
    with pytest.raises(InvalidBody, match="100000 values"):
        decode_body(repeated)
    with pytest.raises(InvalidBody, match="values"):
        encode_body([[]] * 100_000)
    assert decode_body(encode_body(b"x" * 1_000_000)) == b"x" * 1_000_000


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**63) - 1,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {None: 1},
        {b"a": 1},
        {1, 2},
        object(),
        1j,
        range(3),
        msgspec.UNSET,
        __import__("datetime").datetime.now(tz=None),
        __import__("uuid").uuid4(),
        __import__("decimal").Decimal(1),
        [{"a": {1}}],
    ],
    ids=range(16),
)
def test_what_is_no_data_is_not_encoded(value: object) -> None:
    with pytest.raises(InvalidBody):
        encode_body(value)
    with pytest.raises(InvalidBody):
        encode_body({"deep": [value]})


def test_what_holds_itself_is_not_encoded() -> None:
    loop: list[object] = []
    loop.append(loop)
    twice: list[object] = [1]
    for _ in range(60):
        twice = [twice, twice]
    for value in (loop, twice):
        with pytest.raises(InvalidBody):
            encode_body(value)
