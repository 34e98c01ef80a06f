"""Files of signing keys: the secret for its owner alone, the public half beside it."""

import base64
import binascii
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from vestibule.protocol.signatures import SigningKey


__all__ = ["KeyFileError", "make_key", "public_key_of", "public_text", "read_key"]

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAX_BYTES: Final = 4096
"""A key and a line of comment are far below this."""

_PUBLIC_BYTES: Final = 32


class KeyFileError(ValueError):
    """A key file that cannot be used; the text names it, and never what is in it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


def public_text(public: bytes) -> str:
    """Give a public key as the directory takes it: base64."""
    return base64.b64encode(public).decode("ascii")


def make_key(path: Path) -> SigningKey:
    """Make a key and write it: `path` the secret, mode 0600, and `path.pub` the public.

    Raises:
        KeyFileError: one of them is there already, or cannot be written.
    """
    public = path.with_name(f"{path.name}.pub")
    for one in (path, public):
        if os.path.lexists(one):
            raise KeyFileError(one, "is there already")
    key = SigningKey.generate()
    _write(public, public_text(key.public), mode=0o644)
    try:
        _write(path, key.secret_text(), mode=_MODE)
    except BaseException:
        public.unlink(missing_ok=True)
        raise
    return key


def read_key(path: Path) -> SigningKey:
    """Read a secret key.

    Raises:
        KeyFileError: it cannot be read, is none, or others may use it.
    """
    text, mode = _read(path)
    if os.name == "posix" and mode & _OTHERS:
        problem = f"others may use it (mode {mode:04o}): make it {_MODE:04o}"
        raise KeyFileError(path, problem)
    try:
        return SigningKey.parse(text)
    except ValueError:
        raise KeyFileError(
            path, "holds no signing key, which begins with vsu1_"
        ) from None


def public_key_of(path: Path) -> str:
    """Give the public key of a file, be it the secret's or the public one's.

    Raises:
        KeyFileError: as `read_key`, and for what is no public key.
    """
    text, _ = _read(path)
    if text.startswith("vsu1_"):
        return public_text(read_key(path).public)
    try:
        public = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        public = b""
    if len(public) != _PUBLIC_BYTES:
        raise KeyFileError(path, "holds neither a signing key nor a public one")
    return text


def _read(path: Path) -> tuple[str, int]:
    """Give the text of a file and its mode, asked of the open file."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES + 1)
    except OSError as problem:
        raise KeyFileError(path, f"cannot be read: {problem.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(path, "is not a file")
    if len(content) > _MAX_BYTES:
        raise KeyFileError(path, "is too long to be a key")
    try:
        return content.decode("ascii").strip(), stat.S_IMODE(found.st_mode)
    except UnicodeDecodeError:
        raise KeyFileError(path, "is not text") from None


def _write(path: Path, line: str, *, mode: int) -> None:
    """Write the whole file in one step, with its mode from the start."""
    try:
        # mkstemp makes it 0600, whatever the umask.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{line}\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise KeyFileError(path, f"cannot be written: {problem.strerror}") from None
