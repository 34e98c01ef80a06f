"""The value rules: what data may be, how deep, how much (docs/protocol.md, "Values").

Data is nil, booleans, integers of 64 bits, floats, text, binary, arrays, and maps with
text keys. No decoder enforces all of it, so it is enforced here.
"""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from vestibule.protocol.errors import InvalidBody
from vestibule.protocol.skipping import count_nodes


__all__ = ["DECODE_ERRORS", "BodyCheck", "body_check", "check_data", "decode_value"]

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises for bytes that it cannot decode."""

_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_SHALLOW: Final = 4
"""Containers inside each other up to which a check needs no walk in Python. The type
of each further level would be twice as large."""

_decode: Final = msgspec.msgpack.Decoder().decode


def decode_value(data: bytes | Raw, depth: int, nodes: int) -> Any:
    """Decode data that keeps the value rules.

    `depth` and `nodes` are how many containers may lie inside each other and how many
    values there may be, map keys counted.

    Raises:
        InvalidBody: it breaks a rule, or is no single msgpack value.
    """
    # Counted before it is decoded: a mebibyte of empty maps would take 67 MB.
    if len(memoryview(data)) > nodes and count_nodes(bytes(data), nodes) > nodes:
        raise InvalidBody(f"more than {nodes} values")
    try:
        value = _decode(data)
    except DECODE_ERRORS:
        raise InvalidBody("it does not decode") from None
    if value.__class__ not in _SCALARS:
        _check_containers(value, depth)
    return value


def _check_containers(value: object, depth: int) -> None:
    """Walk what was decoded level by level, without recursion."""
    level = [value]
    while level:
        if not depth:
            raise InvalidBody("too many containers inside each other")
        depth -= 1
        deeper: list[object] = []
        for container in level:
            if isinstance(container, list):
                deeper += [x for x in container if x.__class__ not in _SCALARS]
            elif isinstance(container, dict):
                for key, x in container.items():
                    if key.__class__ is not str:
                        raise InvalidBody("a map key that is not text")
                    if x.__class__ not in _SCALARS:
                        deeper.append(x)
            else:
                raise InvalidBody("an extension type")
        level = deeper


def _shallow_type(levels: int) -> Any:
    """Make the type of data with at most so many containers inside each other.

    It lacks binary: msgspec has no type for text or binary.
    """
    kind: Any = None | bool | int | float | str
    for _ in range(levels):
        kind = None | bool | int | float | str | list[kind] | dict[str, kind]
    return kind


class BodyCheck:
    """The check of bodies that may be `depth` containers deep.

    It does not count values: who calls it knows that the message has fewer bytes than
    it may have values, or has counted. `shallow` is the part of it that most bodies
    pass, small, without binary and not deep; it is in C alone, and raises one of
    `DECODE_ERRORS` for bodies of which it does not know.
    """

    __slots__ = ("_depth", "shallow")

    def __init__(self, depth: int) -> None:
        self._depth: Final = depth
        kind = _shallow_type(min(_SHALLOW, depth))
        self.shallow: Final[Callable[[Raw], object]] = msgspec.msgpack.Decoder(
            kind
        ).decode

    def __call__(self, body: Raw) -> None:
        """Check one body.

        Raises:
            InvalidBody: it breaks the value rules.
        """
        try:
            self.shallow(body)
        except DECODE_ERRORS:
            try:
                value = _decode(body)
            except DECODE_ERRORS:
                raise InvalidBody("it does not decode") from None
            if value.__class__ not in _SCALARS:
                _check_containers(value, self._depth)


@lru_cache(maxsize=8)
def body_check(depth: int) -> BodyCheck:
    """Give the check for a depth; connections share it."""
    return BodyCheck(depth)


def check_data(value: object, depth: int, nodes: int) -> None:
    """Check a value that is to be encoded, so that every peer can decode it.

    Tuples are arrays, subclasses are what they derive from. The ranges of integers and
    surrogates in text are left to the encoder.

    Raises:
        InvalidBody: something that is no data, too deep, or too much.
    """
    level = [value]
    count = 1
    while level := [item for item in level if item.__class__ not in _SCALARS]:
        children: list[object] = []
        for item in level:
            inside = _children_of(item)
            if inside is None:
                continue
            if not depth:
                raise InvalidBody("too many containers inside each other")
            children += inside
            count += len(inside) * (2 if isinstance(item, dict) else 1)
            # Also what holds itself comes to an end here, or at its depth.
            if count > nodes:
                raise InvalidBody(f"more than {nodes} values")
        depth -= 1
        level = children


def _children_of(item: object) -> Collection[object] | None:
    """Give what a container holds, or None for data that is none.

    Raises:
        InvalidBody: it is no data, or a map with other keys than text.
    """
    if isinstance(item, dict):
        if not all(isinstance(key, str) for key in item):
            raise InvalidBody("a map key that is not text")
        return item.values()
    if isinstance(item, list | tuple):
        return item
    if not isinstance(item, str | bytes | bytearray | int | float):
        raise InvalidBody(f"{type(item).__name__} is no data")
    return None
