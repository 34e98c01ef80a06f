"""Logins by JSON Web Token: what is believed, what it gives, and what is refused."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from issuer import AUDIENCE, ISSUER, claims, key_for, pem, token, unsigned
from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import Entrance
from vestibule.server.authenticators.web_keys import FileKeys, WebKey, fitting
from vestibule.server.authenticators.web_tokens import JwtAuthenticator
from vestibule.server.config_authenticators import Jwt
from vestibule.server.directory.roles import BOUND, Roles
from vestibule.server.secret import Secret


Logging = Callable[..., Attempt]

KEYS = {name: key_for(name) for name in ("HS256", "RS256", "ES256", "ES512", "EdDSA")}


def member(
    entrance: Entrance,
    *algorithms: str,
    keys: list[Any] | None = None,
    now: float | None = None,
    **settings: Any,
) -> JwtAuthenticator:
    chosen = Jwt.model_validate(
        {
            "algorithms": algorithms or ("EdDSA",),
            "key_file": "unread",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            **settings,
        }
    )
    usable = []
    for key in [KEYS[name] for name in chosen.algorithms] if keys is None else keys:
        if isinstance(key, bytes):
            usable.append(WebKey(frozenset(chosen.algorithms), None, Secret(key)))
        else:
            public = key.public_key()
            usable.append(WebKey(fitting(public), None, public))
    return JwtAuthenticator(
        chosen,
        FileKeys(tuple(usable)),
        entrance,
        clock=time.time if now is None else lambda: now,
    )


def good(algorithm: str = "EdDSA", **changed: Any) -> str:
    return token(KEYS[algorithm], algorithm, **changed)


def refused(answer: Answer) -> str:
    """Give what the audit log is told; the client hears the same of all."""
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.reason) == ("INVALID_AUTH_DATA", "invalid credentials")
    assert answer.evaluated
    assert answer.client_data is None
    return answer.told or ""


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_good_token_of_each_family_lets_in(
    entrance: Entrance, login: Logging, algorithm: str
) -> None:
    answer = await member(entrance, algorithm).authenticate(login(jwt=good(algorithm)))
    assert isinstance(answer, Admission)
    assert (answer.username, answer.authenticator) == ("lisa", "jwt")
    assert answer.roles == BOUND


async def test_without_a_token_it_abstains(entrance: Entrance, login: Logging) -> None:
    jwts = member(entrance)
    assert await jwts.authenticate(login()) is None
    assert await jwts.authenticate(login(username="lisa", password="sesame")) is None
    assert await jwts.authenticate(login(token=good())) is None


async def test_where_a_proof_was_checked_it_abstains(
    entrance: Entrance, login: Logging
) -> None:
    proved = login(username="lisa").proved(Admission("lisa", "directory"))
    assert await member(entrance).authenticate(proved) is None


def tampered() -> str:
    header, _, signature = good().split(".")
    _, body, _ = good(sub="_ADMIN").split(".")
    return f"{header}.{body}.{signature}"


BAD: dict[str, tuple[Any, str]] = {
    "no text": (5, "no token"),
    "nothing": ("", "no token"),
    "no token": ("a.b.c", "no token"),
    "two parts": ("e30.e30", "no token"),
    "much too long": ("x" * 16_000, "no token"),
    "a body of another token": (tampered(), "a wrong signature"),
    "alg none": (unsigned({"alg": "none"}, claims()), "not configured"),
    "alg None": (unsigned({"alg": "None"}, claims()), "not configured"),
    "no alg": (unsigned({}, claims()), "not configured"),
    "an alg that is no text": (
        unsigned({"alg": ["EdDSA"]}, claims()),
        "not configured",
    ),
    "another family": (good("RS256"), "not configured"),
    "no signature": (unsigned({"alg": "EdDSA"}, claims()), "a wrong signature"),
    "another key": (token(key_for("EdDSA"), "EdDSA"), "a wrong signature"),
    "expired": (good(exp=int(time.time()) - 31), "ExpiredSignatureError"),
    "no expiry": (good(exp=None), "MissingRequiredClaimError"),
    "expiry in words": (good(exp="tomorrow"), "DecodeError"),
    "not yet": (good(nbf=int(time.time()) + 86_400), "ImmatureSignatureError"),
    "made in the future": (
        good(iat=int(time.time()) + 86_400),
        "ImmatureSignatureError",
    ),
    "another issuer": (good(iss="https://evil.example"), "InvalidIssuerError"),
    "no issuer": (good(iss=None), "MissingRequiredClaimError"),
    "another audience": (good(aud="others"), "InvalidAudienceError"),
    "no audience": (good(aud=None), "MissingRequiredClaimError"),
    "no name": (good(sub=None), "no username"),
    "the administrator": (good(sub="_ADMIN"), "a username of the system's"),
    "a name with a slash": (good(sub="a/b"), "no username"),
    "a disabled user": (good(sub="gone"), "disabled or expired"),
    "a locked user": (good(sub="late"), "locked out"),
    "an extension nobody knows": (
        unsigned({"alg": "EdDSA", "crit": ["x"], "x": 1}, claims()),
        "no token",
    ),
    "a detached body": (
        unsigned({"alg": "EdDSA", "crit": ["b64"], "b64": False}, claims()),
        "",
    ),
    "a key id that is none": (
        unsigned({"alg": "EdDSA", "kid": 5}, claims()),
        "",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_token_is_refused_and_only_the_audit_log_knows_why(
    entrance: Entrance, login: Logging, what: str
) -> None:
    sent, why = BAD[what]
    with structlog.testing.capture_logs() as lines:
        told = refused(await member(entrance).authenticate(login(jwt=sent)))
    assert why in told
    assert lines == []
    if isinstance(sent, str) and len(sent) > 10:
        assert sent not in told
        assert not any(part in told for part in sent.split(".") if len(part) > 8)


async def test_a_public_key_is_no_secret(entrance: Entrance, login: Logging) -> None:
    """RFC 8725, 2.1: what everybody knows cannot sign."""
    signed = unsigned({"alg": "HS256"}, claims()).removesuffix(".")
    public = pem(KEYS["RS256"])
    mac = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    answer = await member(entrance, "RS256").authenticate(login(jwt=forged))
    assert "not configured" in refused(answer)


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"x5c": ["AAAA"]},
    ],
)
async def test_s3_keys_that_a_token_brings_are_not_used(
    entrance: Entrance, login: Logging, header: dict[str, Any]
) -> None:
    forged = token(key_for("EdDSA"), "EdDSA", header)
    answer = await member(entrance).authenticate(login(jwt=forged))
    assert "signature" in refused(answer)


async def test_each_key_of_a_file_is_tried(entrance: Entrance, login: Logging) -> None:
    before, after = key_for("EdDSA"), key_for("EdDSA")
    jwts = member(entrance, keys=[before, after])
    for key in (before, after):
        answer = await jwts.authenticate(login(jwt=token(key, "EdDSA")))
        assert isinstance(answer, Admission)


async def test_a_name_that_is_said_besides_must_be_that_of_the_token(
    entrance: Entrance, login: Logging
) -> None:
    jwts = member(entrance)
    same = await jwts.authenticate(login(username="lisa", jwt=good()))
    assert isinstance(same, Admission)
    other = await jwts.authenticate(login(username="bob", jwt=good()))
    assert "somebody else" in refused(other)


@pytest.mark.parametrize("unset", ["issuer", "audience"])
async def test_issuer_and_audience_are_left_unchecked_only_when_said(
    entrance: Entrance, login: Logging, unset: str
) -> None:
    jwts = member(entrance, **{unset: None})
    other = good(**{{"issuer": "iss", "audience": "aud"}[unset]: "anything"})
    assert isinstance(await jwts.authenticate(login(jwt=other)), Admission)


async def test_one_of_several_audiences_is_enough(
    entrance: Entrance, login: Logging
) -> None:
    jwts = member(entrance, audience=["a", "b"])
    assert isinstance(
        await jwts.authenticate(login(jwt=good(aud=["x", "b"]))), Admission
    )


async def test_the_session_ends_with_its_token(
    entrance: Entrance, login: Logging
) -> None:
    exp = int(time.time()) + 600
    answer = await member(entrance).authenticate(login(jwt=good(exp=exp)))
    assert isinstance(answer, Admission)
    assert answer.expires_at == exp * 1_000


async def test_a_token_let_in_by_grace_has_the_rest_of_the_grace(
    entrance: Entrance, login: Logging
) -> None:
    exp = int(time.time()) - 5
    answer = await member(entrance, leeway=30.0).authenticate(login(jwt=good(exp=exp)))
    assert isinstance(answer, Admission)
    assert answer.expires_at == (exp + 30) * 1_000


async def test_groups_of_a_token_are_those_that_exist_behind_the_prefix(
    entrance: Entrance, login: Logging
) -> None:
    jwts = member(entrance, groups_claim="groups")
    for named, expected in (
        (["staff", "unknown", "_ADMIN"], {"jwt-staff"}),
        ("staff", {"jwt-staff"}),
        ([], set()),
        (None, set()),
    ):
        answer = await jwts.authenticate(login(jwt=good(groups=named)))
        assert isinstance(answer, Admission)
        assert answer.roles == Roles.fixed(expected)


async def test_no_token_gives_a_group_of_the_system(
    entrance: Entrance, login: Logging
) -> None:
    jwts = member(entrance, groups_claim="groups", group_prefix="")
    named = good(groups=["_ADMIN", "_GUEST", "staff"])
    answer = await jwts.authenticate(login(jwt=named))
    assert isinstance(answer, Admission)
    assert answer.roles == Roles.fixed({"staff"})


@pytest.mark.parametrize("groups", [5, {"a": 1}, ["staff", 5], ["g"] * 1_001])
async def test_a_malformed_claim_of_groups_refuses(
    entrance: Entrance, login: Logging, groups: Any
) -> None:
    jwts = member(entrance, groups_claim="groups")
    answer = await jwts.authenticate(login(jwt=good(groups=groups)))
    assert "groups" in refused(answer)


async def test_claims_become_properties(entrance: Entrance, login: Logging) -> None:
    jwts = member(
        entrance,
        property_claims={"team": "team", "n": "number", "ok": "ok", "no": "no"},
    )
    answer = await jwts.authenticate(login(jwt=good(team="red", n=5, ok=True)))
    assert isinstance(answer, Admission)
    assert answer.properties == {"team": "red", "number": "5", "ok": "true"}


@pytest.mark.parametrize("team", [["red"], {"a": 1}, "x" * 5_000])
async def test_a_claim_that_is_no_property_refuses(
    entrance: Entrance, login: Logging, team: Any
) -> None:
    jwts = member(entrance, property_claims={"team": "team"})
    assert "properties" in refused(await jwts.authenticate(login(jwt=good(team=team))))


async def test_another_claim_may_be_the_name(
    entrance: Entrance, login: Logging
) -> None:
    jwts = member(entrance, username_claim="email")
    answer = await jwts.authenticate(login(jwt=good(email="eve@example.org")))
    assert isinstance(answer, Admission)
    assert answer.username == "eve@example.org"


@pytest.mark.parametrize(
    "claimed", [{"exp": 1e400}, {"exp": 10**30}, {"iat": "x"}, {"nbf": []}]
)
async def test_odd_numbers_are_refused_not_raised(
    entrance: Entrance, login: Logging, claimed: dict[str, Any]
) -> None:
    answer = await member(entrance).authenticate(login(jwt=good(**claimed)))
    assert isinstance(answer, Refusal | Admission)
    if "exp" not in claimed or claimed["exp"] == 1e400:
        refused(answer)


def test_no_repr_shows_a_token(login: Logging) -> None:
    attempt: Attempt = login(jwt=good())
    assert good().split(".")[0] not in repr(attempt)
