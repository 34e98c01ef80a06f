"""Keys and their derivation: identity keys, the exchange of hellos, sealed directions.

What is derived from what is in docs/protocol.md, "Keys"; every value is checked against
the test vectors.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from typing import Final, NoReturn

from nacl.bindings import (
    crypto_box_beforenm,
    crypto_scalarmult_base,
    randombytes,
)
from nacl.exceptions import CryptoError

from vestibule.protocol.boxes import (
    BOX_OVERHEAD,
    KEY_BYTES,
    NONCE_BYTES,
    open_box,
    seal_box,
)
from vestibule.protocol.errors import LocalProtocolError


__all__ = [
    "MAX_EPOCH",
    "MAX_EPOCH_BYTES",
    "MAX_EPOCH_RECORDS",
    "Exchange",
    "IdentityKey",
    "ReceivingKey",
    "SendingKey",
    "agree",
    "check_public_key",
    "derive",
    "fingerprint",
    "fingerprint_text",
    "length_prefixed",
    "new_ephemeral",
    "parse_key_text",
    "parse_server_key",
    "public_key",
    "server_key_text",
]

MAX_EPOCH: Final = 2**32 - 1
"""The last epoch: its number fills its place in the nonce."""

MAX_EPOCH_RECORDS: Final = 2**20
"""Records of one epoch, whatever a configuration says."""

MAX_EPOCH_BYTES: Final = 2**30
"""Bytes of one epoch's boxes at which it must have ended."""

_FIELD_PRIME: Final = 2**255 - 19
_SERVER_KEY_PREFIX: Final = "vsk1_"
_SECRET_KEY_PREFIX: Final = "vss1_"  # noqa: S105 - it only says what follows


def digest(person: str, data: bytes, key: bytes = b"", size: int = 32) -> bytes:
    """BLAKE2b under a purpose of its own, so that no value serves two purposes."""
    return hashlib.blake2b(
        data, digest_size=size, key=key, person=person.encode("ascii")
    ).digest()


def length_prefixed(*parts: bytes) -> bytes:
    """Join parts, each behind its length in 8 bytes: no two lists give one result."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def new_ephemeral() -> bytes:
    """Make the secret half of a key for one connection."""
    return randombytes(KEY_BYTES)


def public_key(secret: bytes) -> bytes:
    """Give the public half of an X25519 secret."""
    return crypto_scalarmult_base(secret)


def check_public_key(key: bytes) -> None:
    """Refuse what is no X25519 public key in its one canonical form.

    Points of small order are found later, by `agree`.

    Raises:
        ValueError: another length, or a number of 2^255 - 19 or more.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a public key has {KEY_BYTES} bytes")
    if int.from_bytes(key, "little") >= _FIELD_PRIME:
        raise ValueError("a public key that is not canonical")


def agree(public: bytes, secret: bytes) -> bytes:
    """Compute the key that two pairs share.

    Raises:
        ValueError: `public` is not canonical, or of small order: the result would
            not depend on `secret`.
    """
    check_public_key(public)
    try:
        return crypto_box_beforenm(public, secret)
    except CryptoError as error:
        raise ValueError("a public key of small order") from error


def fingerprint(public: bytes) -> bytes:
    """Give the 16 bytes that name a server key: people compare them, hints carry them."""
    return digest("vestibule1.fp", public, size=16)


def fingerprint_text(public: bytes) -> str:
    """Give the fingerprint as eight groups of four hexadecimal digits."""
    text = fingerprint(public).hex()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def key_text(prefix: str, key: bytes) -> str:
    """Give the text form of a key: prefix and base64url without padding."""
    return prefix + base64.urlsafe_b64encode(key).decode("ascii").rstrip("=")


def parse_key_text(prefix: str, text: str) -> bytes:
    """Read the one text form of a key.

    The text itself is never in the error: it may be a secret.

    Raises:
        ValueError: another prefix or length, padding, other characters, or unused
            bits that are not zero.
    """
    if not text.startswith(prefix):
        raise ValueError(f"a key here begins with {prefix}")
    body = text[len(prefix) :]
    try:
        key = base64.b64decode(body + "=", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("a key that is not base64url") from None
    # Encoding it again shows padding, unused bits and other spellings at once.
    if len(key) != KEY_BYTES or key_text(prefix, key) != text:
        raise ValueError(f"a key has {KEY_BYTES} bytes in base64url without padding")
    return key


def server_key_text(public: bytes) -> str:
    """Give the text form of a server's public key, `vsk1_…`."""
    return key_text(_SERVER_KEY_PREFIX, public)


def parse_server_key(text: str) -> bytes:
    """Read the text form of a server's public key.

    Raises:
        ValueError: as `parse_key_text`, and keys that no exchange accepts.
    """
    key = parse_key_text(_SERVER_KEY_PREFIX, text)
    agree(key, new_ephemeral())
    return key


class IdentityKey:
    """A server's secret identity key. Its `repr` shows the fingerprint alone."""

    __slots__ = ("_secret", "public")

    def __init__(self, secret: bytes) -> None:
        """Take the 32 bytes of the secret half.

        Raises:
            ValueError: another length.
        """
        if len(secret) != KEY_BYTES:
            raise ValueError(f"an identity key has {KEY_BYTES} bytes")
        self._secret: Final = secret
        self.public: Final = public_key(secret)

    @classmethod
    def generate(cls) -> "IdentityKey":
        """Make a new one."""
        return cls(new_ephemeral())

    @classmethod
    def parse(cls, text: str) -> "IdentityKey":
        """Read the secret's text form, as `secret_text` gives it.

        Raises:
            ValueError: as `parse_key_text`.
        """
        return cls(parse_key_text(_SECRET_KEY_PREFIX, text))

    @property
    def text(self) -> str:
        """The public key's text form: what clients pin."""
        return server_key_text(self.public)

    @property
    def fingerprint(self) -> bytes:
        """The public key's fingerprint."""
        return fingerprint(self.public)

    def secret_text(self) -> str:
        """The secret's text form, `vss1_…`, for the identity file alone."""
        return key_text(_SECRET_KEY_PREFIX, self._secret)

    def agree(self, public: bytes) -> bytes:
        """Compute the key shared with `public`, as the function `agree` does."""
        return agree(public, self._secret)

    def __repr__(self) -> str:
        return f"IdentityKey({fingerprint_text(self.public)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an identity key is written by its file alone")


