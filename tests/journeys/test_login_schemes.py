"""Whole stories of logins by SCRAM, key and ticket, by both ends and in between."""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import pytest

from journeys.conftest import Starting, until
from journeys.raw_logins import (
    BAD,
    BY_KEY,
    KEY,
    LISA,
    LOGIN_REFUSED,
    OTHER,
    Raw,
    came_back,
    code_of,
    raw,
    with_lisa,
)
from journeys.relay import posing, relaying
from vestibule.client import (
    LoginRefused,
    VestibuleError,
    connect,
    open_session,
)
from vestibule.protocol.crypto import ReceivingKey
from vestibule.protocol.framing import split_batch
from vestibule.protocol.signatures import key_login
from vestibule.server import InvalidCredentials, PermissionHandler
from vestibule.server.directory import passwords
from vestibule.server.directory.verifier import Verifier, derive
from vestibule.server.testing import (
    ManualClock,
    RequestRefused,
    memory_broker,
)


@pytest.mark.parametrize("scheme", ["plain", "scram", "key"])
async def test_each_scheme_logs_in_over_a_socket(
    starting: Starting, scheme: str
) -> None:
    async with starting() as broker:
        await with_lisa(broker)
        data = BY_KEY if scheme == "key" else LISA
        async with open_session(
            broker.url, data, scram=scheme == "scram", server_key=broker.server_key
        ) as session:
            assert session.username == "lisa"
            own = await session.exchange.security.get_own_user()
            assert own["username"] == "lisa"
            (live,) = broker.sessions.values()
            assert live.authenticator == "directory"
            assert live.bound


@pytest.mark.parametrize("scram", [False, True])
async def test_w30_d66_wrong_proofs_are_refused_alike_and_may_be_tried_again(
    starting: Starting, *, scram: bool
) -> None:
    async with starting() as broker:
        await with_lisa(broker)
        right: dict[str, Any] = LISA if scram else BY_KEY
        wrong = {"password": "wrong"} if scram else {"signing_key": OTHER}
        async with connect(broker.url, server_key=broker.server_key) as connection:
            for data in ({**right, **wrong}, {**right, "username": "nobody"}):
                with pytest.raises(LoginRefused) as refused:
                    await connection.login(data, scram=scram)
                assert refused.value.code == BAD
                assert refused.value.reason == "invalid credentials"
            session = await connection.login(right, scram=scram)
            assert session.username == "lisa"
        assert broker.counters["logins_refused"] == 2
        assert broker.counters["logins_evaluated"] == 3


async def test_w30_an_unknown_name_is_challenged_the_same_each_time() -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        seen = []
        for name in ("nobody", "nobody", "lisa"):
            stranger = await raw(broker)
            assert await code_of(stranger.scram("wrong", name)) == BAD
            (challenge,) = stranger.challenges
            seen.append((challenge["salt"], challenge["memlimit"]))
        assert seen[0] == seen[1]
        assert seen[0][1] == seen[2][1]
        assert seen[0][0] != seen[2][0]


async def test_w33_d108_a_signature_is_of_no_use_elsewhere_or_again() -> None:
    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        first = await raw(broker)
        await first.peer.ready()
        signature = KEY.sign(key_login(first.peer.exporter, "lisa"))
        fields = {
            "username": "lisa",
            "public_key": KEY.public,
            "signature": signature,
        }
        assert (await first.peer.present("key", fields))["username"] == "lisa"
        second = await raw(broker)
        assert await code_of(second.peer.present("key", fields)) == BAD
        assert broker.broker.counters["sessions_admitted"] == 1


async def test_d108_the_bytes_of_a_login_sent_again_open_nothing(
    starting: Starting,
) -> None:
    def twice(place: int, message: bytes) -> list[bytes]:
        return [message, message] if place == 1 else [message]

    async with starting() as broker, relaying(broker, to_broker=twice) as relay:
        await with_lisa(broker)
        with suppress(VestibuleError):
            async with connect(
                relay.url, server_key=broker.server_key, reconnect=None
            ) as connection:
                await connection.login(BY_KEY)
                await connection.wait_closed()
        await until(lambda: broker.counters["records_rejected"] == 1)
        assert broker.counters["sessions_admitted"] <= 1


