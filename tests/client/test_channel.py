"""The channel with a scripted carrier; whole features are in their own tests."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, cast

import pytest
from msgspec import Raw

from client.fake_broker import until
from vestibule.client.callbacks import Callbacks
from vestibule.client.carrier import Carrier
from vestibule.client.channel import Channel, Feature, body_of, value_of
from vestibule.client.errors import (
    ConnectionLost,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
)
from vestibule.client.pending import About
from vestibule.client.tasks import Tasks
from vestibule.protocol import events, messages
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.codec import encode
from vestibule.protocol.errors import ErrorCode


ABOUT = About(Topic.RPC, Action.CALL)


class FakeCarrier:
    def __init__(self) -> None:
        self.queued: list[bytes] = []
        self.queue = self.queued.append
        self.next_id: Callable[[], int] = count(1).__next__
        self.largest_message = 1000
        self.full = False


class Diary(Feature):
    """A feature that notes what it is told."""

    kind = "diary"

    def __init__(self, channel: Channel | None = None) -> None:
        self.told: list[Any] = []
        self._channel = channel

    def handlers(self) -> Mapping[type[messages.Message], Callable[[Any], None]]:
        return {messages.Event: lambda event: self.told.append(event.name)}

    def suspended(self, names: Sequence[str], code: str) -> None:
        self.told.append(("suspended", *names, code))

    def resumed(self, names: Sequence[str]) -> None:
        self.told.append(("resumed", *names))

    def lost(self) -> None:
        self.told.append("lost")

    async def reopen(self) -> None:
        if self._channel is not None:
            await self._channel.ask(make, ABOUT, "again", again=True)
        self.told.append("reopened")

    def ended(self, reason: str, *, quietly: bool) -> None:
        self.told.append((reason, quietly))


def make(id_: int) -> messages.Message:
    return messages.Call(id_, "add", messages.NIL)


def attached(channel: Channel) -> FakeCarrier:
    carrier = FakeCarrier()
    channel.attach(cast("Carrier", carrier))
    return carrier


@pytest.fixture
async def channel() -> Channel:
    tasks = Tasks()
    return Channel(0.02, Callbacks(tasks), tasks)


@pytest.fixture
async def carrier(channel: Channel) -> FakeCarrier:
    carrier = attached(channel)
    channel.open()
    return carrier


async def test_a_request_is_answered_by_its_id(
    channel: Channel, carrier: FakeCarrier
) -> None:
    asking = [asyncio.ensure_future(channel.ask(make, ABOUT, "add")) for _ in range(2)]
    await asyncio.sleep(0)
    assert carrier.queued == [encode(make(1)), encode(make(2))]
    channel.noticed(
        [messages.Answered(2, Raw(b"\x02")), messages.Answered(1, Raw(b"\x01"))]
    )
    assert [await one for one in asking] == [Raw(b"\x01"), Raw(b"\x02")]


async def test_an_unreadable_answer_fails_its_request(
    channel: Channel, carrier: FakeCarrier, caplog: pytest.LogCaptureFixture
) -> None:
    del carrier
    asking = asyncio.ensure_future(channel.ask(make, ABOUT, "add"))
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING):
        channel.noticed([events.Malformed(1, ErrorCode.INVALID_MESSAGE_DATA, 32)])
    with pytest.raises(RequestFailed) as caught:
        await asking
    assert caught.value.code == "INVALID_MESSAGE_DATA"


async def test_who_gives_up_tells_the_broker_if_it_should_know(
    channel: Channel, carrier: FakeCarrier
) -> None:
    asking = asyncio.ensure_future(
        channel.ask(make, ABOUT, "add", abandon=messages.Cancel)
    )
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert carrier.queued[1:] == [encode(messages.Cancel(1))]
    with pytest.raises(RequestTimeout):
        await channel.ask(make, ABOUT, "add", abandon=messages.Cancel)
    assert carrier.queued[3:] == [encode(messages.Cancel(2))]


async def test_requests_wait_for_the_session_within_their_time(
    channel: Channel,
) -> None:
    with pytest.raises(ConnectionLost):
        await channel.ask(make, ABOUT, "add", wait=0.001)
    asking = asyncio.ensure_future(channel.ask(make, ABOUT, "add", wait=5))
    await asyncio.sleep(0)
    carrier = attached(channel)
    await asyncio.sleep(0)
    assert carrier.queued == []
    channel.open()
    await until(lambda: carrier.queued)
    channel.end("revoked", quietly=False)
    with pytest.raises(SessionClosed) as caught:
        await asking
    assert caught.value.reason == "revoked"
    with pytest.raises(SessionClosed):
        await channel.ask(make, ABOUT, "add")


async def test_what_is_made_again_does_not_wait(channel: Channel) -> None:
    diary = channel.add(Diary(channel))
    carrier = attached(channel)
    reopening = asyncio.ensure_future(channel.reopen())
    await until(lambda: carrier.queued)
    channel.noticed([messages.Answered(1)])
    await reopening
    assert diary.told == ["reopened"]


async def test_a_connection_that_is_lost_while_it_is_made_again_is_told(
    channel: Channel,
) -> None:
    channel.add(Diary(channel))
    carrier = attached(channel)
    reopening = asyncio.ensure_future(channel.reopen())
    await until(lambda: carrier.queued)
    channel.lost()
    with pytest.raises(ConnectionLost):
        await reopening


async def test_features_hear_what_is_theirs(
    channel: Channel, carrier: FakeCarrier
) -> None:
    del carrier
    diary = channel.add(Diary())
    channel.noticed(
        [
            messages.Event("n", messages.NIL),
            messages.Suspended("diary", ["n"], "PERMISSION_REVOKED"),
            messages.Suspended("other", ["n"], "PERMISSION_REVOKED"),
            messages.Resumed("diary", ["n"]),
            messages.Resumed("other", ["n"]),
            messages.CallWithdrawn(1, "nobody reads this"),
        ]
    )
    channel.lost()
    channel.end("expired", quietly=False)
    assert diary.told == [
        "n",
        ("suspended", "n", "PERMISSION_REVOKED"),
        ("resumed", "n"),
        "lost",
        "lost",
        ("expired", False),
    ]


async def test_messages_without_answer_need_the_very_connection(
    channel: Channel, carrier: FakeCarrier
) -> None:
    accept = messages.Accept(1)
    assert channel.tell(accept)
    assert channel.tell(accept, carrier=cast("Carrier", carrier))
    assert not channel.tell(messages.Respond(1, Raw(b"\xc4\xff" + bytes(2000))))
    other = attached(channel)
    assert not channel.tell(accept, carrier=cast("Carrier", carrier))
    channel.forget(make)
    assert other.queued == [encode(make(1))]
    channel.lost()
    assert not channel.tell(accept)
    channel.forget(make)


async def test_failures_that_nobody_asked_about_are_reported_or_logged(
    channel: Channel, carrier: FakeCarrier, caplog: pytest.LogCaptureFixture
) -> None:
    del carrier
    failure = messages.Failed(0, "UNKNOWN_ACTION", "?")
    with caplog.at_level(logging.WARNING):
        channel.noticed([failure])
    assert [record.message for record in caplog.records] == ["request.failed"]
    heard: list[RequestFailed] = []
    channel.reports_to(heard.append)
    channel.noticed([failure])
    assert [error.code for error in heard] == ["UNKNOWN_ACTION"]


def test_bodies_go_both_ways_or_say_why_not() -> None:
    assert value_of(body_of({"a": [1]}, ABOUT, "add"), ABOUT, "add") == {"a": [1]}
    for fault in (
        lambda: body_of(object(), ABOUT, "add"),
        lambda: value_of(b"\xc1", ABOUT, "add"),
    ):
        with pytest.raises(RequestFailed) as caught:
            fault()
        assert caught.value.code == "INVALID_MESSAGE_DATA"
        assert (caught.value.topic, caught.value.name) == (Topic.RPC, "add")
