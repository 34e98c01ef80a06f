import asyncio
import logging
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from client.fake_broker import LISA, LOOPBACK, FakeBroker, turns
from vestibule.client import (
    ConnectionClosed,
    ConnectionState,
    HandshakeFailed,
    LoginRefused,
)
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.hello import SUITE
from vestibule.protocol.limits import WireLimits


WRONG = {"username": "lisa", "password": "wrong"}


# Login, as the client sees it.


async def test_r8_a_right_login_gives_a_session(broker: FakeBroker) -> None:
    async with broker.connect() as connection:
        states = [connection.state]
        session = await connection.login(LISA)
        states.append(connection.state)
        assert session.username == "lisa"
        assert session.connection is connection
        assert session.session_id == connection.session_id
        assert session.session_id == broker.connection.session_id
    states.append(connection.state)
    assert states == ["quarantined", "open", "closed"]


async def test_r9_after_a_refusal_another_login_may_be_tried(
    broker: FakeBroker,
) -> None:
    async with broker.connect() as connection:
        with pytest.raises(LoginRefused) as caught:
            await connection.login(WRONG)
        assert caught.value.code == "INVALID_AUTH_DATA"
        assert caught.value.reason == "invalid credentials"
        assert caught.value.details["attempts_left"] == 2
        assert connection.state is ConnectionState.QUARANTINED
        assert (await connection.login(LISA)).username == "lisa"


async def test_r10_r12_the_last_refusal_closes_the_connection(
    broker: FakeBroker,
) -> None:
    async with broker.connect() as connection:
        codes = []
        for _ in range(3):
            with pytest.raises(LoginRefused) as caught:
                await connection.login(WRONG)
            codes.append(caught.value.code)
        assert codes == ["INVALID_AUTH_DATA"] * 2 + ["TOO_MANY_AUTH_ATTEMPTS"]
        assert await connection.wait_closed() == "too_many_auth_attempts"
        assert connection.state is ConnectionState.CLOSED
        attempts = len(broker.connection.logins)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.login(LISA)
        assert (closed.value.code, closed.value.reason) == (
            "IS_CLOSED",
            "too_many_auth_attempts",
        )
        assert len(broker.connection.logins) == attempts


async def test_a_second_login_is_refused_here(broker: FakeBroker) -> None:
    broker.silent_logins = True
    async with broker.connect() as connection:
        first = asyncio.ensure_future(connection.login(LISA))
        await turns()
        with pytest.raises(LoginRefused) as caught:
            await connection.login(LISA)
        assert caught.value.code == "LOGIN_IN_PROGRESS"
        broker.connection.cut()
        with pytest.raises(ConnectionClosed) as closed:
            await first
        assert closed.value.reason == "truncated"


async def test_after_a_session_there_is_no_login_even_when_it_has_ended(
    broker: FakeBroker,
) -> None:
    async with broker.connect() as connection:
        session = await connection.login(LISA)
        for _ in range(2):
            with pytest.raises(LoginRefused) as caught:
                await connection.login(LISA)
            assert caught.value.code == "ALREADY_LOGGED_IN"
            await session.close()


@pytest.mark.parametrize(
    ("code", "reason", "refusal"),
    [
        (CloseCode.INVALID_AUTH_MSG, EndReason.INVALID_AUTH_MSG, "INVALID_AUTH_MSG"),
        (
            CloseCode.AUTHENTICATION_TIMEOUT,
            EndReason.LOGIN_TIMEOUT,
            "AUTHENTICATION_TIMEOUT",
        ),
        (
            CloseCode.TOO_MANY_AUTH_ATTEMPTS,
            EndReason.TOO_MANY_AUTH_ATTEMPTS,
            "TOO_MANY_AUTH_ATTEMPTS",
        ),
    ],
)
async def test_a_bye_refuses_the_login_that_is_open(
    broker: FakeBroker, code: CloseCode, reason: EndReason, refusal: str
) -> None:
    broker.silent_logins = True
    async with broker.connect() as connection:
        login = asyncio.ensure_future(connection.login(LISA))
        await turns()
        broker.connection.say_bye(code, reason)
        with pytest.raises(LoginRefused) as caught:
            await login
        assert caught.value.code == refusal
        assert await connection.wait_closed() == reason


