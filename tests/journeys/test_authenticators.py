"""Who is let in by others: control authenticators, tokens, a web service, on a socket."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from http_service import Asked, Told, never, serving
from issuer import (
    AUDIENCE,
    ISSUER,
    Issuer,
    claims,
    key_file,
    pem,
    rsa_key,
    token,
    unsigned,
)
from vestibule.client import (
    Abstain,
    Allow,
    AuthenticationRequest,
    Authenticator,
    Deny,
    LoginRefused,
    MessageDenied,
    RequestFailed,
    Session,
    open_session,
)
from vestibule.server import Broker

from .conftest import ADMIN_PASSWORD, Starting, until


CHAIN: list[Any] = [
    {"name": "control:door", "timeout": 0.3},
    "directory",
    {"name": "control:last", "timeout": 5, "on_failure": "skip"},
]


@asynccontextmanager
async def session_of(broker: Broker, **auth_data: Any) -> AsyncIterator[Session]:
    async with open_session(
        broker.url, auth_data, server_key=broker.server_key
    ) as session:
        yield session


@asynccontextmanager
async def admin_of(broker: Broker) -> AsyncIterator[Session]:
    async with session_of(
        broker, username="_ADMIN", password=ADMIN_PASSWORD
    ) as session:
        yield session


async def refused(broker: Broker, **auth_data: Any) -> str:
    with pytest.raises(LoginRefused) as caught:
        async with session_of(broker, **auth_data):
            pass
    assert caught.value.reason == "invalid credentials"
    return caught.value.code


async def principal_of(broker: Broker, username: str) -> str:
    async with session_of(broker, username=username) as session:
        return session.security.get_principal()


WRONG = "INVALID_AUTH_DATA"


class Door(Authenticator):
    """Does as the name says that somebody logs in with."""

    def __init__(self) -> None:
        self.requests: list[AuthenticationRequest] = []
        self.codes: list[str] = []
        self.cancelled = 0

    async def authenticate(self, request: AuthenticationRequest) -> Any:
        self.requests.append(request)
        match request.principal:
            case "answers":
                if request.credentials.get("code") == 7:
                    return Allow({"$Roles": '"staff"', "team": "red"})
                return Deny("a wrong code")
            case "hangs":
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
            case "raises":
                raise RuntimeError(str(request.credentials))
            case "lies":
                return True
            case "boasts":
                return Allow({"$Principal": "_NOBODY", "$SessionId": "0"})
            case _:
                return Abstain()

    async def closed(self, code: str) -> None:
        self.codes.append(code)


async def test_a_control_authenticator_answers_abstains_hangs_and_lies(
    starting: Starting, caplog: pytest.LogCaptureFixture
) -> None:
    async with starting(authenticators=CHAIN) as broker, admin_of(broker) as admin:
        door = Door()
        registration = await admin.security.set_authenticator("door", door)
        async with session_of(broker, username="answers", code=7) as session:
            assert session.security.get_principal() == "answers"
            properties = await admin.security.get_session_properties(session.session_id)
            assert (properties["$Roles"], properties["team"]) == ('"staff"', "red")
        assert await refused(broker, username="answers", code=8) == WRONG
        # It abstains, and the directory decides.
        async with admin_of(broker):
            pass
        for how in ("hangs", "raises", "lies", "boasts"):
            async with asyncio.timeout(3):
                assert await refused(broker, username=how, password="sesame") == WRONG
        await until(lambda: door.cancelled == 1)
        # None of this has disabled it.
        async with session_of(broker, username="answers", code=7):
            pass
        assert "sesame" not in repr(door.requests)
        await registration.close()
        await registration.close()
        assert door.codes == ["CLOSED"]
        assert await refused(broker, username="answers", code=7) == WRONG
    assert "sesame" not in caplog.text
    assert "a wrong code" in caplog.text


async def test_a_control_authenticator_that_dies_is_replaced_and_then_absent(
    starting: Starting,
) -> None:
    async with starting(authenticators=CHAIN) as broker:
        dying = Door()
        async with admin_of(broker) as admin:
            async with admin_of(broker) as other:
                await other.security.set_authenticator("last", dying)
                logging_in = asyncio.ensure_future(principal_of(broker, "hangs"))
                await until(lambda: dying.requests)
                # Another one is there to be asked with the rest of the time.
                await admin.security.set_authenticator("last", lambda _: Allow())
            assert await logging_in == "hangs"
            assert dying.codes == ["SESSION_CLOSED"]
        assert await refused(broker, username="eve", password="x") == WRONG


async def test_a_plain_function_will_do_and_the_right_to_it_can_be_lost(
    starting: Starting,
) -> None:
    async with starting(authenticators=CHAIN) as broker, admin_of(broker) as admin:
        for name in ("other", "directory"):
            door = Door()
            with pytest.raises(RequestFailed) as caught:
                await admin.security.set_authenticator(name, door)
            assert caught.value.code == "UNKNOWN_AUTHENTICATOR"
            assert door.codes == ["UNKNOWN_AUTHENTICATOR"]
        odd: Any
        for odd in (None, 5, "door"):
            with pytest.raises(TypeError):
                await admin.security.set_authenticator("door", odd)
        security = admin.security
        await security.update_security_store("set 'r' permissions [REGISTER_HANDLER]")
        await admin.exchange.security.add_user(
            {"username": "reg", "password": "x", "groups": {"r": True}}
        )
        async with session_of(broker, username="reg", password="x") as session:
            codes: list[str] = []

            class Hearing(Authenticator):
                def authenticate(self, request: AuthenticationRequest) -> Allow:
                    return Allow(directory_groups=request.principal == "_ADMIN")

                def closed(self, code: str) -> None:
                    codes.append(code)

            hearing = Hearing()
            with pytest.raises(MessageDenied):
                await session.security.set_authenticator("last", hearing)
            await security.update_security_store(
                "set 'r' permissions [REGISTER_HANDLER AUTHENTICATE]"
            )
            registration = await session.security.set_authenticator("last", hearing)
            with pytest.raises(RequestFailed) as caught:
                await session.security.set_authenticator("last", Door())
            assert caught.value.code == "HANDLER_CONFLICT"
            async with session_of(broker, username="eve") as eve:
                assert eve.username == "eve"
            await security.update_security_store("set 'r' permissions []")
            assert await refused(broker, username="eve") == WRONG
            await until(lambda: len(codes) == 2)
            assert codes == ["MESSAGE_DENIED", "PERMISSION_REVOKED"]
            assert registration.closed_with == "PERMISSION_REVOKED"
            await registration.close()
            assert len(codes) == 2


# JSON Web Tokens.


@asynccontextmanager
async def issuing(starting: Starting, **jwt: Any) -> AsyncIterator[tuple[Any, Broker]]:
    """Run an issuer with a key set on loopback, and a broker that believes it."""
    issuer = Issuer()
    issuer.rotate("one")

    async def keys(_: Asked) -> Told:
        return Told(200, issuer.set(), {"Content-Type": "application/json"})

    async with serving(keys) as service:
        settings = {
            "algorithms": ["EdDSA"],
            "keys_url": service.url,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "refresh_interval": 1.0,
            **jwt,
        }
        async with starting(
            authenticators=["jwt", "directory"],
            jwt=settings,
            lockout={"enabled": False},
            quarantine={"max_failures_per_address": 10_000},
        ) as broker:
            issuer.asked = service.asked  # type: ignore[attr-defined]  # for whoever counts
            yield issuer, broker


async def test_s3_a_token_lets_in_and_bad_ones_of_all_kinds_do_not(
    starting: Starting, caplog: pytest.LogCaptureFixture
) -> None:
    async with issuing(starting, groups_claim="groups") as (issuer, broker):
        async with admin_of(broker) as admin:
            await admin.exchange.security.add_group({"name": "jwt-staff"})
            good = issuer.token(groups=["staff", "_ADMIN"])
            async with session_of(broker, jwt=good) as session:
                assert session.username == "lisa"
                shown = await admin.security.get_session_properties(session.session_id)
                assert shown["$Roles"] == '"jwt-staff"'
                assert int(shown["$ExpiryTime"]) > time.time() * 1000
        bad = [
            issuer.token(exp=int(time.time()) - 100),
            issuer.token(aud="others"),
            issuer.token(iss="others"),
            issuer.token(sub="_ADMIN"),
            unsigned({"alg": "none"}, claims()),
            token(b"s" * 64, "HS256"),
            token(rsa_key(), "RS256", {"kid": "one"}),
            good[:-4] + "AAAA",
        ]
        for sent in bad:
            assert await refused(broker, jwt=sent) == WRONG
        # One reading at the start; one more, at most, for what may be a new key.
        before = len(issuer.asked)
        for number in range(40):
            key = {"kid": f"unknown {number}", "jku": "http://127.0.0.1:9/"}
            sent = token(issuer.keys["one"], "EdDSA", key)
            assert await refused(broker, jwt=sent) == WRONG
        assert len(issuer.asked) <= before + 3
    for sent in (good, *bad):
        assert sent not in caplog.text
        assert sent.split(".")[1] not in caplog.text


async def test_a_new_key_of_the_issuer_is_found_and_an_old_one_forgotten(
    starting: Starting,
) -> None:
    async with issuing(starting, cache=1, stale=2) as (issuer, broker):
        old = issuer.token()
        async with session_of(broker, jwt=old):
            pass
        issuer.rotate("two", keep=False)
        new = issuer.token()
        # The interval between two readings is over at some time.
        async with asyncio.timeout(5):
            while True:
                try:
                    async with session_of(broker, jwt=new):
                        break
                except LoginRefused:
                    await asyncio.sleep(0.05)
        assert await refused(broker, jwt=old) == WRONG


async def test_a_session_ends_with_its_token(starting: Starting) -> None:
    async with issuing(starting) as (issuer, broker):
        short = issuer.token(exp=int(time.time()) + 2)
        async with session_of(broker, jwt=short) as session:
            async with asyncio.timeout(5):
                assert await session.wait_closed() == "expired"


async def test_keys_from_a_file_and_files_that_stop_the_start(
    starting: Starting, tmp_path: Path
) -> None:
    path = key_file(tmp_path, pem(rsa_key()), 0o644)
    jwt = {
        "algorithms": ["RS256"],
        "key_file": path,
        "issuer": ISSUER,
        "audience": None,
    }
    async with (
        starting(authenticators=["jwt"], jwt=jwt) as broker,
        session_of(broker, jwt=token(rsa_key(), "RS256")) as session,
    ):
        assert session.username == "lisa"
    path.chmod(0o666)
    with pytest.raises(ValueError, match="others may use it"):
        async with starting(authenticators=["jwt"], jwt=jwt):
            pass


# A web service.


async def test_a_web_service_decides_and_fails_closed(
    starting: Starting, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    async def service(request: Asked) -> Told:
        question = json.loads(request.body)
        asked.append(question)
        match question["principal"]:
            case "lisa" if question["credentials"] == {"password": "sesame"}:
                answer = {"action": "allow", "groups": [], "client_data": {"hi": 5}}
                return Told(200, json.dumps(answer).encode())
            case "flaky" if len(asked) % 3:
                return Told(503)
            case "flaky":
                return Told(200, b'{"action": "allow"}')
            case "slow":
                return await never(request)
            case "huge":
                return Told(200, b" " * 100_000)
            case "broken":
                return Told(500, b"sesame")
            case "_ADMIN":
                return Told(200, b'{"action": "abstain"}')
            case _:
                return Told(200, b'{"action": "deny", "reason": "unknown"}')

    secret = tmp_path / "webhook.secret"
    secret.write_text(base64.b64encode(b"k" * 32).decode())
    secret.chmod(0o600)
    async with (
        serving(service) as web,
        starting(
            authenticators=["webhook", "directory"],
            webhook={
                "url": web.url,
                "secret_file": secret,
                "timeout": 0.5,
                "retry_delay": 0.01,
            },
        ) as broker,
    ):
        async with session_of(broker, username="lisa", password="sesame") as session:
            assert session.client_data == {"hi": 5}
        asked.clear()
        async with session_of(broker, username="flaky"):
            assert len(asked) == 3
        async with admin_of(broker):
            pass
        for name in ("eve", "slow", "huge", "broken"):
            async with asyncio.timeout(3):
                assert await refused(broker, username=name, password="x") == WRONG
