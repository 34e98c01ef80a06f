from typing import Any

import pytest

from vestibule.client.errors import LoginRefused
from vestibule.client.login import Accepted, Login


def test_login_data_are_sent_as_they_were_when_given() -> None:
    data = {"username": "lisa", "nested": [1, {"a": b"\x00"}]}
    login = Login(data, scram=False)
    data["username"] = "eve"
    assert login.scheme == "plain"
    assert login.fields() == {
        "auth_data": {"username": "lisa", "nested": [1, {"a": b"\x00"}]}
    }


def test_without_data_it_is_an_anonymous_login() -> None:
    assert Login(None, scram=False).fields() == {"auth_data": {}}


def test_nothing_shows_the_data() -> None:
    assert "sesame" not in repr(Login({"password": "sesame"}, scram=False))


def test_data_that_no_message_can_carry_are_a_type_error_without_the_data() -> None:
    with pytest.raises(TypeError) as caught:
        Login({"password": "sesame", "more": {"sesame"}}, scram=False)
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("data", "scram"),
    [({"username": "lisa", "signing_key": b"x" * 32}, False), ({}, True)],
)
def test_schemes_that_this_client_has_not_are_refused_here(
    data: dict[str, Any], *, scram: bool
) -> None:
    with pytest.raises(LoginRefused) as caught:
        Login(data, scram=scram)
    assert caught.value.code == "SCHEME_NOT_AVAILABLE"


def test_what_the_broker_says_is_read_and_the_rest_ignored() -> None:
    accepted = Accepted.of_fields(
        {
            "username": "lisa",
            "client_data": {"theme": 1},
            "token": None,
            "insecure": ["encryption_off"],
            "broker": "hub",
            "later": 5,
        }
    )
    assert accepted.username == "lisa"
    assert accepted.client_data == {"theme": 1}
    assert accepted.token is None
    assert accepted.insecure == ("encryption_off",)
    assert accepted.broker == "hub"


def test_a_broker_without_a_name_has_the_default_one() -> None:
    assert Accepted.of_fields({"username": "lisa"}).broker == "vestibule"


def test_a_token_is_not_shown() -> None:
    accepted = Accepted.of_fields({"username": "lisa", "token": "vst_sesame"})
    assert accepted.token == "vst_sesame"
    assert "sesame" not in repr(accepted)
