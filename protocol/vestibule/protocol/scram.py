"""Proving a password without showing it: what both ends compute of a SCRAM login.

The broker keeps `stored_key` and `server_key` of a password and no password; a client
proves that it has the `client_key`, the broker that it has the `server_key`, both over
this very connection (docs/protocol.md, "Login"; after RFC 5802 with Argon2id in place
of PBKDF2).
"""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from typing import Final

from nacl.pwhash import argon2id

from vestibule.protocol.crypto import length_prefixed


__all__ = [
    "MEMLIMITS",
    "NONCE_BYTES",
    "OPSLIMITS",
    "SALT_BYTES",
    "PasswordKeys",
    "ScramExchange",
    "canonical_password",
    "password_keys",
]

NONCE_BYTES: Final = 32
SALT_BYTES: Final = argon2id.SALTBYTES

OPSLIMITS: Final = range(1, 11)
"""Passes that a client does at a broker's word: a broker that is none may ask too."""

MEMLIMITS: Final = range(19 * 1024 * 1024, 1024 * 1024 * 1024 + 1)
"""Bytes of memory that a client takes at a broker's word. Less would let who is in the
middle ask for a proof that is cheap to guess at."""

_KEY_BYTES: Final = 32
_CONTEXT: Final = b"vestibule-scram-v1"


@dataclass(frozen=True, slots=True, repr=False)
class PasswordKeys:
    """What is made of a password, a salt and a cost."""

    client_key: bytes
    """Who has it can log in; only the client does."""
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return "PasswordKeys(...)"


def canonical_password(password: str) -> bytes:
    """Give a password as it is hashed: NFC, in UTF-8.

    Lone surrogates, which no stored password has, keep bytes of their own, so that
    such a password is hashed and fails like any wrong one.
    """
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


def password_keys(
    password: bytes, salt: bytes, opslimit: int, memlimit: int
) -> PasswordKeys:
    """Hash a canonical password: slow, and heavy on memory.

    The steps and their order are the same whatever the password is.
    """
    salted = argon2id.kdf(
        _KEY_BYTES, password, salt, opslimit=opslimit, memlimit=memlimit
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return PasswordKeys(client_key, stored_key, server_key)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScramExchange:
    """One login: what both ends have said, and the connection it was said on."""

    username: str
    client_nonce: bytes
    server_nonce: bytes
    salt: bytes
    opslimit: int
    memlimit: int
    exporter: bytes

    def __repr__(self) -> str:
        return "ScramExchange(...)"

    @property
    def auth_message(self) -> bytes:
        """The bytes that both proofs are over."""
        return b"".join(
            (
                length_prefixed(
                    _CONTEXT,
                    # As for passwords: what is no text is a name that nobody has.
                    self.username.encode(errors="surrogatepass"),
                    self.client_nonce,
                    self.server_nonce,
                    self.salt,
                ),
                self.opslimit.to_bytes(8, "big"),
                self.memlimit.to_bytes(8, "big"),
                length_prefixed(self.exporter),
            )
        )

    def proof(self, keys: PasswordKeys) -> bytes:
        """Make the client's proof."""
        mask = hmac.digest(keys.stored_key, self.auth_message, "sha256")
        return _xor(keys.client_key, mask)

    def proves(self, proof: bytes, stored_key: bytes) -> bool:
        """Whether the client had the key that `stored_key` is the hash of.

        It takes the same steps and the same time whatever is wrong.
        """
        mask = hmac.digest(stored_key, self.auth_message, "sha256")
        claimed = hashlib.sha256(_xor(proof, mask)).digest()
        return hmac.compare_digest(claimed, stored_key)

    def server_signature(self, server_key: bytes) -> bytes:
        """Make the broker's own proof, for a client that has proved itself."""
        return hmac.digest(server_key, self.auth_message, "sha256")

    def signed(self, signature: object, keys: PasswordKeys) -> bool:
        """Whether `signature` is the broker's proof."""
        expected = self.server_signature(keys.server_key)
        return isinstance(signature, bytes) and hmac.compare_digest(signature, expected)


def _xor(left: bytes, right: bytes) -> bytes:
    both = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return both.to_bytes(_KEY_BYTES, "big")
