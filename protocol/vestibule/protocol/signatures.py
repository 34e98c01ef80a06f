"""Signing a login with an Ed25519 key: what is signed, and the keys that sign.

A signature is over the exporter of the connection, so it is worth nothing on another
one, nor a second time (docs/protocol.md, "Login").
"""

from typing import Final, NoReturn

from nacl.bindings import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_seed_keypair,
    randombytes,
)
from nacl.exceptions import CryptoError

from vestibule.protocol.crypto import key_text, length_prefixed, parse_key_text


__all__ = ["SEED_BYTES", "SigningKey", "key_login", "ticket_login", "verifies"]

SEED_BYTES: Final = 32

_CONTEXT: Final = b"vestibule-login-v1"
_SEED_PREFIX: Final = "vsu1_"


def key_login(exporter: bytes, username: str) -> bytes:
    """Give the bytes that a login by key signs."""
    name = username.encode(errors="surrogatepass")
    return length_prefixed(_CONTEXT, b"key", exporter, name)


def ticket_login(exporter: bytes, ticket: bytes) -> bytes:
    """Give the bytes that a login by ticket signs."""
    return length_prefixed(_CONTEXT, b"ticket", exporter, ticket)


def verifies(public: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of the key's holder over `signed`.

    Keys that are not canonical or of small order verify nothing.
    """
    try:
        crypto_sign_open(signature + signed, public)
    except (CryptoError, ValueError):
        return False
    return True


class SigningKey:
    """A secret Ed25519 key. Its `repr` shows nothing; it is neither copied nor pickled.

    `public` is what a broker is told of it.
    """

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        """Take the 32 bytes of the seed.

        Raises:
            ValueError: another length.
        """
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a signing key has {SEED_BYTES} bytes")
        public, secret = crypto_sign_seed_keypair(bytes(seed))
        self._secret: Final[bytes] = secret
        self.public: Final[bytes] = public

    @classmethod
    def generate(cls) -> "SigningKey":
        """Make a new one."""
        return cls(randombytes(SEED_BYTES))

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read the text form, as `secret_text` gives it.

        Raises:
            ValueError: it is none; the text of the error has none of it.
        """
        return cls(parse_key_text(_SEED_PREFIX, text))

    def secret_text(self) -> str:
        """The secret's text form, `vsu1_…`, for the key file alone."""
        return key_text(_SEED_PREFIX, self._secret[:SEED_BYTES])

    def sign(self, data: bytes) -> bytes:
        """Give the 64 bytes of the signature over `data`."""
        return crypto_sign(data, self._secret)[:crypto_sign_BYTES]

    def __repr__(self) -> str:
        return "SigningKey(...)"

    def __copy__(self) -> NoReturn:
        raise TypeError("a signing key is not copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a signing key is not copied")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not pickled")
