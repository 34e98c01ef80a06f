"""The one module that needs a socket: a WebSocket server on loopback, and the adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from client.fake_broker import LISA
from vestibule.client import HandshakeFailed, SessionClosed, open_session, websocket
from vestibule.client.transport import Target, Transport
from vestibule.client.websocket import dial
from vestibule.protocol import events, messages
from vestibule.protocol.codec import encode
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.responder import Responder


SPOKEN = [Subprotocol("vestibule.1")]
Handler = Callable[[ServerConnection], Awaitable[None]]
Answering = Callable[[ServerConnection, Request], Response | None]


@asynccontextmanager
async def serving(
    handler: Handler,
    *,
    subprotocols: list[Subprotocol] | None = None,
    answering: Answering | None = None,
) -> AsyncIterator[str]:
    async with serve(
        handler,
        "127.0.0.1",
        0,
        subprotocols=SPOKEN if subprotocols is None else subprotocols,
        process_request=answering,
        compression=None,
    ) as server:
        yield url_of(server)


def url_of(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"ws://{host}:{port}"


class Receiver:
    """Notes what the transport tells."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.ended: asyncio.Future[int | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.room = asyncio.Event()

    def received(self, message: bytes) -> None:
        self.messages.put_nowait(message)

    def received_text(self) -> None:
        self.messages.put_nowait("text")

    def writable(self) -> None:
        self.room.set()

    def lost(self, close_code: int | None) -> None:
        self.ended.set_result(close_code)


async def dialled(url: str, receiver: Receiver) -> Transport:
    return await dial(Target(url, "vestibule.1"), receiver)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_messages_go_both_ways_whole() -> None:
    receiver = Receiver()
    async with serving(echo) as url:
        transport = await dialled(url, receiver)
        transport.allow(1_000_000)
        for message in (b"", b"x", b"y" * 200, b"z" * 100_000):
            transport.send(message)
            assert await receiver.messages.get() == message
        transport.close(1000)
        assert await receiver.ended == 1000
        transport.send(b"late")
        transport.close(1000)
        transport.abort()


async def test_fragments_are_put_together_up_to_a_bound() -> None:
    async def fragmented(connection: ServerConnection) -> None:
        await connection.send([b"a", b"b", b"c"])
        await connection.send([b"x"] * 17)
        await connection.wait_closed()

    receiver = Receiver()
    async with serving(fragmented) as url:
        await dialled(url, receiver)
        assert await receiver.messages.get() == b"abc"
        assert await receiver.ended is None