async def test_r3_an_end_in_quarantine_is_told_to_later_logins(
    broker: FakeBroker,
) -> None:
    async with broker.connect() as connection:
        broker.connection.say_bye(
            CloseCode.AUTHENTICATION_TIMEOUT, EndReason.LOGIN_TIMEOUT
        )
        assert await connection.wait_closed() == "login_timeout"
        with pytest.raises(ConnectionClosed) as caught:
            await connection.login(LISA)
        assert caught.value.reason == "login_timeout"
    assert broker.dialled == 1


async def test_a_cancelled_login_ends_the_connection(broker: FakeBroker) -> None:
    broker.silent_logins = True
    async with broker.connect() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await connection.login(LISA)
        assert await connection.wait_closed() == "client"
        with pytest.raises(ConnectionClosed):
            await connection.login(LISA)


async def test_a_login_that_does_not_fit_is_refused_here(broker: FakeBroker) -> None:
    async with broker.connect() as connection:
        with pytest.raises(LoginRefused) as caught:
            await connection.login({"username": "x" * 100_000})
        assert caught.value.code == "LIMIT_EXCEEDED"
        assert (await connection.login(LISA)).username == "lisa"


async def test_a_broker_that_never_answers_a_login_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vestibule.client.carrier._GRACE_SECONDS", 0.01)
    broker = FakeBroker(limits=WireLimits(quarantine_timeout_ms=1))
    broker.silent_logins = True
    async with broker.connect() as connection:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.login(LISA)
        assert caught.value.reason == "truncated"


