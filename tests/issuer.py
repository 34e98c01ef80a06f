"""An issuer of JSON Web Tokens for tests: its keys, its key set, good and bad tokens."""

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


ISSUER = "https://issuer.example"
AUDIENCE = "vestibule"

_RSA: list[rsa.RSAPrivateKey] = []


def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Give one of a few RSA keys; making one takes long."""
    while len(_RSA) <= number:
        _RSA.append(rsa.generate_private_key(65_537, 2_048))
    return _RSA[number]


def key_for(algorithm: str) -> Any:
    """Make a private key for an algorithm."""
    match algorithm[:2]:
        case "RS":
            return rsa_key()
        case "ES":
            curves: dict[str, ec.EllipticCurve] = {
                "ES256": ec.SECP256R1(),
                "ES384": ec.SECP384R1(),
                "ES512": ec.SECP521R1(),
            }
            return ec.generate_private_key(curves[algorithm])
        case "Ed":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return b"s" * 64


def pem(key: Any) -> bytes:
    """Give the public half as PEM."""
    encoded: bytes = key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def jwk(key: Any, **facts: Any) -> dict[str, Any]:
    """Give the public half as an entry of a key set."""
    match key:
        case rsa.RSAPrivateKey():
            entry = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            entry = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case _:
            entry = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**entry, "use": "sig", **facts}


def key_set(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(entries)}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """Give good claims; None leaves one out."""
    now = int(time.time())
    whole = {
        "sub": "lisa",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 600,
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def token(
    key: Any,
    algorithm: str,
    header: dict[str, Any] | None = None,
    **changed: Any,
) -> str:
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers=header)


def unsigned(header: dict[str, Any], body: dict[str, Any]) -> str:
    """Give a token whose signature is empty, with any header."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, body)
    ]
    return ".".join([*parts, ""])


@dataclass
class Issuer:
    """Keys by id, of which the current one signs."""

    keys: dict[str, Any] = field(default_factory=dict)
    current: str = ""

    def rotate(self, key_id: str, *, keep: bool = True) -> None:
        """Sign by a new key from now on."""
        if not keep:
            self.keys.clear()
        self.keys[key_id] = ed25519.Ed25519PrivateKey.generate()
        self.current = key_id

    def set(self) -> bytes:
        return key_set(*(jwk(key, kid=name) for name, key in self.keys.items()))

    def token(self, **changed: Any) -> str:
        key = self.keys[self.current]
        return token(key, "EdDSA", {"kid": self.current}, **changed)


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "jwt.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path
