import pytest

from vestibule.client import (
    Action,
    ConnectionClosed,
    ConnectionLost,
    HandshakeFailed,
    LoginRefused,
    MessageDenied,
    RemoteError,
    RequestFailed,
    RequestTimeout,
    SessionClosed,
    Topic,
    VestibuleError,
    errors,
)
from vestibule.client.errors import request_failed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("MESSAGE_DENIED", MessageDenied),
        ("MESSAGE_PERMISSION_ERROR", MessageDenied),
        ("PERMISSION_REVOKED", MessageDenied),
        ("TOKEN_LIMITED", MessageDenied),
        ("perm/fail/act", MessageDenied),
        ("REMOTE_ERROR", RemoteError),
        ("REQUEST_TIMEOUT", RequestTimeout),
        ("ACCEPT_TIMEOUT", RequestTimeout),
        ("RESPONSE_TIMEOUT", RequestTimeout),
        ("NO_RPC_PROVIDER", RequestFailed),
        ("A_CODE_OF_A_LATER_BROKER", RequestFailed),
    ],
)
def test_each_code_has_its_exception(code: str, kind: type[RequestFailed]) -> None:
    error = request_failed(
        code, "text", {"k": 1}, topic=Topic.RPC, action=Action.CALL, name="add"
    )
    assert type(error) is kind
    assert (error.code, error.message, error.details) == (code, "text", {"k": 1})
    assert (error.topic, error.action) == (Topic.RPC, Action.CALL)
    assert error.name == ("" if kind is RemoteError else "add")


def test_a_remote_error_is_named_for_the_providers_exception() -> None:
    error = request_failed("REMOTE_ERROR", "no", {"name": "ValueError"}, name="add")
    assert isinstance(error, RemoteError)
    assert (error.name, error.message) == ("ValueError", "no")


def test_a_late_answer_is_a_timeout_like_any_other() -> None:
    with pytest.raises(TimeoutError):
        raise request_failed("RESPONSE_TIMEOUT", "late", {})


def test_all_of_them_have_code_message_and_details() -> None:
    made: list[VestibuleError] = [
        HandshakeFailed("HANDSHAKE_INVALID"),
        LoginRefused("INVALID_AUTH_DATA", "who?", {"client_data": 5}),
        ConnectionClosed("login_timeout"),
        SessionClosed("revoked"),
        ConnectionLost(),
        RequestFailed("LIMIT_EXCEEDED"),
        RequestTimeout("REQUEST_TIMEOUT"),
    ]
    for error in made:
        assert isinstance(error, VestibuleError)
        assert type(error.code) is str
        assert isinstance(error.message, str)
        assert isinstance(error.details, dict)
        assert error.code in str(error)


def test_a_refused_login_has_reason_and_client_data() -> None:
    error = LoginRefused("INVALID_AUTH_DATA", "who?", {"client_data": 5})
    assert (error.reason, error.client_data) == ("who?", 5)
    assert LoginRefused("INVALID_AUTH_DATA").client_data is None


def test_ends_have_their_code_and_reason() -> None:
    assert ConnectionClosed("login_timeout").code == "IS_CLOSED"
    assert SessionClosed("revoked").code == "SESSION_CLOSED"
    assert SessionClosed("revoked").reason == "revoked"
    assert ConnectionLost().code == "CONNECTION_LOST"


def test_every_exception_of_the_module_is_exported() -> None:
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, VestibuleError)
        and not name.startswith("_")
    }
    assert kinds | {"ErrorReport"} == set(errors.__all__)
