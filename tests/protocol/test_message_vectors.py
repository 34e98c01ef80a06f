"""The published vectors of the messages from tag 16 on, by two decoders."""

import json
from pathlib import Path
from typing import Any, get_args

import msgpack
import msgspec
import pytest

from vestibule.protocol import messages
from vestibule.protocol.codec import encode


VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "message_vectors.json").read_text()
)["messages"]

KINDS = (*get_args(messages.AnyRequest), *get_args(messages.AnyNotice))
DECODERS = [
    msgspec.msgpack.Decoder(messages.AnyRequest),
    msgspec.msgpack.Decoder(messages.AnyNotice),
]


def bare(value: Any) -> Any:
    """Give the value that a vector writes with `{"hex": …}` for binary."""
    match value:
        case {"hex": text} if len(value) == 1:
            return bytes.fromhex(text)
        case dict():
            return {key: bare(item) for key, item in value.items()}
        case list():
            return [bare(item) for item in value]
        case _:
            return value


def read(encoded: bytes) -> messages.Message:
    for decoder in DECODERS:
        try:
            message: messages.Message = decoder.decode(encoded)
        except msgspec.ValidationError:
            continue
        return message
    raise AssertionError("no message has this tag")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_a_vector_is_what_both_decoders_read_and_ours_writes(
    vector: dict[str, Any],
) -> None:
    encoded = bytes.fromhex(vector["encoded"])
    assert msgpack.unpackb(encoded) == bare(vector["message"])
    message = read(encoded)
    assert message.__struct_config__.tag == vector["message"][0]
    assert encode(message) == encoded


def test_every_message_of_the_table_has_a_vector() -> None:
    tags = {vector["message"][0] for vector in VECTORS}
    assert tags == {kind.__struct_config__.tag for kind in KINDS}


@pytest.mark.parametrize(
    "message",
    [messages.TicketReplaced(b"s" * 32, 5), messages.TokenReplaced("s" * 32)],
    ids=["ticket", "token"],
)
def test_no_repr_shows_what_a_message_gives_to_log_in_with(
    message: messages.Message,
) -> None:
    shown = f"{message!r} {message} {[message]!r} {list(message.__rich_repr__())!r}"
    assert "ssss" not in shown
    assert type(message).__name__ in repr(message)
