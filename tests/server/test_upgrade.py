"""Upgrade requests, one by one; and whose address a request carries."""

import ipaddress

import pytest
from websockets.http11 import Request

from vestibule.server.handler import Headers
from vestibule.server.upgrade import CLEAR, SEALED, Upgrades, forwarded_address, trusts


def status(
    request: str, *, subprotocol: str = SEALED, origins: frozenset[str] = frozenset()
) -> tuple[int, dict[str, str]]:
    upgrades = Upgrades(subprotocol=subprotocol, allowed_origins=origins)
    protocol = upgrades.parser(1_024)
    protocol.receive_data(request.encode())
    (parsed,) = protocol.events_received()
    assert isinstance(parsed, Request)
    response = upgrades.answer(protocol, parsed)
    return response.status_code, dict(response.headers.raw_items())


def upgrade(
    path: str = "/", *, offered: str | None = "vestibule.1", more: str = ""
) -> str:
    protocols = "" if offered is None else f"Sec-WebSocket-Protocol: {offered}\r\n"
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket"
        "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        f"\r\n{protocols}{more}\r\n"
    )


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        (upgrade(), 101),
        (upgrade(offered="x, vestibule.1"), 101),
        (upgrade(offered=None), 400),
        (upgrade(offered="vestibule.2"), 400),
        (upgrade(offered="vestibule.1-clear"), 400),
        (upgrade("/x"), 404),
        ("GET /x HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
    ],
)
def test_w5_what_is_no_upgrade_to_this_protocol_is_refused(
    request_text: str, expected: int
) -> None:
    assert status(request_text)[0] == expected


def test_w5_no_extension_is_negotiated() -> None:
    code, headers = status(
        upgrade(more="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    )
    assert code == 101
    assert "Sec-WebSocket-Extensions" not in headers
    assert headers["Sec-WebSocket-Protocol"] == SEALED


def test_w46_a_clear_broker_answers_the_clear_protocol_alone() -> None:
    assert status(upgrade(), subprotocol=CLEAR)[0] == 400
    assert status(upgrade(offered=CLEAR), subprotocol=CLEAR)[0] == 101


def test_r6_an_origin_is_accepted_only_if_it_is_allowed() -> None:
    asked = upgrade(more="Origin: http://evil.example\r\n")
    assert status(asked)[0] == 403
    assert status(asked, origins=frozenset({"http://evil.example"}))[0] == 101


PROXIES = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.1/32"))


@pytest.mark.parametrize(
    ("address", "said", "expected"),
    [
        ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ("127.0.0.1", "6.6.6.6, 10.9.9.9", "10.9.9.9"),
        ("127.0.0.1", "6.6.6.6, 10.0.0.1", "6.6.6.6"),
        ("127.0.0.1", "garbage", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6, garbage, 10.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_r5_only_a_trusted_proxy_says_whose_connection_it_is(
    address: str, said: str, expected: str
) -> None:
    headers = Headers([("X-Forwarded-For", said)])
    assert forwarded_address(address, headers, PROXIES) == expected


def test_r4_without_trusted_proxies_the_header_means_nothing() -> None:
    headers = Headers([("X-Forwarded-For", "10.9.9.9")])
    assert forwarded_address("127.0.0.1", headers, ()) == "127.0.0.1"


def test_what_is_no_address_is_no_proxy() -> None:
    assert not trusts("", PROXIES)


@pytest.mark.parametrize("header", ["Connection: x", "Upgrade: x", "Host: y"])
def test_a_request_with_two_of_a_header_is_answered(header: str) -> None:
    assert status(upgrade(more=f"{header}\r\n"))[0] in (101, 400, 426)
