import base64
import inspect

import pytest

from vestibule.client import Reconnect, connect, open_session
from vestibule.protocol.crypto import IdentityKey


KEY = IdentityKey.generate().text


def unused_bits(text: str) -> str:
    """The same key with a bit set that does not count: 32 bytes end in four bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


@pytest.mark.parametrize(
    "text",
    [
        KEY[:-1],
        KEY + "=",
        KEY[:-1] + "=",
        "vsk2_" + KEY[5:],
        unused_bits(KEY),
        "vsk1_" + base64.urlsafe_b64encode(b"\xff" * 32).rstrip(b"=").decode(),
        "",
    ],
    ids=range(7),
)
def test_w45_a_text_that_is_no_server_key_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        connect("ws://broker.example", server_key=text)
    with pytest.raises(ValueError, match=r"."):
        open_session("ws://broker.example", {}, server_key=[KEY, text])


def test_connect_has_the_arguments_of_the_contract() -> None:
    parameters = inspect.signature(connect).parameters
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert next(iter(parameters)) == "url"
    assert defaults == {
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


def test_open_session_has_those_of_login_and_the_same() -> None:
    own = inspect.signature(open_session).parameters
    assert list(own)[:4] == ["url", "auth_data", "scram", "plain_on_first_use"]
    rest = list(own.values())[4:]
    assert rest == list(inspect.signature(connect).parameters.values())[1:]
