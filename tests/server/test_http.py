import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from vestibule.server.http import REQUEST_BYTES, HttpListener


class Broker:
    """What a listener asks: settable."""

    status = "ok"


@pytest.fixture
async def listener() -> AsyncIterator[HttpListener]:
    listener = HttpListener("127.0.0.1", 0, lambda: Broker.status, request_timeout=0.1)
    await listener.start()
    yield listener
    await listener.stop()


async def send(listener: HttpListener, request: bytes) -> bytes:
    """Send bytes and give all that comes until the end; nothing for a cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def get(path: str, method: str = "GET", *more: str) -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *more, "", ""]
    return "\r\n".join(head).encode()


@pytest.mark.parametrize(
    ("status", "code"), [("ok", 200), ("stopping", 503), ("storage", 503)]
)
async def test_health_tells_the_status(
    listener: HttpListener,
    status: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Broker, "status", status)
    head, _, body = (await send(listener, get("/health"))).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {code} ".encode())
    assert json.loads(body) == {"status": status}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (get("/"), 404),
        (get("/health/details"), 404),
        (get("/health", "POST", "Content-Length: 0"), 405),
        (get("/health", "DELETE"), 405),
        (b"nonsense\r\n\r\n", 400),
        (get("/%ff\udcff".encode("utf-8", "replace").decode()), 404),
    ],
)
async def test_nothing_else_is_served(
    listener: HttpListener, request_: bytes, code: int
) -> None:
    answer = await send(listener, request_)
    assert answer.startswith(f"HTTP/1.1 {code} ".encode())
    assert b"uvicorn" not in answer


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET /health HTTP/1.1\r\nHost: x\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
    ],
)
async def test_a_request_that_is_not_complete_in_time_is_cut(
    listener: HttpListener, half: bytes
) -> None:
    answer = await send(listener, half)
    assert b"200 OK" not in answer


async def test_a_second_request_has_the_same_time_limit(
    listener: HttpListener,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"}")
    writer.write(b"GET /health HTTP/1.1\r\nHost")
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    "long",
    [
        b"GET /health HTTP/1.1\r\nX: " + b"a" * REQUEST_BYTES,
        b"GET /" + b"a" * REQUEST_BYTES,
        get("/health", "POST", "Content-Length: 99999") + b"a" * REQUEST_BYTES,
    ],
)
async def test_a_request_that_is_too_long_is_cut(
    listener: HttpListener, long: bytes
) -> None:
    assert b"200 OK" not in await send(listener, long)


async def test_stopping_leaves_no_task_and_no_port() -> None:
    before = asyncio.all_tasks()
    listener = HttpListener("127.0.0.1", 0, lambda: "ok")
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"}")
    await listener.stop()
    await listener.stop()
    assert await reader.read() == b""
    writer.close()
    assert asyncio.all_tasks() == before
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection("127.0.0.1", listener.port)


def test_the_url_names_host_and_port() -> None:
    assert HttpListener("::1", 80, lambda: "ok").url == "http://[::1]:80"
