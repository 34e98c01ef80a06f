"""Keys of tokens: which file or set gives which, and what each can check."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from issuer import jwk, key_file, key_for, key_set, pem, rsa_key
from vestibule.server.authenticators.web_keys import (
    InvalidKeySet,
    fitting,
    keys_of_file,
    keys_of_set,
)
from vestibule.server.config_authenticators import Jwt
from vestibule.server.config_source import ConfigError


def settings(path: Path, *algorithms: str) -> Jwt:
    return Jwt.model_validate(
        {"algorithms": algorithms, "key_file": path, "issuer": None, "audience": None}
    )


ALL = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (key_for("RS256"), {"RS256", "RS384", "RS512"}),
        (key_for("ES256"), {"ES256"}),
        (key_for("ES384"), {"ES384"}),
        (key_for("ES512"), {"ES512"}),
        (key_for("EdDSA"), {"EdDSA"}),
        (rsa.generate_private_key(65_537, 1_024), set()),  # noqa: S505 - that it is weak is the test
        (ec.generate_private_key(ec.SECP256K1()), set()),
        (ed448.Ed448PrivateKey.generate(), set()),
        (x25519.X25519PrivateKey.generate(), set()),
    ],
    ids=["rsa", "p256", "p384", "p521", "ed25519", "short rsa", "k1", "ed448", "x"],
)
def test_a_key_is_for_the_algorithms_of_its_family(
    key: Any, expected: set[str]
) -> None:
    assert fitting(key.public_key()) == expected


async def test_a_file_may_hold_a_few_public_keys(tmp_path: Path) -> None:
    path = key_file(tmp_path, pem(key_for("ES256")) + b"# next\n" + pem(rsa_key()))
    keys = keys_of_file(settings(path, "ES256", "RS256"))
    assert len(await keys.candidates("ES256", "whatever")) == 1
    assert len(await keys.candidates("RS256", None)) == 1
    assert await keys.candidates("RS512", None) == ()


async def test_a_secret_is_a_key_for_its_algorithms_and_not_shown(
    tmp_path: Path,
) -> None:
    path = key_file(tmp_path, b"s" * 64 + b"\n")
    (key,) = await keys_of_file(settings(path, "HS256", "HS512")).candidates(
        "HS512", None
    )
    assert key.usable() == b"s" * 64
    assert "ss" not in repr(key)


def private_pem() -> bytes:
    return rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "mode", "algorithms", "problem"),
    [
        (b"s" * 31, 0o600, ["HS256"], "shorter than 32 bytes"),
        (b"s" * 63, 0o600, ["HS256", "HS512"], "shorter than 64 bytes"),
        (b"s" * 64, 0o640, ["HS256"], "make it 0600"),
        (pem(rsa_key()), 0o600, ["HS256"], "is a key in PEM form, not a secret"),
        (private_pem(), 0o600, ["RS256"], "holds a private key"),
        (pem(rsa_key()), 0o666, ["RS256"], "make it 0644"),
        (pem(rsa_key()), 0o600, ["ES256"], "none of jwt.algorithms is for"),
        (pem(rsa_key()), 0o600, ["RS256", "ES256"], "no key for ES256"),
        (b"", 0o600, ["RS256"], "holds 0 public keys"),
        (pem(key_for("ES256")) * 5, 0o600, ["ES256"], "holds 5 public keys"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            0o600,
            ["RS256"],
            "what is no public key",
        ),
    ],
)
def test_a_file_that_does_not_fit_stops_the_start(
    tmp_path: Path, content: bytes, mode: int, algorithms: list[str], problem: str
) -> None:
    path = key_file(tmp_path, content, mode)
    with pytest.raises(ConfigError, match=problem):
        keys_of_file(settings(path, *algorithms))


def test_a_set_gives_its_public_signature_keys_and_nothing_else() -> None:
    private = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(), as_dict=True)
    ed = key_for("EdDSA")
    keys = keys_of_set(
        key_set(
            jwk(ed, kid="good"),
            jwk(ed, kid="encrypts", use="enc"),
            jwk(ed, kid="signs", key_ops=["sign"]),
            jwk(ed, kid="other", alg="ES256"),
            jwk(ed, kid="odd", alg=5),
            jwk(ed, kid=7),
            jwk(rsa_key(), kid="limited", alg="RS512"),
            {**private, "kid": "leaked"},
            {"kty": "oct", "k": "c2VzYW1l", "kid": "secret", "alg": "HS256"},
            {"kty": "OKP", "crv": "Ed25519", "x": "!", "kid": "broken"},
            {"kty": "what"},
            {},
        ),
        ALL,
    )
    assert [(key.id, set(key.algorithms)) for key in keys] == [
        ("good", {"EdDSA"}),
        ("limited", {"RS512"}),
    ]


def test_algorithms_that_are_not_configured_are_in_no_key() -> None:
    keys = keys_of_set(key_set(jwk(rsa_key(), kid="a")), frozenset({"RS384"}))
    assert [set(key.algorithms) for key in keys] == [{"RS384"}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"keys": 5}',
        b"{}",
        b"[" * 100_000,
        b"\xff",
        key_set(*[{}] * 101),
    ],
    ids=lambda body: str(body[:12]),
)
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidKeySet):
        keys_of_set(body, ALL)