async def test_text_is_told_apart() -> None:
    async def text(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()

    receiver = Receiver()
    async with serving(text) as url:
        transport = await dialled(url, receiver)
        assert await receiver.messages.get() == "text"
        transport.abort()
        assert await receiver.ended is None


async def test_a_message_longer_than_allowed_ends_it() -> None:
    async def long(connection: ServerConnection) -> None:
        await connection.send(b"x" * 5000)
        await connection.wait_closed()

    receiver = Receiver()
    async with serving(long) as url:
        await dialled(url, receiver)
        await receiver.ended
        assert receiver.messages.empty()


async def test_the_code_of_a_close_frame_is_told() -> None:
    async def closing(connection: ServerConnection) -> None:
        await connection.close(4404)

    receiver = Receiver()
    async with serving(closing) as url:
        await dialled(url, receiver)
        assert await receiver.ended == 4404


async def test_a_peer_that_does_not_answer_a_close_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_SECONDS", 0.02)

    async def deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.wait([receiver.ended])
        connection.transport.abort()

    receiver = Receiver()
    async with serving(deaf) as url:
        transport = await dialled(url, receiver)
        transport.close(1000)
        assert await receiver.ended is None


async def test_a_transport_that_takes_no_more_says_so_and_when_it_does() -> None:
    go = asyncio.Event()

    async def slow(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await go.wait()
        connection.transport.resume_reading()
        await connection.wait_closed()

    receiver = Receiver()
    async with serving(slow) as url:
        transport = await dialled(url, receiver)
        while not transport.congested:
            transport.send(b"x" * 500_000)
            await asyncio.sleep(0)
        go.set()
        await receiver.room.wait()
        transport.send(b"x")
        transport.abort()
        await receiver.ended


@pytest.mark.parametrize(
    ("status", "headers", "details"),
    [
        (403, {}, {"status": 403}),
        (503, {"Retry-After": "1"}, {"status": 503, "retry_after": 1}),
        (503, {"Retry-After": "soon"}, {"status": 503}),
        (302, {"Location": "ws://127.0.0.1:1"}, {"status": 302}),
    ],
)
async def test_a_refused_upgrade_tells_its_status_and_is_not_redirected(
    status: int, headers: dict[str, str], details: dict[str, int]
) -> None:
    def refuse(connection: ServerConnection, _: Request) -> Response:
        response = connection.respond(HTTPStatus(status), "no\n")
        response.headers.update(headers)
        return response

    async with serving(echo, answering=refuse) as url:
        with pytest.raises(HandshakeFailed) as caught:
            await dialled(url, Receiver())
    assert caught.value.code == "UPGRADE_REFUSED"
    assert caught.value.details == details


async def test_a_peer_that_speaks_another_protocol_is_no_broker() -> None:
    def none(connection: ServerConnection, _: Request) -> None:
        connection.protocol.available_subprotocols = None

    async with serving(echo, answering=none) as url:
        with pytest.raises(HandshakeFailed) as caught:
            await dialled(url, Receiver())
    assert caught.value.code == "HANDSHAKE_INVALID"


async def test_a_peer_that_is_no_websocket_is_no_broker() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeFailed) as caught:
            await dialled(f"ws://127.0.0.1:{port}", Receiver())
    assert caught.value.code == "HANDSHAKE_INVALID"


async def test_headers_are_part_of_the_upgrade_and_never_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    def look(_: ServerConnection, request: Request) -> None:
        seen.append(request.headers["X-Token"])

    receiver = Receiver()
    # The test's own server logs what it receives.
    caplog.set_level("DEBUG", "websockets.client")
    async with serving(echo, answering=look) as url:
        target = Target(url, "vestibule.1", {"X-Token": "sesame"})
        transport = await dial(target, receiver)
        transport.send(b"sesame")
        assert await receiver.messages.get() == b"sesame"
        transport.abort()
        await receiver.ended
    assert seen == ["sesame"]
    assert "sesame" not in caplog.text


KEY = IdentityKey.generate()


async def answer(connection: ServerConnection) -> None:
    """A broker that admits everybody and echoes events."""
    core = Responder([KEY], WireLimits())
    loop = asyncio.get_running_loop()
    async for record in connection:
        assert isinstance(record, bytes)
        for event in core.receive(record, loop.time()):
            match event:
                case events.LoginReceived():
                    fields = {
                        "username": event.fields["auth_data"]["username"],
                        "client_data": None,
                        "token": None,
                        "insecure": [],
                    }
                    core.admit(fields, [KEY.public], loop.time())
                case events.Received():
                    for message in event.messages:
                        if isinstance(message, messages.Publish):
                            core.queue(encode(messages.Answered(message.id)))
                        if isinstance(message, messages.Subscribe):
                            outcome = encode(messages.Answered(message.id))[:-1]
                            core.queue(outcome + b"\x91\xc0")
                case _:
                    pass
        for out in core.outgoing(loop.time()):
            await connection.send(out)
        if core.end is not None:
            return


async def test_a_whole_session_over_a_socket() -> None:
    async with (
        serving(answer) as url,
        open_session(url, LISA, server_key=KEY.text) as session,
    ):
        assert session.username == "lisa"
        await asyncio.gather(*(session.events.publish("x", n) for n in range(500)))
        for number in range(500):
            await session.events.publish("x", number, ack=False)
        await session.events.publish("x", b"x" * 900_000)


async def test_w22_a_socket_that_is_cut_is_a_truncation() -> None:
    connections: list[ServerConnection] = []

    async def remember(connection: ServerConnection) -> None:
        connections.append(connection)
        await answer(connection)

    async with (
        serving(remember) as url,
        open_session(url, LISA, server_key=KEY.text, reconnect=None) as session,
        session.events.subscribe("n") as subscription,
    ):
        connections[0].transport.abort()
        with pytest.raises(SessionClosed) as caught:
            await anext(subscription)
        assert caught.value.reason == "truncated"
