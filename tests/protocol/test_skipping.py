import msgpack
import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.skipping import MAX_STEPS, count_nodes, skip_value


data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=300)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.dictionaries(
            st.text(max_size=5) | st.integers(-(2**63), 2**64 - 1), inner, max_size=20
        )
    ),
    max_leaves=60,
)


def nodes_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + nodes_of(child) for child in value.values())
    if isinstance(value, list):
        return 1 + sum(nodes_of(child) for child in value)
    return 1


@given(data, st.binary(max_size=5))
def test_skipping_agrees_with_an_encoder(value: object, behind: bytes) -> None:
    encoded = msgpack.packb(value)
    assert skip_value(encoded + behind) == len(encoded)
    assert skip_value(b"\x00" + encoded, 1) == len(encoded) + 1
    assert count_nodes(encoded + behind, 10_000) == nodes_of(value)


@given(data)
def test_what_is_cut_off_is_found_out(value: object) -> None:
    encoded = msgpack.packb(value)
    for size in range(min(len(encoded), 200)):
        with pytest.raises(ValueError, match="cut off"):
            skip_value(encoded[:size])
        assert count_nodes(encoded[:size], 10_000) in (0, nodes_of(value))


@given(st.binary(max_size=60))
def test_skipping_agrees_with_msgpack_on_any_bytes(noise: bytes) -> None:
    unpacker = msgpack.Unpacker()
    unpacker.feed(noise)
    try:
        unpacker.skip()
    except (msgpack.OutOfData, ValueError):
        with pytest.raises(ValueError):  # noqa: PT011 - both of its texts will do
            skip_value(noise)
    else:
        if b"\xc9\xff\xff\xff\xff" not in noise:
            assert skip_value(noise) == unpacker.tell()


@pytest.mark.parametrize("depth", [1, 3, 4, 1023, 1024, 1025, 200_000])
@pytest.mark.parametrize("lead", [b"\x91", b"\x81\xa0", b"\x81\xa1k", b"\x81\xa3key"])
def test_levels_that_hold_the_next_level_alone_are_walked_at_any_depth(
    lead: bytes, depth: int
) -> None:
    encoded = lead * depth + b"\xc0"
    assert skip_value(encoded) == len(encoded)


@pytest.mark.parametrize("lead", [b"\xdc\x00\x01", b"\x92\x00", b"\x81\xa4keys"])
def test_other_depths_are_walked_as_far_as_the_steps_go(lead: bytes) -> None:
    encoded = lead * 50_000 + b"\xc0"
    assert skip_value(encoded) == len(encoded)
    with pytest.raises(ValueError, match="not found"):
        skip_value(lead * MAX_STEPS + b"\xc0")


def test_lengths_that_overflow_elsewhere_are_cut_off_here() -> None:
    for lead in (b"\xc6", b"\xc9", b"\xdb", b"\xdd", b"\xdf"):
        with pytest.raises(ValueError, match="cut off"):
            skip_value(lead + b"\xff\xff\xff\xff\x00\x00\x00")


def test_counting_stops_early() -> None:
    many = b"\xdd\x00\x0f\x42\x40" + b"\x90" * 1_000_000
    assert count_nodes(many, 100) == 101
    assert count_nodes(b"\xdd\x00\x00\x01\x00" + b"\x80" * 256, 300) == 257
    assert count_nodes(b"\xc1", 100) == 0