# Filled anew in a child process, so that keys made before the fork can tell.
_process: Final[list[object]] = [object()]


def _forked() -> None:
    _process[0] = object()


if hasattr(os, "register_at_fork"):
    # Asking for the process id instead would cost a system call a record.
    os.register_at_fork(after_in_child=_forked)


class DirectionKey:
    """The key of one direction, and the number of its next record.

    `epoch`, `records` and `bytes` say where it stands: how often the key has changed,
    and how many boxes, of how many bytes in all, the epoch has so far. It cannot be
    copied or pickled, and works only in the process that made it: two holders would use
    one nonce twice.
    """

    __slots__ = ("_key", "_label", "_prefix", "_process", "bytes", "epoch", "records")

    def __init__(self, label: str, key: bytes) -> None:
        """Begin epoch 0 of the direction named `c2s` or `s2c`."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._label: Final = label.encode("ascii").ljust(NONCE_BYTES - 12, b"-")
        self._process: Final = _process[0]
        self.epoch = 0
        self.records = 0
        self.bytes = 0
        self._key = key
        self._prefix = self._label + bytes(4)

    def rekey(self) -> None:
        """Go on with the next epoch. There is no way back: a key is a digest of the old.

        Raises:
            LocalProtocolError: this is the last epoch.
        """
        if self.epoch == MAX_EPOCH:
            raise LocalProtocolError("the last epoch has no next")
        self.epoch += 1
        epoch = self.epoch.to_bytes(4, "big")
        self._key = digest("vst1.rekey", epoch, key=self._key)
        self._prefix = self._label + epoch
        self.records = 0
        self.bytes = 0

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(epoch={self.epoch}, records={self.records})"

    def __copy__(self) -> NoReturn:
        raise TypeError("a key that counts cannot be copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a key that counts cannot be copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key that counts cannot be pickled")


class SendingKey(DirectionKey):
    """Seals this end's records, each under the next nonce."""

    __slots__ = ()

    def seal(self, batch: bytes) -> bytes:
        """Seal a batch as the next record.

        The number is taken before it is used, so that no failure uses it again.

        Raises:
            LocalProtocolError: the epoch is used up, or this is another process.
        """
        number = self.records
        if number >= MAX_EPOCH_RECORDS or self._process is not _process[0]:
            raise LocalProtocolError("an epoch used up, or a key of another process")
        self.records = number + 1
        self.bytes += len(batch) + BOX_OVERHEAD
        return seal_box(batch, self._prefix + number.to_bytes(8, "big"), self._key)


class ReceivingKey(DirectionKey):
    """Opens the other end's records, each in its place alone."""

    __slots__ = ()

    def open(self, box: bytes) -> bytes:
        """Open the next record.

        Raises:
            BadRecord: it is not the other end's next record. The connection is over.
            LocalProtocolError: this is another process.
        """
        if self._process is not _process[0]:
            raise LocalProtocolError("a key of another process")
        number = self.records
        batch = open_box(box, self._prefix + number.to_bytes(8, "big"), self._key)
        self.records = number + 1
        self.bytes += len(box)
        return batch


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """What both ends hold after the hellos. `exporter` names this very exchange."""

    transcript: bytes
    client_to_server: bytes
    server_to_client: bytes
    exporter: bytes

    @property
    def finished(self) -> bytes:
        """The content of the proof, the server's record 0."""
        return b"finished" + self.transcript


def derive(
    client_hello: bytes, server_hello: bytes, ephemeral: bytes, static: bytes
) -> Exchange:
    """Derive the keys of a connection.

    `server_hello` is the ServerHello without its proof; `ephemeral` and `static` are
    what the client's ephemeral key agreed with the server's ephemeral and identity key.
    """
    transcript = digest("vestibule1.th", length_prefixed(client_hello, server_hello))
    root = digest("vst1.root", transcript, key=ephemeral + static)
    return Exchange(
        transcript=transcript,
        client_to_server=digest("vst1.c2s", bytes(4), key=root),
        server_to_client=digest("vst1.s2c", bytes(4), key=root),
        exporter=digest("vst1.export", transcript, key=root),
    )
