"""Plain logins, and what a broker says when it admits."""

import pytest

from vestibule.client.errors import HandshakeFailed, LoginRefused
from vestibule.client.login import Accepted, PlainLogin, unbound, unproven


def test_login_data_are_sent_as_they_were_when_given() -> None:
    data = {"username": "lisa", "nested": [1, {"a": b"\x00"}]}
    login = PlainLogin(data)
    data["username"] = "eve"
    assert login.scheme == "plain"
    assert login.shows_secret
    for exporter in (None, bytes(32)):
        assert login.open(exporter).fields == {
            "auth_data": {"username": "lisa", "nested": [1, {"a": b"\x00"}]}
        }


def test_without_data_it_is_an_anonymous_login() -> None:
    assert PlainLogin(None).open(None).fields == {"auth_data": {}}


def test_nothing_shows_the_data() -> None:
    login = PlainLogin({"password": "sesame"})
    assert "sesame" not in repr(login)
    assert "sesame" not in repr(login.open(None))


def test_data_that_no_message_can_carry_are_a_type_error_without_the_data() -> None:
    with pytest.raises(TypeError) as caught:
        PlainLogin({"password": "sesame", "more": {"sesame"}})
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_another_password_takes_the_place_of_one_and_of_nothing_else() -> None:
    login = PlainLogin({"username": "lisa", "password": "old", "more": 1})
    assert login.with_password("new").open(None).fields["auth_data"] == {
        "username": "lisa",
        "password": "new",
        "more": 1,
    }
    token = PlainLogin({"token": "vst_x"})
    assert token.with_password("new") is token


def test_another_token_takes_the_place_of_one_and_of_nothing_else() -> None:
    login = PlainLogin({"token": "vst_old", "info": {"a": 1}})
    assert login.with_token("vst_new").open(None).fields["auth_data"] == {
        "token": "vst_new",
        "info": {"a": 1},
    }
    password = PlainLogin({"username": "lisa", "password": "p"})
    assert password.with_token("vst_new") is password


async def test_a_plain_login_answers_no_challenge_and_checks_nothing() -> None:
    opening = PlainLogin({}).open(None)
    opening.check({})
    with pytest.raises(HandshakeFailed) as caught:
        await opening.prove({})
    assert caught.value.code == "SERVER_PROOF_INVALID"


def test_the_errors_of_logins_say_what_is_wrong() -> None:
    refused: LoginRefused = unbound()
    assert refused.code == "SCHEME_NOT_AVAILABLE"
    assert unproven("why").code == "SERVER_PROOF_INVALID"


def test_what_the_broker_says_is_read_and_the_rest_ignored() -> None:
    accepted = Accepted.of_fields(
        {
            "username": "lisa",
            "client_data": {"theme": 1},
            "token": None,
            "insecure": ["encryption_off"],
            "broker": "hub",
            "ticket": b"t" * 32,
            "ticket_ttl_ms": 1500,
            "later": 5,
        }
    )
    assert accepted.username == "lisa"
    assert accepted.client_data == {"theme": 1}
    assert accepted.token is None
    assert accepted.insecure == ("encryption_off",)
    assert accepted.broker == "hub"
    assert accepted.ticket == b"t" * 32
    assert accepted.ticket_ttl == 1.5


def test_a_broker_without_a_name_has_the_default_one() -> None:
    accepted = Accepted.of_fields({"username": "lisa"})
    assert accepted.broker == "vestibule"
    assert accepted.ticket is None


def test_a_token_and_a_ticket_are_not_shown() -> None:
    accepted = Accepted.of_fields(
        {"username": "lisa", "token": "vst_sesame", "ticket": b"sesame"}
    )
    assert accepted.token == "vst_sesame"
    assert "sesame" not in repr(accepted)
