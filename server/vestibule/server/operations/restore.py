"""Restoring a backup into a data folder that is not there yet."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

from vestibule.server.config import Config
from vestibule.server.keyfile import IDENTITY_FILE, make_keys, read_keys
from vestibule.server.operations.backup import put_in_place, sync
from vestibule.server.operations.folder import OperationFailed, opened, record
from vestibule.server.operations.manifest import MANIFEST, Manifest, read_manifest
from vestibule.server.trail import DATABASE, KEY_FILE, parse_head, verify
from vestibule.server.trail.head import make_key, read_head, write_head


__all__ = ["restore"]

_WITHOUT_KEYS: Final = (
    "the backup has no identity key: give the old one with --identity, or --new-identity"
    " makes one that no client knows"
)


async def restore(
    config: Config,
    source: Path,
    *,
    identity: Path | None = None,
    new_identity: bool = False,
) -> Manifest:
    """Make the data folder of a backup, opened and checked before it is in place.

    `identity` is a key file for a backup without keys. Nothing is overwritten: the
    data folder must not be there, or be empty.

    Raises:
        OperationFailed, ConfigError: nothing was restored; the line says why.
    """
    target = config.data
    manifest = await asyncio.to_thread(read_manifest, source)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OperationFailed(
            f"{target}: is not empty; move it away, a broker must not run on it"
        )
    if not manifest.keys and identity is None and not new_identity:
        raise OperationFailed(_WITHOUT_KEYS)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            await asyncio.to_thread(_fill, made, source, manifest, identity)
            async with opened(config, made):
                """It is what a broker would serve."""
            await asyncio.to_thread(_finish, made, target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as problem:
        raise OperationFailed(f"{target}: {problem.strerror}") from None
    return manifest


def _fill(made: Path, source: Path, manifest: Manifest, identity: Path | None) -> None:
    """Copy the files and give the folder its keys. Blocks."""
    for name in manifest.files:
        shutil.copyfile(source / name, made / name)
        (made / name).chmod(0o600)
    if identity is not None:
        (made / IDENTITY_FILE).unlink(missing_ok=True)
        shutil.copyfile(identity, made / IDENTITY_FILE)
        (made / IDENTITY_FILE).chmod(0o600)
    elif not manifest.keys:
        make_keys(made)
    read_keys(made)
    if manifest.head is not None:
        _check_trail(made, manifest.head)


def _check_trail(made: Path, head: str) -> None:
    if not (made / KEY_FILE).exists():
        # The lines are checked by the manifest's head; a new key goes on from there.
        key = make_key(made)
        write_head(made, key, read_head(made, None), sync=True)
    report = verify(made, [parse_head(head)])
    if report.faults:
        raise OperationFailed(f"{made / DATABASE}: {report.faults[0]}")


def _finish(made: Path, target: Path) -> None:
    """Leave a line in the trail, then put the folder in place. Blocks."""
    record(made, "operator_command", command="restore")
    (made / MANIFEST).unlink(missing_ok=True)
    sync(made)
    put_in_place(made, target)
