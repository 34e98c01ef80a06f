"""What is kept of a password: enough to verify one, not enough to be one.

A verifier serves both a password sent as it is and the challenge of a login that
proves a password without sending it (docs/protocol.md, "Login").
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import Final

from vestibule.protocol.scram import SALT_BYTES, canonical_password, password_keys


__all__ = ["SALT_BYTES", "Verifier", "canonical_password", "derive"]

_KEY_BYTES: Final = 32
_KIBIBYTE: Final = 1024

_FORM: Final = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=1"
    r"\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, repr=False)
class Verifier:
    """Salt and cost of the hash, and the two keys made from it."""

    salt: bytes
    opslimit: int
    memlimit: int
    """Bytes."""
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return "Verifier(...)"

    @property
    def text(self) -> str:
        """The stored form: the cost in the field's own notation, then the keys."""
        keys = (self.salt, self.stored_key, self.server_key)
        rest = "$".join(base64.b64encode(key).decode().rstrip("=") for key in keys)
        cost = f"m={self.memlimit // _KIBIBYTE},t={self.opslimit},p=1"
        return f"$argon2id$v=19${cost}${rest}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read the stored form.

        Raises:
            ValueError: it is none; the text of the error has none of it.
        """
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError("is not a password verifier")
        salt, stored_key, server_key = map(_bytes_of, form.group(3, 4, 5))
        keys = (stored_key, server_key)
        if len(salt) != SALT_BYTES or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError("is not a password verifier")
        memlimit = int(form[1]) * _KIBIBYTE
        return cls(salt, int(form[2]), memlimit, stored_key, server_key)

    def matches(self, other: "Verifier") -> bool:
        """Compare the keys of two, in a time that does not depend on them."""
        stored = hmac.compare_digest(self.stored_key, other.stored_key)
        server = hmac.compare_digest(self.server_key, other.server_key)
        return stored and server


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("is not a password verifier") from None


def derive(password: bytes, salt: bytes, opslimit: int, memlimit: int) -> Verifier:
    """Make the verifier of a canonical password: slow, and heavy on memory.

    The steps and their order are the same whatever the password is.
    """
    keys = password_keys(password, salt, opslimit, memlimit)
    return Verifier(salt, opslimit, memlimit, keys.stored_key, keys.server_key)