async def test_no_log_error_or_repr_holds_login_data(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    secret = {"username": "lisa", "password": "hunter22", "more": {"pin": "hunter22"}}
    with caplog.at_level(logging.DEBUG):
        async with broker.connect() as connection:
            with pytest.raises(LoginRefused) as caught:
                await connection.login(secret)
            with pytest.raises(TypeError) as unsent:
                await connection.login({**secret, "bad": object()})
            shown = [repr(connection), repr(caught.value), repr(unsent.value)]
    assert "hunter22" not in caplog.text + "".join(shown)


# The handshake.


async def test_w8_another_key_than_the_pinned_one_ends_it(broker: FakeBroker) -> None:
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(server_key=IdentityKey.generate().text):
            pass
    assert caught.value.code == "SERVER_KEY_CHANGED"
    assert len(broker.connection.transport.sent) == 1


async def test_w9_a_server_without_the_secret_of_its_key_is_no_broker() -> None:
    real, other = IdentityKey.generate(), IdentityKey.generate()
    broker = FakeBroker(identities=[other])

    def claim(message: bytes) -> Sequence[bytes]:
        return (message.replace(other.public, real.public),)

    broker.to_client = claim
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(server_key=real.text):
            pass
    assert caught.value.code == "HANDSHAKE_INVALID"
    assert len(broker.connection.transport.sent) == 1


def flipped(message: bytes, at: int, bit: int = 1) -> bytes:
    changed = bytearray(message)
    changed[at] ^= bit
    return bytes(changed)


def change_at(at: int, message: bytes) -> Sequence[bytes]:
    return (flipped(message, at),)


@pytest.mark.parametrize("at", [6, 20, 38, 53, 54, 55, 56, 58, 60, 70])
async def test_w10_a_changed_client_hello_never_sees_a_login(
    broker: FakeBroker, at: int
) -> None:
    hello_sent = False

    def change(message: bytes) -> Sequence[bytes]:
        nonlocal hello_sent
        first, hello_sent = not hello_sent, True
        return (flipped(message, at),) if first else (message,)

    broker.to_broker = change
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect() as connection:
            await connection.login(LISA)
    assert caught.value.code in ("HANDSHAKE_INVALID", "NO_COMMON_VERSION")
    assert broker.connection.logins == []


async def test_w11_a_changed_server_hello_never_sees_a_login() -> None:
    length = 113 + len(SUITE) + 56
    for at in range(length):
        broker = FakeBroker()
        broker.to_client = partial(change_at, at)
        with pytest.raises(HandshakeFailed) as caught:
            async with broker.connect() as connection:
                await connection.login(LISA)
        assert caught.value.code in ("HANDSHAKE_INVALID", "SERVER_KEY_CHANGED")
        assert len(broker.connection.transport.sent) == 1


@pytest.mark.parametrize(("at", "value"), [(6, b"\x00\x02"), (113, b"y")])
async def test_w12_a_version_or_suite_that_was_not_offered_is_invalid(
    broker: FakeBroker, at: int, value: bytes
) -> None:
    broker.to_client = lambda m: (m[:at] + value + m[at + len(value) :],)
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect():
            pass
    assert caught.value.code == "HANDSHAKE_INVALID"


@pytest.mark.parametrize(
    ("close_code", "code"),
    [
        (4404, "NO_COMMON_VERSION"),
        (4400, "HANDSHAKE_INVALID"),
        (4103, "HANDSHAKE_INVALID"),
        (None, "HANDSHAKE_INVALID"),
    ],
)
async def test_an_end_before_the_server_hello_fails_the_handshake(
    broker: FakeBroker, close_code: int | None, code: str
) -> None:
    def cut(message: bytes) -> Sequence[bytes]:
        del message
        broker.connection.cut(close_code)
        return ()

    broker.to_broker = cut
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect():
            pass
    assert caught.value.code == code


async def test_a_silent_server_fails_the_handshake(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestibule.client.carrier._HELLO_SECONDS", 0.01)
    broker.to_client = lambda _: ()
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect():
            pass
    assert caught.value.code == "HANDSHAKE_INVALID"


async def test_r6_a_refused_upgrade_tells_its_status(broker: FakeBroker) -> None:
    broker.refuse_upgrade = 403
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(headers={"Origin": "http://evil.example"}):
            pass
    assert caught.value.code == "UPGRADE_REFUSED"
    assert caught.value.details["status"] == 403
    assert broker.targets[0].headers == {"Origin": "http://evil.example"}


async def test_no_peer_at_all_is_an_os_error(broker: FakeBroker) -> None:
    broker.unreachable = True
    with pytest.raises(ConnectionRefusedError):
        async with broker.connect():
            pass


# Whom to trust.


async def test_w40_on_first_use_no_password_is_sent_unless_allowed(
    broker: FakeBroker, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "server_key": None,
        "known_brokers": tmp_path / "absent",
    }
    async with broker.connect(**options) as connection:
        sent = len(broker.connection.transport.sent)
        with pytest.raises(LoginRefused) as caught:
            await connection.login(LISA)
        assert caught.value.code == "SERVER_KEY_UNVERIFIED"
        await turns()
        assert len(broker.connection.transport.sent) == sent
        assert connection.state is ConnectionState.QUARANTINED
        session = await connection.login(LISA, plain_on_first_use=True)
        assert session.username == "lisa"


async def test_w41_the_key_is_written_when_a_login_succeeds_and_not_before(
    broker: FakeBroker, tmp_path: Path
) -> None:
    path = tmp_path / "known"
    options: dict[str, Any] = {"server_key": None, "known_brokers": path}
    async with broker.connect(**options) as connection:
        with pytest.raises(LoginRefused):
            await connection.login(WRONG, plain_on_first_use=True)
        assert not path.exists()
        await connection.login(LISA, plain_on_first_use=True)
        assert path.read_text() == f"broker.example:7420 {broker.server_key}\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # From now on the endpoint is known.
    async with broker.open_session(**options):
        pass


async def test_w42_another_key_than_the_file_has_is_refused(
    broker: FakeBroker, tmp_path: Path
) -> None:
    path = tmp_path / "known"
    path.write_text(f"broker.example:7420 {IdentityKey.generate().text}\n")
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(server_key=None, known_brokers=path):
            pass
    assert caught.value.code == "SERVER_KEY_CHANGED"
    assert path.read_bytes() == before


async def test_w43_a_rotated_key_is_taken_over(tmp_path: Path) -> None:
    a, b = IdentityKey.generate(), IdentityKey.generate()
    broker = FakeBroker(identities=[a, b])
    path = tmp_path / "known"
    path.write_text(f"broker.example:7420 {b.text}\n")
    path.chmod(0o600)
    options: dict[str, Any] = {"server_key": None, "known_brokers": path}
    async with broker.open_session(**options):
        lines = [f"broker.example:7420 {key.text}" for key in (a, b)]
        assert path.read_text().splitlines() == lines
    broker.identities = [a]
    async with broker.open_session(**options):
        assert path.read_text().splitlines() == lines[:1]


async def test_w44_an_invalid_file_stops_it_before_a_socket_is_opened(
    broker: FakeBroker, tmp_path: Path
) -> None:
    path = tmp_path / "known"
    path.write_text("broker.example nonsense\n")
    path.chmod(0o600)
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(server_key=None, known_brokers=path):
            pass
    assert caught.value.code == "KNOWN_BROKERS_INVALID"
    assert broker.dialled == 0


async def test_an_unknown_broker_is_refused_before_a_socket_is_opened(
    broker: FakeBroker, tmp_path: Path
) -> None:
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(
            server_key=None, known_brokers=tmp_path / "absent", first_use="refuse"
        ):
            pass
    assert caught.value.code == "SERVER_KEY_UNKNOWN"
    assert broker.dialled == 0


async def test_on_loopback_a_password_may_be_shown_and_nothing_is_written(
    broker: FakeBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "known"
    monkeypatch.setenv("VESTIBULE_KNOWN_BROKERS", str(path))
    async with broker.open_session(url=LOOPBACK, server_key=None) as session:
        assert session.username == "lisa"
    assert not path.exists()


# Without encryption.


async def test_w46_a_broker_without_encryption_wants_it_said() -> None:
    broker = FakeBroker(encrypted=False)
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect():
            pass
    assert caught.value.code == "UPGRADE_REFUSED"
    assert caught.value.details["status"] == 400
    async with broker.connect(encryption="off", server_key=None) as connection:
        with pytest.raises(LoginRefused) as refused:
            await connection.login({"username": "lisa", "signing_key": b"k" * 32})
        assert refused.value.code == "SCHEME_NOT_AVAILABLE"
        session = await connection.login(LISA)
        assert session.insecure == ("encryption_off",)
        await session.events.publish("x", 1)


async def test_w48_a_client_without_encryption_is_no_client_of_an_ordinary_broker(
    broker: FakeBroker,
) -> None:
    with pytest.raises(HandshakeFailed) as caught:
        async with broker.connect(encryption="off", server_key=None):
            pass
    assert caught.value.code == "UPGRADE_REFUSED"
    assert caught.value.details["status"] == 400


async def test_w49_passwords_of_any_length_make_logins_of_one_length(
    broker: FakeBroker,
) -> None:
    lengths = set()
    for password in ("4444", "4" * 40):
        broker.users["lisa"] = password
        async with broker.open_session({"username": "lisa", "password": password}):
            lengths.add(len(broker.connection.transport.sent[1]))
    assert len(lengths) == 1


async def test_bigger_messages_are_allowed_once_the_limits_are_known(
    broker: FakeBroker,
) -> None:
    async with broker.connect():
        allowed = broker.connection.transport.allowed
    assert allowed == broker.limits.message_bytes


# Ending.


async def test_w21_closing_says_bye_and_is_no_truncation(broker: FakeBroker) -> None:
    async with broker.connect() as connection:
        session = await connection.login(LISA)
        await session.close()
        await session.close()
        assert await session.wait_closed() == "client"
        assert await connection.wait_closed() == "client"
    bye = broker.connection.bye
    assert bye is not None
    assert (bye.code, bye.reason) == (CloseCode.CLOSED, EndReason.CLIENT)
    end = broker.connection.end
    assert end is not None
    assert end.reason is EndReason.CLIENT


async def test_leaving_the_block_by_an_error_closes_too(broker: FakeBroker) -> None:
    with pytest.raises(ZeroDivisionError):
        async with broker.open_session():
            raise ZeroDivisionError
    assert broker.connection.bye is not None


async def test_states_are_told_in_order(broker: FakeBroker) -> None:
    told: list[tuple[ConnectionState, str | None]] = []

    def on_state(state: ConnectionState, reason: str | None) -> None:
        told.append((state, reason))

    async with broker.connect(on_state=on_state) as connection:
        with pytest.raises(LoginRefused):
            await connection.login(WRONG)
        await connection.login(LISA)
    assert told == [
        (ConnectionState.QUARANTINED, None),
        (ConnectionState.AUTHENTICATING, None),
        (ConnectionState.QUARANTINED, None),
        (ConnectionState.AUTHENTICATING, None),
        (ConnectionState.OPEN, None),
        (ConnectionState.CLOSED, "client"),
    ]


async def test_an_async_callback_has_heard_all_when_the_block_is_left(
    broker: FakeBroker,
) -> None:
    told: list[str] = []

    async def on_state(state: ConnectionState, _: str | None) -> None:
        await asyncio.sleep(0)
        told.append(state)

    async with broker.open_session(on_state=on_state):
        pass
    assert told[-2:] == ["open", "closed"]


async def test_a_callback_that_raises_stops_nothing(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def on_state(*_: object) -> None:
        raise ValueError

    with caplog.at_level(logging.ERROR):
        async with broker.open_session(on_state=on_state) as session:
            await session.events.publish("x", 1)
    assert {record.message for record in caplog.records} == {"callback.failed"}
