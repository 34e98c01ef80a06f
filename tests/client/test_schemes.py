"""Logins that are bound to their connection, as a client makes them."""

from typing import Any

import pytest
from nacl import signing

from client.fake_broker import LISA, LOOPBACK, URL, FakeBroker
from vestibule.client.errors import HandshakeFailed, LoginRefused
from vestibule.client.login import Login, PlainLogin
from vestibule.client.schemes import (
    KeyLogin,
    ScramLogin,
    TicketLogin,
    login_of,
    signing_key_of,
)
from vestibule.client.state import ConnectionState
from vestibule.protocol.signatures import (
    SigningKey,
    key_login,
    ticket_login,
    verifies,
)


SEED = b"seed of lisa's key".ljust(32, b".")
KEY = SigningKey(SEED)
BY_KEY = {"username": "lisa", "signing_key": SEED}
EXPORTER = b"e" * 32


@pytest.mark.parametrize(
    ("data", "scram", "kind"),
    [
        (None, False, PlainLogin),
        (LISA, False, PlainLogin),
        ({"token": "vst_x"}, False, PlainLogin),
        (LISA, True, ScramLogin),
        (BY_KEY, False, KeyLogin),
        (BY_KEY, True, KeyLogin),
    ],
)
def test_the_data_choose_the_scheme(
    data: Any, kind: type[Login], *, scram: bool
) -> None:
    login = login_of(data, scram=scram)
    assert type(login) is kind
    assert login.shows_secret is (kind is PlainLogin)


@pytest.mark.parametrize(
    "given",
    [
        SEED,
        bytearray(SEED),
        KEY,
        KEY.secret_text(),
        KEY.secret_text() + "\n",
        signing.SigningKey(SEED),
    ],
    ids=["bytes", "bytearray", "ours", "text", "line", "nacl"],
)
def test_a_signing_key_is_taken_in_each_usual_form(given: object) -> None:
    assert signing_key_of(given).public == KEY.public


@pytest.mark.parametrize("given", [SEED[:-1], "vsu1_sesame", 5, None, "sesame"])
def test_what_is_no_key_is_refused_and_not_shown(given: object) -> None:
    with pytest.raises(TypeError, match="signing_key is an Ed25519 key") as caught:
        login_of({"username": "lisa", "signing_key": given})
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "scram"),
    [
        ({"signing_key": SEED}, False),
        ({"username": 5, "signing_key": SEED}, False),
        ({"username": "\ud800", "signing_key": SEED}, False),
        ({"username": "lisa", "signing_key": SEED, "info": "text"}, False),
        ({"username": "lisa", "signing_key": SEED, "info": {"a": {1}}}, False),
        ({"username": "lisa"}, True),
        ({"username": "lisa", "password": b"sesame"}, True),
        ({"password": "sesame"}, True),
        (None, True),
        ("text", True),
    ],
)
def test_data_without_what_the_scheme_needs_are_a_type_error(
    data: Any, *, scram: bool
) -> None:
    with pytest.raises(TypeError) as caught:
        login_of(data, scram=scram)
    assert "sesame" not in str(caught.value)


def test_a_login_by_key_signs_the_connection_and_shows_no_secret() -> None:
    info: dict[str, Any] = {"app": "x"}
    login = KeyLogin({"username": "e\u0301ve", "signing_key": SEED, "info": info})
    info["app"] = "y"
    fields = login.open(EXPORTER).fields
    assert fields["username"] == "\u00e9ve"
    assert fields["public_key"] == KEY.public
    signed = key_login(EXPORTER, "\u00e9ve")
    assert verifies(KEY.public, signed, fields["signature"])
    assert fields["info"] == {"app": "x"}
    assert set(fields) == {"username", "public_key", "signature", "info"}
    assert login.open(b"f" * 32).fields["signature"] != fields["signature"]
    assert repr(login) == "KeyLogin(...)"
    assert login.with_password("new") is login


def test_a_login_by_ticket_signs_ticket_and_connection() -> None:
    login = TicketLogin(b"t" * 32, KEY)
    fields = login.open(EXPORTER).fields
    assert set(fields) == {"ticket", "signature"}
    signed = ticket_login(EXPORTER, b"t" * 32)
    assert verifies(KEY.public, signed, fields["signature"])
    assert repr(login) == "TicketLogin(...)"


def test_w46_without_encryption_nothing_can_be_bound() -> None:
    for login in (
        KeyLogin(BY_KEY),
        ScramLogin(LISA),
        TicketLogin(b"t" * 32, KEY),
    ):
        with pytest.raises(LoginRefused) as caught:
            login.open(None)
        assert caught.value.code == "SCHEME_NOT_AVAILABLE"


