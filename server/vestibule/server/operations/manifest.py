"""`manifest.json` of a backup: what it holds, from when, and the checksum of each file.

It finds what a disk or a copy has changed, not what somebody changed on purpose: who
can write a backup can write its manifest too. Everything here blocks.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from vestibule.server.config_source import ConfigError


__all__ = ["MANIFEST", "BackupDamaged", "Manifest", "read_manifest", "sums"]

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_MAX_BYTES: Final = 64 * 1024


class BackupDamaged(ConfigError):  # noqa: N818 - it names the state of the backup
    """A backup cannot be restored; one line names the file and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself."""

    version: str
    """Of the program that made it."""
    made: str
    """When, as UTC text."""
    epoch: int
    """Of the directory."""
    head: str | None
    """Of the audit trail, as `vestibule audit verify --expect` takes it."""
    keys: bool
    """Whether the secret keys are in it."""
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Length and checksum by name."""

    def write(self, folder: Path) -> None:
        """Write it, over all files that are there now."""
        said = {"format": _FORMAT, **asdict(self), "files": sums(folder)}
        path = folder / MANIFEST
        path.write_text(f"{json.dumps(said, indent=2)}\n", "utf-8")
        path.chmod(0o600)


def sums(folder: Path) -> dict[str, dict[str, Any]]:
    """Give length and checksum of each file of a folder but the manifest."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name == MANIFEST:
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, _blake2b).hexdigest()
        found[path.name] = {"bytes": path.stat().st_size, "blake2b": digest}
    return found


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest and check every file against it.

    Raises:
        BackupDamaged: a file is missing, another, or one too many; or it is no backup.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_MAX_BYTES))
        if said.pop("format") != _FORMAT:
            problem = "was made by another version of vestibule"
            raise BackupDamaged(problem, where=str(path))
        manifest = Manifest(**said)
        expected, found = dict(manifest.files), sums(folder)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise BackupDamaged(f"cannot be read: {reason}", where=str(path)) from None
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        if isinstance(problem, BackupDamaged):
            raise
        raise BackupDamaged("is no manifest", where=str(path)) from None
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise BackupDamaged("is missing", where=str(folder / name))
        if name not in expected:
            raise BackupDamaged("is not of the backup", where=str(folder / name))
        if expected[name] != found[name]:
            raise BackupDamaged("is damaged", where=str(folder / name))
    return manifest


def _blake2b() -> Any:
    return hashlib.blake2b(digest_size=32)
