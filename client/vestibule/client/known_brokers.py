"""The known-brokers file: which keys the brokers had that were trusted before.

One line is `endpoint key [comment]`; docs/protocol.md, "Server keys", has the format.
Reading and writing block for the time of a small file: call them outside the loop.
"""

import os
import secrets
import stat
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import HandshakeFailed
from vestibule.protocol.crypto import parse_server_key, server_key_text
from vestibule.protocol.errors import ErrorCode


__all__ = ["KnownBrokers", "default_path"]

_writing: Final = threading.Lock()
"""Connections of one process take turns at reading, changing and replacing."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Give the file of `$VESTIBULE_KNOWN_BROKERS`, else the one of this user."""
    environment = os.environ if environment is None else environment
    named = environment.get("VESTIBULE_KNOWN_BROKERS")
    if named:
        return Path(named)
    base = environment.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification tells to ignore a relative path.
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return folder / "vestibule" / "known_brokers"


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    endpoint: str = ""
    key: bytes = b""


class KnownBrokers:
    """One known-brokers file. Nothing is kept in memory: each call reads it."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def keys(self, endpoint: Endpoint) -> tuple[bytes, ...]:
        """Give the keys that are accepted from `endpoint`, in the file's order.

        An absent file knows nobody.

        Raises:
            HandshakeFailed: KNOWN_BROKERS_INVALID, for the whole file.
        """
        name = endpoint.text
        return tuple(line.key for line in self._read() if line.endpoint == name)

    def write(self, endpoint: Endpoint, keys: Sequence[bytes], *, own: bytes) -> bool:
        """Make `keys` the keys of `endpoint`; `own` is the one its broker has proved.

        All other lines stay, and lines whose key stays. The file is replaced in one
        step. Nothing is written, and the answer is False, if the file holds keys of
        the endpoint and `own` is not among them: such are never replaced.

        Raises:
            HandshakeFailed: KNOWN_BROKERS_INVALID.
            OSError: the file cannot be written.
        """
        name = endpoint.text
        with _writing:
            lines = self._read()
            present = {line.key: line for line in lines if line.endpoint == name}
            if present and own not in present:
                return False
            if list(present) == list(keys):
                return True
            mine = [
                present.get(key, _Line(f"{name} {server_key_text(key)}", name, key))
                for key in keys
            ]
            at = next(
                (at for at, line in enumerate(lines) if line.endpoint == name),
                len(lines),
            )
            others = [line for line in lines[at:] if line.endpoint != name]
            self._replace([*lines[:at], *mine, *others])
            return True

    def _read(self) -> list[_Line]:
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read()
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise self._invalid(f"cannot be read: {problem.strerror}") from None
        if os.name == "posix":
            self._check_writers(status)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise self._invalid("is not UTF-8") from None
        # Only the line feed ends a line, as for every other tool that reads the file.
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        return [self._line(line, number) for number, line in enumerate(lines, start=1)]

    def _check_writers(self, status: os.stat_result) -> None:
        if status.st_mode & _OTHERS_WRITE:
            raise self._invalid("can be written by others")
        if status.st_uid not in (os.geteuid(), 0):
            raise self._invalid("belongs to another user")

    def _line(self, text: str, number: int) -> _Line:
        if not text.strip(" \t") or text.startswith("#"):
            return _Line(text)
        fields = text.replace("\t", " ").split(" ")
        # Runs of spaces make empty fields; one at the front has no meaning.
        words = [field for field in fields if field]
        try:
            if not fields[0] or len(words) < 2:  # noqa: PLR2004 - endpoint and key
                raise ValueError("not `endpoint key [comment]`")  # noqa: TRY301 - one report for both
            endpoint = Endpoint.of_text(words[0])
            key = parse_server_key(words[1])
        except ValueError as problem:
            raise self._invalid(f"line {number}: {problem}", number) from None
        return _Line(text, endpoint.text, key)

    def _invalid(self, problem: str, line: int | None = None) -> HandshakeFailed:
        details: dict[str, object] = {"file": str(self.path)}
        if line is not None:
            details["line"] = line
        return HandshakeFailed(
            ErrorCode.KNOWN_BROKERS_INVALID, f"{self.path} {problem}", details
        )

    def _replace(self, lines: Sequence[_Line]) -> None:
        # Through a symbolic link: the link stays, what it names is replaced.
        path = Path(os.path.realpath(self.path))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write("".join(f"{line.text}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
