"""Logins decided by a web service: what it is asked, and what counts as an answer."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from http_service import Answering, Asked, Service, Told, never, serving
from vestibule.protocol.errors import ErrorCode
from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import Entrance
from vestibule.server.authenticators.webhook import WebhookAuthenticator, signature_of
from vestibule.server.config_authenticators import Webhook
from vestibule.server.directory.roles import BOUND, Roles
from vestibule.server.outgoing import Outgoing
from vestibule.server.secret import Secret


Logging = Callable[..., Attempt]

SECRET = b"k" * 32
NOW = 1_900_000_000.0


@asynccontextmanager
async def asking(
    entrance: Entrance, answering: Answering, **settings: Any
) -> AsyncIterator[tuple[WebhookAuthenticator, Service]]:
    async with serving(answering) as service:
        chosen = Webhook.model_validate(
            {
                "url": service.url,
                "secret_file": "unread",
                "retry_delay": 0.01,
                **settings,
            }
        )
        outgoing = Outgoing(most=chosen.concurrency)
        webhook = WebhookAuthenticator(
            chosen, Secret(SECRET), entrance, outgoing, clock=lambda: NOW
        )
        try:
            yield webhook, service
        finally:
            await webhook.close()


def saying(*answers: Any) -> Answering:
    """Answer with statuses and bodies, the last one for ever."""
    left = list(answers)

    async def answer(_: Asked) -> Told:
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, int):
            return Told(given, b"sorry")
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        return Told(200, body)

    return answer


def why(answer: Answer) -> str:
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.reason) == ("INVALID_AUTH_DATA", "invalid credentials")
    return answer.told or ""


async def decided(
    entrance: Entrance, attempt: Attempt, *answers: Any, **settings: Any
) -> Answer:
    async with asking(entrance, saying(*answers), **settings) as (webhook, _):
        return await webhook.authenticate(attempt)


def verified(asked: Asked) -> bool:
    """Check a signature as docs/authentication.md tells services to."""
    stamp, signature = asked.headers["vestibule-signature"].split(",")
    signed = stamp.removeprefix("t=").encode() + b"." + asked.body
    expected = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, f"v1={expected}")


async def test_the_service_is_asked_all_that_it_needs_and_can_verify_it(
    entrance: Entrance, login: Logging
) -> None:
    attempt = login(
        username="lisa", password="sesame", properties={"K": "v", "$Roles": "x"}
    )
    async with asking(entrance, saying({"action": "allow"})) as (webhook, service):
        await webhook.authenticate(attempt)
    (asked,) = service.asked
    assert verified(asked)
    assert asked.headers["vestibule-signature"].startswith("t=1900000000,v1=")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {
        "principal": "lisa",
        "scheme": "plain",
        "credentials": {"password": "sesame"},
        "connection": {
            "session_id": "00" * 16,
            "remote_address": "192.0.2.1",
            "origin": "https://app.example",
            "referer": None,
        },
        "proposed_properties": {"K": "v"},
        "reauthentication": False,
        "current_principal": None,
    }


def test_a_signature_covers_the_time_and_the_body() -> None:
    signature = signature_of(SECRET, 5, b"{}")
    assert signature != signature_of(SECRET, 6, b"{}")
    assert signature != signature_of(SECRET, 5, b"{ }")
    assert signature != signature_of(b"x" * 32, 5, b"{}")


async def test_where_a_proof_was_checked_no_secret_is_shown(
    entrance: Entrance, login: Logging
) -> None:
    proved = login(username="lisa", token="vst_x").proved(
        Admission("lisa", "directory")
    )
    async with asking(entrance, saying({"action": "abstain"})) as (webhook, service):
        assert await webhook.authenticate(proved) is None
    body = json.loads(service.asked[0].body)
    assert body["credentials"] == {"scheme": proved.scheme}


async def test_it_lets_in_whom_the_service_allows(
    entrance: Entrance, login: Logging
) -> None:
    attempt = login(username="lisa", password="x")
    plain = await decided(entrance, attempt, {"action": "allow"})
    assert plain == Admission("lisa", "webhook", BOUND)
    whole = await decided(
        entrance,
        attempt,
        {
            "action": "allow",
            "username": "eve",
            "groups": ["staff"],
            "properties": {"K": "v", "$Country": "de", "$ExpiryTime": "1900000005000"},
            "client_data": {"hello": True},
        },
    )
    assert isinstance(whole, Admission)
    assert (whole.username, whole.roles) == ("eve", Roles.fixed({"staff"}))
    assert (whole.properties, whole.location) == ({"K": "v"}, {"$Country": "DE"})
    assert whole.expires_at == 1_900_000_005_000
    assert whole.client_data == {"hello": True}


async def test_it_refuses_and_abstains_as_the_service_says(
    entrance: Entrance, login: Logging
) -> None:
    attempt = login(username="lisa")
    assert await decided(entrance, attempt, {"action": "abstain"}) is None
    denied = await decided(entrance, attempt, {"action": "deny", "reason": "on leave"})
    assert why(denied) == "on leave"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"username": "_ADMIN"}, "system"),
        ({"username": "gone"}, "disabled"),
        ({"username": "late"}, "locked out"),
        ({"username": "a/b"}, "no username"),
        ({"groups": ["unknown"]}, "groups"),
        ({"groups": ["_ADMIN"]}, "groups"),
        ({"properties": {"a b": "x"}}, "properties"),
        ({"properties": {"$ExpiryTime": "5"}}, "ExpiryTime"),
        ({"client_data": "x" * 20_000}, "client_data"),
    ],
)
async def test_an_admission_that_is_malformed_lets_nobody_in(
    entrance: Entrance, login: Logging, said: dict[str, Any], problem: str
) -> None:
    answer = await decided(
        entrance, login(username="lisa"), {"action": "allow", **said}, on_failure="skip"
    )
    assert problem in why(answer)


async def test_nobody_is_let_in_without_a_name(
    entrance: Entrance, login: Logging
) -> None:
    assert "no username" in why(await decided(entrance, login(), {"action": "allow"}))


UNUSABLE = {
    "a status": 500,
    "forbidden": 403,
    "created": 201,
    "no JSON": b"<html>",
    "nothing": b"",
    "a list": [],
    "no action": {},
    "an unknown action": {"action": "maybe"},
    "true": {"action": True},
    "another key": {"action": "allow", "admin": True},
    "groups in text": {"action": "allow", "groups": "staff"},
    "a number in groups": {"action": "allow", "groups": [5]},
    "a property that is no text": {"action": "allow", "properties": {"a": 5}},
    "too long": b" " * 70_000,
    "deep": b"[" * 60_000,
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_an_unusable_answer_fails_closed_or_is_skipped(
    entrance: Entrance, login: Logging, what: str
) -> None:
    attempt = login(username="lisa", password="sesame")
    with structlog.testing.capture_logs() as lines:
        denied = await decided(entrance, attempt, UNUSABLE[what])
        assert why(denied).startswith("webhook: ")
        skipped = await decided(entrance, attempt, UNUSABLE[what], on_failure="skip")
    assert skipped is None
    assert [line["event"] for line in lines] == ["webhook.failed"] * 2
    assert "sesame" not in repr(lines)


async def test_some_statuses_are_worth_another_try(
    entrance: Entrance, login: Logging
) -> None:
    answering = saying(503, 429, {"action": "allow"})
    async with asking(entrance, answering) as (webhook, service):
        answer = await webhook.authenticate(login(username="lisa"))
    assert isinstance(answer, Admission)
    assert len(service.asked) == 3
    assert all(verified(asked) for asked in service.asked)


async def test_tries_are_bounded_and_other_statuses_are_final(
    entrance: Entrance, login: Logging
) -> None:
    async with asking(entrance, saying(503), retries=2) as (webhook, service):
        assert "503" in why(await webhook.authenticate(login(username="lisa")))
        assert len(service.asked) == 3
    async with asking(entrance, saying(500), retries=2) as (webhook, service):
        assert "500" in why(await webhook.authenticate(login(username="lisa")))
        assert len(service.asked) == 1


async def test_time_bounds_all_tries_together(
    entrance: Entrance, login: Logging
) -> None:
    settings = {"timeout": 0.2, "retries": 10, "retry_delay": 0.05}
    async with asking(entrance, saying(503), **settings) as (webhook, service):
        async with asyncio.timeout(2):
            assert "503" in why(await webhook.authenticate(login(username="lisa")))
        assert len(service.asked) < 5


async def test_a_silent_service_is_waited_for_as_long_as_said(
    entrance: Entrance, login: Logging
) -> None:
    async with asking(entrance, never, timeout=0.05) as (webhook, _):
        assert "in time" in why(await webhook.authenticate(login(username="lisa")))


async def test_a_service_that_is_not_there_lets_nobody_in(
    entrance: Entrance, login: Logging
) -> None:
    async with serving(never) as gone:
        pass
    async with asking(entrance, never, retries=1, url=gone.url) as (webhook, _):
        answer = await webhook.authenticate(login(username="lisa"))
    assert "request failed" in why(answer)


async def test_no_more_questions_at_a_time_than_said_and_the_rest_hear_busy(
    entrance: Entrance, login: Logging
) -> None:
    at_once: list[int] = [0, 0]

    async def slow(_: Asked) -> Told:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.02)
        at_once[0] -= 1
        return Told(200, b'{"action": "allow"}')

    async with asking(entrance, slow, concurrency=2) as (webhook, _):
        answers = await asyncio.gather(
            *(webhook.authenticate(login(username=f"u{n}")) for n in range(10))
        )
    assert all(isinstance(answer, Admission) for answer in answers)
    assert at_once[1] == 2


async def test_a_question_that_is_not_asked_in_time_is_busy_and_no_failure(
    entrance: Entrance, login: Logging
) -> None:
    settings = {"concurrency": 1, "timeout": 0.05}
    async with asking(entrance, never, **settings) as (webhook, service):
        await webhook._free.acquire()
        answer = await webhook.authenticate(login(username="lisa"))
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.evaluated) == (ErrorCode.BUSY, False)
    assert service.asked == []


async def test_a_stranger_that_leaves_frees_the_place(
    entrance: Entrance, login: Logging
) -> None:
    async with asking(entrance, never, concurrency=1) as (webhook, service):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await webhook.authenticate(login(username="lisa"))
        assert len(service.asked) == 3


async def test_bytes_in_login_data_are_sent_as_base64(
    entrance: Entrance, login: Logging
) -> None:
    async with asking(entrance, saying({"action": "deny"})) as (webhook, service):
        await webhook.authenticate(login(username="x", raw=b"\x00\xff"))
    assert json.loads(service.asked[0].body)["credentials"] == {"raw": "AP8="}
