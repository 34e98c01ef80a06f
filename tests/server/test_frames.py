"""Our frames, read by an independent parser."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from vestibule.server.frames import binary_frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_a_message_of_any_size_is_one_whole_binary_frame(size: int) -> None:
    client = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN)
    client.receive_data(binary_frames([b"x" * size, b"last"]))
    first, last = client.events_received()
    assert isinstance(first, Frame)
    assert isinstance(last, Frame)
    assert (first.opcode, first.fin, len(first.data)) == (Opcode.BINARY, True, size)
    assert last.data == b"last"