@pytest.mark.parametrize("scram", [False, True])
async def test_w34_k2_a_man_in_the_middle_passes_no_proof_on(
    starting: Starting, tmp_path: Path, *, scram: bool
) -> None:
    known = tmp_path / "known_brokers"
    async with starting() as broker, posing(broker) as impostor:
        await with_lisa(broker)
        async with connect(impostor.url, known_brokers=known) as connection:
            with pytest.raises(LoginRefused):
                await connection.login(LISA if scram else BY_KEY, scram=scram)
        assert [login.scheme for login in impostor.logins] == [
            "scram" if scram else "key"
        ]
        assert impostor.refusals == [BAD]
        assert not impostor.admitted
        assert b"sesame" not in msgpack.packb(impostor.logins[0].fields)
        assert broker.counters["logins_refused"] == 1
        assert not broker.sessions
        assert not known.exists()


async def test_w41_only_a_login_that_succeeds_makes_a_key_known(
    starting: Starting, tmp_path: Path
) -> None:
    known = tmp_path / "known_brokers"
    async with starting() as broker:
        await with_lisa(broker)
        async with connect(broker.url, known_brokers=known) as connection:
            with pytest.raises(LoginRefused):
                await connection.login({**LISA, "password": "wrong"}, scram=True)
            assert not known.exists()
            await connection.login(LISA, scram=True)
        endpoint = broker.url.removeprefix("ws://")
        assert known.read_text() == f"{endpoint} {broker.server_key}\n"
        assert known.stat().st_mode & 0o777 == 0o600


# The chain.


class Naming(PermissionHandler):
    """Says yes or no to everybody, and keeps what it was shown."""

    def __init__(self, *, admits: bool) -> None:
        self.admits = admits
        self.seen: list[dict[str, Any]] = []

    async def is_valid_user(self, connection: Any, auth_data: dict[str, Any]) -> Any:
        self.seen.append(auth_data)
        if not self.admits:
            raise InvalidCredentials("not lisa")
        return "somebody else"

    def can_perform_action(self, username: str, message: Any) -> bool:
        return True


async def test_w35_a_handler_that_refuses_by_name_refuses_good_proofs() -> None:
    handler = Naming(admits=True)
    async with memory_broker(handler) as broker:
        await with_lisa(broker.broker)
        first = await raw(broker)
        accepted = await first.key()
        assert accepted["username"] == "lisa"
        handler.admits = False
        handler.seen.clear()
        stranger = await raw(broker)
        for login in (
            stranger.scram(),
            stranger.key(),
            stranger.ticket(accepted["ticket"], first.resume),
        ):
            with pytest.raises(RequestRefused) as refused:
                await login
            assert refused.value.message == "not lisa"
        assert handler.seen == [
            {"username": "lisa", "scheme": scheme, "properties": {}}
            for scheme in ("scram", "key", "ticket")
        ]
        # A session whose ticket was used by a login that was refused goes on.
        assert list(broker.broker.sessions) == [first.peer.initiator.session_id]


async def test_w36_a_handler_is_not_asked_about_a_bad_proof() -> None:
    handler = Naming(admits=True)
    async with memory_broker(handler) as broker:
        await with_lisa(broker.broker)
        stranger = await raw(broker)
        assert await code_of(stranger.key(OTHER)) == BAD
        assert await code_of(stranger.scram("wrong")) == BAD
        assert handler.seen == []


async def test_where_the_directory_is_not_asked_there_are_no_proofs() -> None:
    async with memory_broker(Naming(admits=True), authenticators=["handler"]) as broker:
        await with_lisa(broker.broker)
        stranger = await raw(broker)
        for login in (stranger.key(), stranger.scram()):
            assert await code_of(login) == "SCHEME_NOT_AVAILABLE"
        accepted = await stranger.plain()
        assert "ticket" not in accepted


