"""A login, taken apart: who it says it is, what proves it, what it proposes."""

from typing import Any

import pytest

from vestibule.protocol.errors import CloseCode
from vestibule.server.admissions import Admission, Turned
from vestibule.server.attempts import Attempt, read_attempt
from vestibule.server.handler import ConnectionData, Headers


STRANGER = ConnectionData("192.0.2.1", Headers(), "00" * 16)


def plain(auth_data: dict[str, Any]) -> Attempt:
    attempt = read_attempt(STRANGER, "plain", {"auth_data": auth_data})
    assert isinstance(attempt, Attempt)
    return attempt


def test_properties_and_info_are_taken_out_of_what_proves_it() -> None:
    given = {"username": "lisa", "password": "pw", "properties": {}, "info": {"a": 1}}
    attempt = plain(given)
    assert attempt.auth_data == {"username": "lisa", "password": "pw"}
    assert (attempt.username, attempt.account) == ("lisa", "lisa")
    assert attempt.info == {"a": 1}
    assert attempt.given == given


def test_s58_only_well_formed_proposals_are_left() -> None:
    proposed = {"K": "v", "$Roles": "x", "a b": "v", "N": 5}
    assert plain({"properties": proposed}).properties == {"K": "v"}
    many = {f"k{number}": "v" for number in range(65)}
    for nonsense in (many, None, ["K"], "K"):
        assert plain({"properties": nonsense}).properties == {}


@pytest.mark.parametrize("info", [None, ["x"], {"a": "x" * 5000}, {"a": object()}])
def test_info_is_a_map_of_four_kibibytes_at_most(info: object) -> None:
    fields = {"username": "lisa", "info": info}
    attempt = read_attempt(STRANGER, "key", fields)
    assert isinstance(attempt, Attempt)
    assert attempt.info == {}


@pytest.mark.parametrize(
    ("auth_data", "account"),
    [
        ({"username": "lisa"}, "lisa"),
        ({"user": "lisa"}, "lisa"),
        ({"username": 5, "user": "lisa"}, "lisa"),
        ({"username": ["lisa"]}, None),
        ({}, None),
    ],
)
def test_failures_are_counted_under_the_name_that_it_says(
    auth_data: dict[str, Any], account: str | None
) -> None:
    assert plain(auth_data).account == account


@pytest.mark.parametrize(
    ("auth_data", "anonymous"),
    [
        ({}, True),
        ({"username": ""}, True),
        ({"username": None}, True),
        ({"username": "_ANONYMOUS"}, True),
        ({"properties": {"K": "v"}, "info": {}}, True),
        ({"username": "_ANONYMOUS", "password": "x"}, False),
        ({"password": "x"}, False),
        ({"username": "lisa"}, False),
        ({"username": ["_ANONYMOUS"]}, False),
        ({"token": "vst_x"}, False),
    ],
)
def test_anonymous_is_who_says_nothing_about_itself(
    auth_data: dict[str, Any], *, anonymous: bool
) -> None:
    assert plain(auth_data).anonymous is anonymous
    assert not plain({"username": "_ANONYMOUS"}).username


def test_only_tokens_of_the_broker_are_a_scheme_of_their_own() -> None:
    assert plain({"token": "vst_abc"}).scheme == "token"
    for other in ("eyJhbGciOi", 5, b"vst_abc"):
        assert plain({"token": other}).scheme == "plain"


def test_the_chain_sees_no_secret_of_what_was_proved_before_it() -> None:
    fields = {
        "username": "lisa",
        "public_key": bytes(32),
        "signature": b"s" * 64,
        "properties": {"K": "v"},
        "resume_key": bytes(32),
    }
    attempt = read_attempt(STRANGER, "key", fields)
    assert isinstance(attempt, Attempt)
    assert attempt.auth_data.keys() == {"username", "public_key", "signature"}
    assert attempt.resume_key == bytes(32)
    assert attempt.given == {}
    proved = attempt.proved(Admission("lisa", "directory"))
    assert proved.auth_data == {"username": "lisa", "scheme": "key"}
    assert proved.given == {**proved.auth_data, "properties": {"K": "v"}}
    assert proved.proven == Admission("lisa", "directory")


@pytest.mark.parametrize(
    "auth_data", [None, 5, [], {5: "x"}, {"a": "x" * 16_384}, {"a": object()}]
)
def test_what_is_no_login_is_the_end_of_a_stranger(auth_data: object) -> None:
    turned = read_attempt(STRANGER, "plain", {"auth_data": auth_data})
    assert isinstance(turned, Turned)
    assert (turned.code, turned.bye) == (
        "INVALID_AUTH_MSG",
        CloseCode.INVALID_AUTH_MSG,
    )


def test_nothing_of_a_login_is_shown_and_nobody_can_change_it() -> None:
    attempt = plain({"username": "lisa", "password": "swordfish"})
    assert "swordfish" not in repr(attempt)
    assert "lisa" not in repr(attempt)
    with pytest.raises(TypeError):
        attempt.auth_data["password"] = "x"  # type: ignore[index]  # that is the test
