"""The examples of logins do what they say, each with a broker of its own."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable

import pytest
from examples.authentication import control, key, password, scram, web_token, webhook


REFUSED = "refused: INVALID_AUTH_DATA"

EXAMPLES: dict[str, tuple[Callable[[], Awaitable[None]], list[str]]] = {
    "password": (password.main, ["let in: lisa", REFUSED]),
    "scram": (scram.main, ["let in: lisa", REFUSED]),
    "key": (key.main, ["let in: robot", REFUSED]),
    "web_token": (web_token.main, ["let in: lisa", REFUSED, REFUSED]),
    "webhook": (webhook.main, ["let in: lisa", REFUSED]),
    "control": (control.main, ["let in: lisa", REFUSED, "closed: CLOSED"]),
}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_each_example_lets_in_and_refuses(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VESTIBULE_ADMIN_PASSWORD", raising=False)
    main, printed = EXAMPLES[name]
    await main()
    said = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(("let in:", "refused:", "closed:"))
    ]
    assert said == printed


SECRET = b"k" * 32


def signed(body: bytes, stamp: str = "1000", secret: bytes = SECRET) -> str:
    mac = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={mac}"


def test_the_service_believes_the_broker_alone_and_nothing_old() -> None:
    body = b"{}"
    assert webhook.genuine(signed(body), body, SECRET, 1_030.0)
    for header, now in (
        ("", 1_000.0),
        ("t=1000", 1_000.0),
        ("v1=00", 1_000.0),
        ("t=1000,v1=é", 1_000.0),
        ("t=²,v1=00", 1_000.0),
        (signed(b"{ }"), 1_000.0),
        (signed(body, secret=b"x" * 32), 1_000.0),
        (signed(body).replace("t=1000", "t=1001"), 1_000.0),
        (signed(body), 1_061.0),
        (signed(body), 900.0),
    ):
        assert not webhook.genuine(header, body, SECRET, now)