async def test_w46_without_encryption_there_are_no_proofs(starting: Starting) -> None:
    async with starting(encryption="off") as broker:
        await with_lisa(broker)
        async with connect(broker.url, encryption="off") as connection:
            for data, scram in ((BY_KEY, False), (LISA, True)):
                with pytest.raises(LoginRefused) as refused:
                    await connection.login(data, scram=scram)
                assert refused.value.code == "SCHEME_NOT_AVAILABLE"
            assert (await connection.login(LISA)).username == "lisa"


async def test_a_lockout_counts_every_scheme() -> None:
    clock = ManualClock()
    async with memory_broker(clock=clock) as broker:
        await with_lisa(broker.broker)
        owner = await raw(broker, "192.0.2.9")
        ticket = (await owner.key())["ticket"]
        stranger = await raw(broker)
        assert await code_of(stranger.scram("wrong")) == BAD
        assert await code_of(stranger.key(OTHER)) == BAD
        assert await code_of(stranger.ticket(ticket, OTHER)) == "TOO_MANY_AUTH_ATTEMPTS"
        stranger = await raw(broker)
        assert await code_of(stranger.plain("wrong")) == BAD
        for login in (stranger.scram(), stranger.key()):
            assert await code_of(login) == "ACCOUNT_LOCKED"
        stranger = await raw(broker)
        locked = stranger.ticket(ticket, owner.resume)
        assert await code_of(locked) == "ACCOUNT_LOCKED"
        # Not from elsewhere, and what was not evaluated has used nothing up.
        home = await raw(broker, "192.0.2.9")
        assert await code_of(home.ticket(ticket, owner.resume)) == "admitted"


async def test_an_abandoned_challenge_is_a_failure() -> None:
    async with memory_broker(lockout={"attempts": 2}) as broker:
        await with_lisa(broker.broker)
        for _ in range(2):
            stranger = await raw(broker)
            fields = {"username": "lisa", "client_nonce": bytes(32)}
            await stranger.peer.present("scram", fields)
            stranger.peer.cut()
            await stranger.peer.wait_closed()
        await until(lambda: broker.broker.counters["logins_evaluated"] == 2)
        assert await code_of((await raw(broker)).key()) == "ACCOUNT_LOCKED"


async def test_a_challenge_that_nobody_answers_ends_in_time() -> None:
    async with memory_broker(quarantine={"timeout": 0.2}) as broker:
        await with_lisa(broker.broker)
        stranger = await raw(broker)
        fields = {"username": "lisa", "client_nonce": bytes(32)}
        await stranger.peer.present("scram", fields)
        assert await stranger.peer.wait_closed() == "login_timeout"


async def test_l2_every_refused_proof_gets_the_same_bytes_and_no_slow_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[bytes] = []
    opening = ReceivingKey.open

    def spy(self: ReceivingKey, box: bytes) -> bytes:
        batch = opening(self, box)
        if not batch.startswith(b"finished"):
            said.extend(entry.data for entry in split_batch(batch, 100))
        return batch

    def hashed(*args: Any) -> Verifier:
        raise AssertionError("the broker hashes no password of a proof")

    async with memory_broker() as broker:
        await with_lisa(broker.broker)
        for name in ("gone", "bare"):
            facts: dict[str, Any] = {"username": name, "disabled": name == "gone"}
            if name == "bare":
                facts |= {"password": "sesame", "public_key": None}
            await with_lisa(broker.broker, **facts)
        monkeypatch.setattr(ReceivingKey, "open", spy)
        monkeypatch.setattr(passwords, "derive", hashed)
        logins: list[Callable[[Raw], Awaitable[Any]]] = [
            lambda one: one.scram("wrong"),
            lambda one: one.scram("sesame", "nobody"),
            lambda one: one.scram("sesame", "gone"),
            lambda one: one.key(OTHER),
            lambda one: one.key(KEY, "nobody"),
            lambda one: one.key(KEY, "gone"),
            lambda one: one.key(KEY, "bare"),
            lambda one: one.ticket(bytes(32), OTHER),
        ]
        answers = []
        for number, login in enumerate(logins):
            stranger = await raw(broker, f"192.0.2.{number}")
            said.clear()
            assert await code_of(login(stranger)) == BAD
            answers += [one for one in said if one[1] == LOGIN_REFUSED]
        assert len(answers) == len(logins)
        assert len({one.replace(b"\x07\x02", b"\x07\x01") for one in answers}) == 1


