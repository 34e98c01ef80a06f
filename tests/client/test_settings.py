import math
from pathlib import Path
from typing import Any

import pytest

from vestibule.client.reconnect import Reconnect
from vestibule.client.settings import Settings, seconds
from vestibule.protocol.crypto import IdentityKey


KEYS = [IdentityKey.generate() for _ in range(2)]
DEFAULTS: dict[str, Any] = {
    "server_key": None,
    "known_brokers": None,
    "first_use": "trust",
    "encryption": "required",
    "headers": None,
    "reconnect": Reconnect(),
    "request_timeout": 30.0,
    "keep_login_data": True,
    "on_state": None,
    "on_client_data": None,
    "on_error": None,
}


def settings(url: str = "ws://broker.example", **changed: Any) -> Settings:
    return Settings.of_arguments(url, **(DEFAULTS | changed))


def test_a_key_may_be_a_text_or_a_list_of_them() -> None:
    assert settings(server_key=KEYS[0].text).server_keys == (KEYS[0].public,)
    both = settings(server_key=[key.text for key in KEYS])
    assert both.server_keys == tuple(key.public for key in KEYS)


def test_the_subprotocol_follows_the_encryption() -> None:
    assert settings().target.subprotocol == "vestibule.1"
    assert settings(encryption="off").target.subprotocol == "vestibule.1-clear"


def test_a_path_may_be_a_text() -> None:
    assert settings(known_brokers="known").known_brokers == Path("known")


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("server_key", [], ValueError),
        ("server_key", [5], TypeError),
        ("first_use", "ask", ValueError),
        ("encryption", "on", ValueError),
        ("reconnect", 5, TypeError),
        ("request_timeout", 0, ValueError),
        ("request_timeout", "5", TypeError),
        ("on_state", 5, TypeError),
        ("on_error", "x", TypeError),
    ],
)
def test_an_argument_that_is_none_is_refused(
    argument: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        settings(**{argument: value})


def test_a_url_is_a_text_of_a_broker() -> None:
    with pytest.raises(TypeError):
        settings(5)  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(ValueError, match="ws://"):
        settings("http://broker.example")


def test_headers_are_not_shown() -> None:
    shown = repr(settings(headers={"Authorization": "sesame"}))
    assert "sesame" not in shown


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
def test_seconds_are_finite_and_above_zero(bad: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        seconds(bad, "timeout")


@pytest.mark.parametrize("bad", ["1", None, True])
def test_seconds_are_a_number(bad: Any) -> None:
    with pytest.raises(TypeError):
        seconds(bad, "timeout")
