"""Keys that signatures of JSON Web Tokens are checked with, and which they can check."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from vestibule.server.config_authenticators import Jwt
from vestibule.server.config_source import ConfigError
from vestibule.server.secret import Secret
from vestibule.server.secretfile import read_public_file, read_secret_file


__all__ = [
    "FileKeys",
    "InvalidKeySet",
    "KeySource",
    "WebKey",
    "fitting",
    "keys_of_file",
    "keys_of_set",
]

_RSA_BITS: Final = range(2_048, 8_193)
"""Below it is broken, above it costs more than it is worth."""

_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_RSA: Final = frozenset({"RS256", "RS384", "RS512"})
_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518, 3.2: a secret is as long as the signature."""

_MOST_IN_FILE: Final = 4
_MOST_IN_SET: Final = 100

_PEM: Final = re.compile(
    r"-----BEGIN PUBLIC KEY-----\s[^-]*-----END PUBLIC KEY-----", re.ASCII
)

_SYMMETRIC_OR_PRIVATE: Final = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})


class InvalidKeySet(ValueError):  # noqa: N818 - what the set is
    """What was read is no JSON Web Key Set."""


@dataclass(frozen=True, slots=True)
class WebKey:
    """A key, its id if it has one, and the algorithms whose signatures it checks."""

    algorithms: frozenset[str]
    id: str | None
    material: Any
    """A public key of `cryptography`, or a `Secret`."""

    def usable(self) -> Any:
        """Give what the library takes."""
        secret = isinstance(self.material, Secret)
        return self.material.reveal_bytes() if secret else self.material

    def __repr__(self) -> str:
        return f"WebKey({', '.join(sorted(self.algorithms))})"


class KeySource(Protocol):
    """Where keys come from."""

    async def candidates(
        self, algorithm: str, key_id: str | None
    ) -> tuple[WebKey, ...]:
        """Give the keys that may have made a signature; a few, or none."""


class FileKeys:
    """The keys of a file: each that fits is tried, whatever id a token names."""

    def __init__(self, keys: tuple[WebKey, ...]) -> None:
        self._keys: Final = keys

    async def candidates(
        self, algorithm: str, key_id: str | None
    ) -> tuple[WebKey, ...]:
        """Give the keys of the algorithm's family."""
        del key_id
        return tuple(key for key in self._keys if algorithm in key.algorithms)


def keys_of_file(settings: Jwt) -> FileKeys:
    """Read `jwt.key_file`.

    Raises:
        ConfigError: it cannot be read, others may change it (or read a secret), there
            is no key in it, or a key and an algorithm without each other.
    """
    path = settings.key_file
    if path is None:
        raise ValueError("there is no key file")
    wanted = frozenset(settings.algorithms)
    where = str(path)
    if settings.secret:
        least = max(_SECRET_BYTES[name] for name in wanted)
        secret = read_secret_file(path, least_bytes=least)
        if secret.reveal_bytes().lstrip().startswith(b"-----BEGIN "):
            # Whoever knows the public key could sign with it (RFC 8725, 2.1).
            raise ConfigError("is a key in PEM form, not a secret", where=where)
        return FileKeys((WebKey(wanted, None, secret),))
    text = read_public_file(path)
    if "PRIVATE KEY" in text:
        raise ConfigError("holds a private key: only its public half", where=where)
    blocks = _PEM.findall(text)
    if not 0 < len(blocks) <= _MOST_IN_FILE:
        problem = f"holds {len(blocks)} public keys in PEM form, not 1 to 4"
        raise ConfigError(problem, where=where)
    keys = []
    for block in blocks:
        try:
            material = load_pem_public_key(block.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ConfigError("holds what is no public key", where=where) from None
        able = fitting(material) & wanted
        if not able:
            problem = "holds a key that none of jwt.algorithms is for"
            raise ConfigError(problem, where=where)
        keys.append(WebKey(able, None, material))
    missing = wanted.difference(*(key.algorithms for key in keys))
    if missing:
        problem = f"holds no key for {', '.join(sorted(missing))}"
        raise ConfigError(problem, where=where)
    return FileKeys(tuple(keys))


def fitting(material: object) -> frozenset[str]:
    """Tell which algorithms a public key is for; none for one that is too weak."""
    match material:
        case RSAPublicKey():
            return _RSA if material.key_size in _RSA_BITS else frozenset()
        case EllipticCurvePublicKey():
            name = _CURVES.get(material.curve.name)
            return frozenset() if name is None else frozenset({name})
        case Ed25519PublicKey():
            return frozenset({"EdDSA"})
        case _:
            return frozenset()


def keys_of_set(body: bytes, algorithms: frozenset[str]) -> tuple[WebKey, ...]:
    """Take the usable keys from a JSON Web Key Set; what is not for us is passed over.

    Raises:
        InvalidKeySet: it is none, or has too many keys.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidKeySet("is no JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise InvalidKeySet("has no list of keys")
    if len(listed) > _MOST_IN_SET:
        raise InvalidKeySet(f"has more than {_MOST_IN_SET} keys")
    found = (_key_of(entry, algorithms) for entry in listed)
    return tuple(key for key in found if key is not None)


def _key_of(entry: object, algorithms: frozenset[str]) -> WebKey | None:
    """Give a public signature key of a set, None for any other entry."""
    if not isinstance(entry, dict) or not _for_signatures(entry):
        return None
    try:
        material = jwt.PyJWK.from_dict(entry).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None
    able = fitting(material) & algorithms
    named = entry.get("alg")
    if named is not None:
        able = able & {named} if isinstance(named, str) else frozenset()
    key_id = entry.get("kid")
    if not able or not (key_id is None or isinstance(key_id, str)):
        return None
    return WebKey(able, key_id, material)


def _for_signatures(entry: Mapping[str, Any]) -> bool:
    if _SYMMETRIC_OR_PRIVATE & entry.keys():
        # A secret that is published is none, and a private key likewise.
        return False
    operations = entry.get("key_ops")
    if operations is not None and (
        not isinstance(operations, list) or "verify" not in operations
    ):
        return False
    return entry.get("use") in (None, "sig")