async def test_l3_proofs_do_not_wait_for_the_threads_that_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def slow(*args: Any) -> Verifier:
        release.wait(10)
        return derive(*args)

    cheap = {"opslimit": 2, "memlimit": 19 * 1024 * 1024, "workers": 1, "queue": 1}
    async with memory_broker(passwords=cheap) as broker:
        await with_lisa(broker.broker)
        owner = await raw(broker)
        ticket = (await owner.key())["ticket"]
        monkeypatch.setattr(passwords, "derive", slow)
        waiting = [await raw(broker, f"192.0.2.{n}") for n in range(20, 23)]
        logins = [asyncio.ensure_future(one.plain()) for one in waiting]
        await until(lambda: broker.broker.counters["logins_busy"] == 1)
        for login in (
            (await raw(broker)).scram(),
            (await raw(broker)).key(),
            (await raw(broker)).ticket(ticket, owner.resume),
        ):
            assert await code_of(login) == "admitted"
        release.set()
        outcomes = await asyncio.gather(*logins, return_exceptions=True)
        assert sum(isinstance(one, RequestRefused) for one in outcomes) == 1


# Telling.


async def test_s1_no_scheme_tells_what_it_proves_itself_with(
    starting: Starting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    told: list[str] = []
    secrets: dict[str, bytes] = {"password": b"sesame-mark-77aa"}
    async with starting() as broker, relaying(broker) as relay:
        password = secrets["password"].decode()
        await with_lisa(broker, password=password)
        secrets["seed"] = KEY._secret[:32]
        lisa = {"username": "lisa", "password": password}
        for data, scram in ((lisa, True), (BY_KEY, False)):
            async with open_session(
                relay.url, data, scram=scram, server_key=broker.server_key
            ) as session:
                lifecycle = session.connection._lifecycle
                before = session.session_id
                relay.cut()
                await until(partial(came_back, session, before))
                resumption, carrier = lifecycle.resumption, lifecycle._carrier
                assert carrier is not None
                assert carrier.resume_key is not None
                secrets[f"ticket {scram}"] = resumption._ticket or b""
                secrets[f"exporter {scram}"] = carrier.exporter or b""
                secrets[f"resume key {scram}"] = carrier.resume_key._secret[:32]
                told += map(
                    repr,
                    (
                        session,
                        session.connection,
                        lifecycle.accepted,
                        resumption,
                        resumption.login,
                        resumption.ticket(),
                        carrier,
                        carrier.resume_key,
                        *broker.sessions.values(),
                        dict(broker.counters),
                    ),
                )
            wrong = {"password": "wrong"} if scram else {"signing_key": OTHER}
            async with connect(broker.url, server_key=broker.server_key) as connection:
                with pytest.raises(LoginRefused) as refused:
                    await connection.login(data | wrong, scram=scram)
            told += [repr(refused.value), repr(vars(refused.value))]
    everything = "\n".join([*told, caplog.text])
    assert "login_accepted" in everything
    found = [name for name, one in secrets.items() if shows(everything, one)]
    assert found == []


def shows(text: str, secret: bytes) -> bool:
    """Whether a text has a secret in one of its usual forms."""
    assert len(secret) >= 16
    encoded = base64.b64encode(secret).decode().rstrip("=")
    forms = (secret.hex(), encoded, encoded.translate(URL_SAFE), repr(secret)[2:-1])
    return any(form in text for form in forms)


URL_SAFE = str.maketrans("+/", "-_")