def test_a_scram_login_says_no_password() -> None:
    login = ScramLogin({**LISA, "properties": {"a": "b"}})
    first, second = login.open(EXPORTER).fields, login.open(EXPORTER).fields
    assert set(first) == {"username", "client_nonce", "properties"}
    assert first["client_nonce"] != second["client_nonce"]
    assert len(first["client_nonce"]) == 32
    assert "sesame" not in repr(first)
    assert repr(login) == "ScramLogin(...)"


# Through a connection.


async def test_w30_a_scram_login_has_both_ends_prove_themselves(
    broker: FakeBroker,
) -> None:
    async with broker.open_session(scram=True) as session:
        assert session.username == "lisa"
        assert broker.connection.schemes == ["scram"]
        assert broker.scram.challenges == 1
    with pytest.raises(LoginRefused) as refused:
        async with broker.open_session({**LISA, "password": "wrong"}, scram=True):
            pass
    assert refused.value.code == "INVALID_AUTH_DATA"


async def test_after_a_refusal_another_login_may_follow(broker: FakeBroker) -> None:
    async with broker.connect() as connection:
        for data, scram in (
            ({**LISA, "password": "wrong"}, True),
            ({**LISA, "password": "wrong"}, False),
        ):
            with pytest.raises(LoginRefused):
                await connection.login(data, scram=scram)
        session = await connection.login(LISA, scram=True)
        assert session.username == "lisa"


@pytest.mark.parametrize(
    "sign",
    [
        lambda signature: None,
        lambda signature: bytes(32),
        lambda signature: signature[:31] + bytes([signature[31] ^ 1]),
    ],
    ids=["none", "zeros", "a bit"],
)
async def test_w31_a_broker_without_the_right_signature_is_left(
    broker: FakeBroker, sign: Any
) -> None:
    broker.scram.sign = sign
    async with broker.connect() as connection:
        with pytest.raises(HandshakeFailed) as failed:
            await connection.login(LISA, scram=True)
        assert failed.value.code == "SERVER_PROOF_INVALID"
        assert connection.state is ConnectionState.CLOSED
        assert await connection.wait_closed() == "truncated"


async def test_w31_a_broker_that_asks_for_no_proof_is_left(broker: FakeBroker) -> None:
    broker.scram.admit_at_once = True
    async with broker.connect() as connection:
        with pytest.raises(HandshakeFailed) as failed:
            await connection.login(LISA, scram=True)
        assert failed.value.code == "SERVER_PROOF_INVALID"


@pytest.mark.parametrize(
    "cost",
    [
        {"opslimit": 2, "memlimit": 2 * 2**30},
        {"opslimit": 2, "memlimit": 8 * 2**20},
        {"opslimit": 2, "memlimit": 19 * 2**20 - 1},
        {"opslimit": 11, "memlimit": 64 * 2**20},
        {"opslimit": 0, "memlimit": 64 * 2**20},
        {"opslimit": -1, "memlimit": 64 * 2**20},
    ],
    ids=str,
)
async def test_w32_a_cost_that_no_broker_has_is_not_paid(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch, cost: dict[str, int]
) -> None:
    def computed(*args: Any) -> None:
        raise AssertionError("no hash is computed")

    monkeypatch.setattr("vestibule.client.schemes.password_keys", computed)
    broker.scram.cost = cost
    async with broker.connect() as connection:
        with pytest.raises(HandshakeFailed) as failed:
            await connection.login(LISA, scram=True)
        assert failed.value.code == "SERVER_PROOF_INVALID"


async def test_d66_a_login_by_key_goes_through(broker: FakeBroker) -> None:
    async with broker.open_session(BY_KEY) as session:
        assert session.username == "lisa"
        assert broker.connection.schemes == ["key"]
        assert broker.connection.logins[0]["public_key"] == KEY.public


@pytest.mark.parametrize("scram", [False, True])
async def test_w46_a_client_without_encryption_sends_no_such_login(
    *, scram: bool
) -> None:
    broker = FakeBroker(encrypted=False)
    async with broker.connect(
        LOOPBACK, encryption="off", server_key=None
    ) as connection:
        with pytest.raises(LoginRefused) as refused:
            await connection.login(LISA if scram else BY_KEY, scram=scram)
        assert refused.value.code == "SCHEME_NOT_AVAILABLE"
        assert broker.connection.logins == []
        session = await connection.login(LISA)
        assert session.username == "lisa"


async def test_w40_key_and_scram_are_sent_to_a_broker_that_nobody_knows(
    broker: FakeBroker, tmp_path: Any
) -> None:
    unknown = {"server_key": None, "known_brokers": tmp_path / "known"}
    async with broker.connect(URL, **unknown) as connection:
        with pytest.raises(LoginRefused) as refused:
            await connection.login(LISA)
        assert refused.value.code == "SERVER_KEY_UNVERIFIED"
        assert (await connection.login(BY_KEY)).username == "lisa"
    (tmp_path / "known").unlink()
    async with broker.connect(URL, **unknown) as connection:
        assert (await connection.login(LISA, scram=True)).username == "lisa"
