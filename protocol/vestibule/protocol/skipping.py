"""Find the end of a msgpack value, and count what is in it, without decoding it.

msgpack's own `skip` is the fast way. This one goes to any depth, without recursion and
without memory, and so that hostile input costs no more than its bound.
"""

import re
from typing import Final


__all__ = ["MAX_STEPS", "count_nodes", "skip_value"]

_STRIDE: Final = 255
"""Steps after which a run of levels is looked for. It is odd, so that a run of maps is
met between a map and its key, and at a map as well."""

MAX_STEPS: Final = 588 * _STRIDE
"""Steps that finding one end may take: about 20 ms. Levels that hold nothing else than
the next level, by far the most natural way to be deep, take hardly any."""

_ARRAY: Final = 1
_MAP: Final = 2

# By first byte: the size of a value without a length field, or 0 where it has one, and
# how many more values are to come than before, once the value itself has been met.
_SIZES: Final = [1] * 256
_GROWTH: Final = [-1] * 256

# By first byte: the size of the length field, what lies behind it besides what it
# counts, and whether it counts bytes, elements or pairs.
_LENGTHS: Final[dict[int, tuple[int, int, int]]] = {}


def _fill() -> None:
    """Fill the tables from the formats of the msgpack specification."""
    for n in range(16):
        _GROWTH[0x80 + n] = 2 * n - 1
        _GROWTH[0x90 + n] = n - 1
    for n in range(32):
        _SIZES[0xA0 + n] = 1 + n
    for at, size in enumerate((1, 2, 4)):
        _LENGTHS[0xC4 + at] = _LENGTHS[0xD9 + at] = (size, 0, 0)
        _LENGTHS[0xC7 + at] = (size, 1, 0)  # the extension's type
    for at, size in enumerate((2, 4)):
        _LENGTHS[0xDC + at] = (size, 0, _ARRAY)
        _LENGTHS[0xDE + at] = (size, 0, _MAP)
    for at, size in enumerate((4, 8)):
        _SIZES[0xCA + at] = 1 + size
    for at, size in enumerate((1, 2, 4, 8)):
        _SIZES[0xCC + at] = _SIZES[0xD0 + at] = 1 + size
    for at, size in enumerate((1, 2, 4, 8, 16)):
        _SIZES[0xD4 + at] = 2 + size
    for lead in (*_LENGTHS, 0xC1):  # 0xC1 is no msgpack
        _SIZES[lead] = 0


_fill()

# Arrays of one element, and maps of one pair with a short key: what is to come is as
# much behind such a level as before it. Nothing here goes back (`++`).
_LEVELS: Final = re.compile(
    rb"(?:\x91++|(?:\x81\xa1.)++|(?:\x81\xa0)++|(?:\x81\xa2..)++|(?:\x81\xa3...)++)++",
    re.DOTALL,
)


def skip_value(data: bytes, at: int = 0) -> int:
    """Give where the value that begins at `at` ends.

    Raises:
        ValueError: it is cut off, is no msgpack, or takes more than `MAX_STEPS`.
    """
    pending = 1
    for _ in range(0, MAX_STEPS, _STRIDE):
        at, pending, _ = _walk(data, at, pending, _STRIDE)
        if not pending:
            break
        levels = _LEVELS.match(data, at)
        if levels:
            at = levels.end()
    if pending:
        raise ValueError("a value whose end is not found")
    if at > len(data):
        raise ValueError("cut off")
    return at


def _walk(data: bytes, at: int, pending: int, most: int) -> tuple[int, int, int]:
    """Step over values until none is pending, or over `most` of them.

    Gives where that leads, how many are pending there, and how many it stepped over.

    Raises:
        ValueError: it is cut off, or no msgpack.
    """
    sizes, growths = _SIZES, _GROWTH
    left = most
    try:
        while pending and left:
            lead = data[at]
            size = sizes[lead]
            if size:
                at += size
                pending += growths[lead]
            else:
                at, growth = _step(data, at)
                pending += growth
            left -= 1
    except IndexError:
        raise ValueError("cut off") from None
    return at, pending, most - left


def count_nodes(data: bytes, most: int) -> int:
    """Count the values of one msgpack value, map keys too, up to one more than `most`.

    What is no msgpack counts as 0: decoding it will tell.
    """
    try:
        return _walk(data, 0, 1, most + 1)[2]
    except ValueError:
        return 0


def _step(data: bytes, at: int) -> tuple[int, int]:
    """Step over one value with a length field, into a container.

    Gives where that leads, and how many more values are pending then.

    Raises:
        ValueError: it is cut off, or no msgpack.
    """
    lead = data[at]
    if lead not in _LENGTHS:
        raise ValueError("no msgpack")
    size, more, counts = _LENGTHS[lead]
    at += 1
    field = data[at : at + size]
    if len(field) < size:
        raise ValueError("cut off")
    told = int.from_bytes(field, "big")
    if counts:
        return at + size, told * counts - 1
    return at + size + more + told, -1
