"""The listener: which sockets it knows, and that it forgets them."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from handlers import Everybody
from vestibule.server import Broker, Config
from vestibule.server.listener import Listener


def broker(folder: Path, handler: object | None = None, **settings: Any) -> Broker:
    chosen = {
        "data": str(folder / "data"),
        "listen": {"host": "127.0.0.1", "port": 0},
        "http": None,
        "passwords": {"opslimit": 2, "memlimit": 19 * 1024 * 1024},
        "shutdown": {"drain": 0.2, "spread": 0.1},
        **settings,
    }
    return Broker(Config(**chosen), handler or Everybody())


def address(running: Broker) -> tuple[str, int]:
    host, port = running.url.partition("//")[2].rsplit(":", 1)
    return host, int(port)


def listener(running: Broker) -> Listener:
    return running._parts.listener


async def until(count: int, of: Listener) -> None:
    for _ in range(500):
        if len(of) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it knows {len(of)} sockets")


async def test_a_socket_is_known_while_it_is_open(tmp_path: Path) -> None:
    async with broker(tmp_path) as running:
        _, writer = await asyncio.open_connection(*address(running))
        await until(1, listener(running))
        writer.close()
        await until(0, listener(running))


async def test_closing_drops_strangers_and_waits_for_every_socket(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path) as running:
        reader, writer = await asyncio.open_connection(*address(running))
        await until(1, listener(running))
    assert await reader.read() == b""
    assert len(listener(running)) == 0
    writer.close()


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", "ws://127.0.0.1:1"), ("::1", "ws://[::1]:1")]
)
async def test_the_url_is_one_also_for_an_address_with_colons(
    host: str, expected: str
) -> None:
    service: Any = None
    assert Listener(service, host=host, port=1, user_timeout=1).url == expected


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    made = [openssl, "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    made += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"]
    made += ["-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)  # noqa: S603 - fixed arguments
    return {"certificate": certificate, "key": key}


async def test_a_tls_handshake_that_fails_leaves_nothing_and_stops_no_stop(
    tmp_path: Path, tls: dict[str, str]
) -> None:
    listen = {"host": "127.0.0.1", "port": 0, "tls": tls}
    async with broker(tmp_path, listen=listen) as running:
        assert running.url.startswith("wss://")
        reader, writer = await asyncio.open_connection(*address(running))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.read()
        writer.close()
        assert len(listener(running)) == 0


async def test_a_tls_handshake_has_no_longer_than_any_other(
    tmp_path: Path, tls: dict[str, str]
) -> None:
    listen = {"host": "127.0.0.1", "port": 0, "tls": tls}
    quarantine = {"handshake_timeout": 0.2}
    async with broker(tmp_path, listen=listen, quarantine=quarantine) as running:
        reader, writer = await asyncio.open_connection(*address(running))
        async with asyncio.timeout(2):
            assert await reader.read() == b""
        writer.close()


async def test_over_tls_a_socket_is_known_once_its_handshake_is_done(
    tmp_path: Path, tls: dict[str, str]
) -> None:
    listen = {"host": "127.0.0.1", "port": 0, "tls": tls}
    trusting = ssl.create_default_context(cafile=tls["certificate"])
    async with broker(tmp_path, listen=listen) as running:
        _, writer = await asyncio.open_connection(
            *address(running), ssl=trusting, server_hostname="localhost"
        )
        await until(1, listener(running))
        writer.close()
        await until(0, listener(running))
