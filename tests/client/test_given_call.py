import pytest
from msgspec import Raw

from vestibule.client.given_call import GivenCall, Reject
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body


class Channel:
    """Notes what is told, and takes what is not too long."""

    def __init__(self) -> None:
        self.carrier = self
        self.told: list[messages.Message] = []
        self.longest = 1000

    def tell(self, message: messages.Message, *, carrier: object) -> bool:
        assert carrier is self
        fits = len(getattr(message, "data", b"") or b"") <= self.longest
        if fits:
            self.told.append(message)
        return fits


def given(channel: Channel, who: Raw | None = None) -> GivenCall:
    who = who or encode_body({"username": "bob", "session_id": "1", "delegate": None})
    notice = messages.CallGiven(7, "add", messages.NIL, who, who)
    return GivenCall(channel, None, channel, notice)  # type: ignore[arg-type]  # stand-ins


def test_an_answer_is_accepted_first_and_only_once() -> None:
    channel = Channel()
    call = given(channel)
    call.begin()
    call.respond(5)
    assert channel.told == [
        messages.Accept(7),
        messages.Respond(7, encode_body(5)),
    ]


def test_reject_passes_on_only_what_was_not_accepted() -> None:
    channel = Channel()
    given(channel).fail(Reject("no"))
    assert channel.told == [messages.Reject(7)]
    accepted = given(channel)
    accepted.begin()
    accepted.fail(Reject("no"))
    assert channel.told[1:] == [
        messages.Accept(7),
        messages.Fail(7, "Reject", "no"),
    ]


def test_a_name_and_a_text_that_are_too_long_are_cut() -> None:
    channel = Channel()
    kind = type("E" * 300, (Exception,), {})
    given(channel).fail(kind("x" * 3000))
    assert channel.told[-1] == messages.Fail(7, "E" * 256, "x" * 1024)


@pytest.mark.parametrize("body", [Raw(b"\xc1"), Raw(b"\x05"), Raw(b"\xc0")])
def test_who_cannot_be_read_is_nobody(body: Raw) -> None:
    call = given(Channel(), body)
    nobody = {"username": None, "session_id": None, "delegate": None}
    assert call.caller == nobody
    assert call.origin == nobody


def test_it_shows_no_data() -> None:
    assert repr(given(Channel())) == "<GivenCall 7 of add>"
