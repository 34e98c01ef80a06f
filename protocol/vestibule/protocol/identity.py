"""The text of the identity file: one secret key a line, the current one first.

Reading and writing the file, and who may read it, is the broker's job.
"""

from collections.abc import Iterable
from typing import Final

from vestibule.protocol.crypto import IdentityKey


__all__ = ["MAX_IDENTITY_KEYS", "identity_text", "parse_identity"]

MAX_IDENTITY_KEYS: Final = 4
"""The current key and the last three: what `server_keys` may list."""

_HEADER: Final = (
    "# Identity keys of this broker, the current one first. Keep this file secret:\n"
    "# whoever has it can pose as the broker.\n"
)


def parse_identity(text: str) -> list[IdentityKey]:
    """Read the keys of an identity file.

    Raises:
        ValueError: a bad line, named by its number and never by its text; the same key
            twice; no key at all, or more than four.
    """
    keys: list[IdentityKey] = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            key = IdentityKey.parse(stripped)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if any(key.public == other.public for other in keys):
            raise ValueError(f"line {number}: the same key again")
        keys.append(key)
    if not keys:
        raise ValueError("no key")
    if len(keys) > MAX_IDENTITY_KEYS:
        raise ValueError(f"more than {MAX_IDENTITY_KEYS} keys")
    return keys


def identity_text(keys: Iterable[IdentityKey]) -> str:
    """Write the keys of an identity file, the current one first."""
    return _HEADER + "".join(f"{key.secret_text()}\n" for key in keys)
