"""`audit.head`: the last line of the trail, under a key, beside the database.

The chain shows what was changed inside it. That its end was cut off, or all of it made
anew, only somebody can tell who knows what the last line was. The key is a file of the
data folder: who can read that can forge the head too, and then only a head that was
kept elsewhere tells (docs/operations.md, "The audit trail"). Everything here blocks.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vestibule.server.config_source import ConfigError
from vestibule.server.trail.lines import GENESIS


__all__ = [
    "DATABASE",
    "HEAD_FILE",
    "KEY_FILE",
    "START",
    "Head",
    "TrailDamaged",
    "make_key",
    "parse_head",
    "read_head",
    "read_key",
    "write_head",
]

DATABASE: Final = "audit.db"
HEAD_FILE: Final = "audit.head"
KEY_FILE: Final = "audit.key"

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_KEY_BYTES: Final = 32
_PERSON: Final = b"vst1.audit.head"
_DIGITS: Final = 20
"""Always as many, so that the file is written in place and needs no space on a full
disk, and so few bytes of one sector are written together."""

_FORM: Final = re.compile(r"(\d{20}):([0-9a-f]{64}) ([0-9a-f]{64})\n", re.ASCII)
_TEXT: Final = re.compile(r"(\d{1,20}):([0-9a-f]{64})", re.ASCII)


class TrailDamaged(ConfigError):  # noqa: N818 - it names the state of the files
    """The audit trail cannot be gone on with; one line names the file and why."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the trail ends: a line's number and its hash."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


START: Final = Head(0, GENESIS)
"""The head of a trail without a line."""


def parse_head(text: str) -> Head:
    """Read a head as it is told to people: `SEQ:HASH`.

    Raises:
        ValueError: it is none.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not SEQ:HASH as `vestibule audit verify` tells it")
    return Head(int(found[1]), bytes.fromhex(found[2]))


def make_key(folder: Path) -> bytes:
    """Make the key's file, for its owner alone.

    Raises:
        OSError: it cannot be made, or is there.
    """
    key = secrets.token_bytes(_KEY_BYTES)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    descriptor = os.open(folder / KEY_FILE, flags, _MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(folder: Path) -> bytes:
    """Read the key.

    Raises:
        TrailDamaged: missing, readable by others, or no key.
    """
    path = folder / KEY_FILE
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(4 * _KEY_BYTES)
    except OSError as problem:
        raise TrailDamaged(
            f"cannot be read: {problem.strerror}", where=str(path)
        ) from None
    if os.name == "posix" and mode & _OTHERS:
        text = f"others may use it (mode {mode:04o}): make it {_MODE:04o}"
        raise TrailDamaged(text, where=str(path))
    if not re.fullmatch(rb"[0-9a-f]{64}\n?", content):
        raise TrailDamaged("holds no key", where=str(path))
    return bytes.fromhex(content.decode())


def write_head(folder: Path, key: bytes, head: Head, *, sync: bool = False) -> None:
    """Write the head in place.

    Raises:
        OSError: it is not there, and may never be.
    """
    line = f"{head.seq:0{_DIGITS}}:{head.hash.hex()} {_proof(key, head).hex()}\n"
    descriptor = os.open(folder / HEAD_FILE, os.O_WRONLY | os.O_CREAT, _MODE)
    try:
        os.pwrite(descriptor, line.encode(), 0)
        os.ftruncate(descriptor, len(line))
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_head(folder: Path, key: bytes | None) -> Head:
    """Read the head; without a key its proof is not checked.

    Raises:
        TrailDamaged: missing, garbled, or not made with the key.
    """
    path = folder / HEAD_FILE
    try:
        content = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise TrailDamaged("cannot be read", where=str(path)) from None
    found = _FORM.fullmatch(content)
    if found is None:
        raise TrailDamaged("holds no head", where=str(path))
    head = Head(int(found[1]), bytes.fromhex(found[2]))
    if key is not None and not hmac.compare_digest(
        _proof(key, head), bytes.fromhex(found[3])
    ):
        raise TrailDamaged(f"was not made with {KEY_FILE}", where=str(path))
    return head


def _proof(key: bytes, head: Head) -> bytes:
    content = head.seq.to_bytes(8, "big") + head.hash
    return hashlib.blake2b(content, key=key, digest_size=32, person=_PERSON).digest()
