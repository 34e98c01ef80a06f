"""Starting a directory: made at the first start, read and checked at every start."""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from vestibule.server.directory import bootstrap
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.engine import Engine
from vestibule.server.directory.epochfile import check_epoch, write_epoch
from vestibule.server.directory.errors import DirectoryDamaged, DirectoryError
from vestibule.server.directory.facts import Components
from vestibule.server.directory.loaded import model_of
from vestibule.server.directory.model import Model
from vestibule.server.directory.passwords import Passwords, PasswordSettings
from vestibule.server.directory.paths import Void
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.rows import Operation, Put, Row, Table, operations
from vestibule.server.directory.store import Store, create
from vestibule.server.directory.tokens import TokenBook
from vestibule.server.secret import Secret


__all__ = ["DATABASE", "EPOCH", "Opened", "open_directory"]

DATABASE: Final = "directory.db"
EPOCH: Final = "directory.epoch"

_DECOY_KEY: Final = "decoy_salts"
"""The key in `meta` of what salts for names without a password are made from."""

_SECRET_BYTES: Final = 32
_PASSWORD_BYTES: Final = 18
"""Of randomness in the administrator's first password."""

_REMEMBERED_WARNINGS: Final = 10_000

log = structlog.get_logger("vestibule.directory")


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts of a directory that is open."""

    engine: Engine
    passwords: Passwords
    first_password: Secret | None


async def open_directory(
    folder: Path,
    *,
    broker_name: str,
    components: Components,
    settings: PasswordSettings,
    admin_password: Secret | None,
    case_insensitive: bool,
    now: Callable[[], float],
) -> Opened:
    """Open the directory in a folder, making it if it is not there.

    Raises:
        DirectoryDamaged: it cannot be made or served.
    """
    database = folder / DATABASE
    first_password: Secret | None = None
    if not await asyncio.to_thread(database.exists):
        first_password = await _make(
            folder,
            settings=settings,
            broker_name=broker_name,
            admin_password=admin_password,
            now=int(now() * 1000),
        )
    store = await Store.open(database)
    try:
        model, secret, issued = await _read(
            folder, store, case_insensitive=case_insensitive
        )
        policy = Policy(
            model,
            broker_name=broker_name,
            components=components,
            on_void=_VoidWarnings(),
        )
        tokens = TokenBook(store.put, issued, now=lambda: int(now() * 1000))
        engine = Engine(store, policy, tokens, folder / EPOCH, now)
        try:
            await engine.start()
        except DirectoryError:
            raise DirectoryDamaged("cannot be written", where=str(database)) from None
    except BaseException:
        await store.close()
        raise
    return Opened(engine, Passwords(settings, secret), first_password)


async def _read(
    folder: Path, store: Store, *, case_insensitive: bool
) -> tuple[Model, bytes, list[Row]]:
    """Read all that is stored, and check it."""
    epoch, rows = await store.load()
    await asyncio.to_thread(check_epoch, folder / EPOCH, epoch)
    meta: dict[str, bytes] = dict(rows[Table.META])
    if _DECOY_KEY not in meta:
        problem = f"is damaged (no {_DECOY_KEY}): restore a backup"
        raise DirectoryDamaged(problem, where=str(folder / DATABASE))
    try:
        model = model_of(rows, epoch=epoch, case_insensitive=case_insensitive)
    except ValueError as problem:
        raise DirectoryDamaged(str(problem), where=str(folder / DATABASE)) from None
    return model, meta[_DECOY_KEY], rows[Table.TOKENS]


async def _make(
    folder: Path,
    *,
    settings: PasswordSettings,
    broker_name: str,
    admin_password: Secret | None,
    now: int,
) -> Secret | None:
    """Make the files of a first start; give the password if it was made up here."""
    secret = secrets.token_bytes(_SECRET_BYTES)
    passwords = Passwords(settings, secret)
    made = None
    try:
        if admin_password is None:
            admin_password = made = Secret(secrets.token_urlsafe(_PASSWORD_BYTES))
        try:
            password = passwords.check(admin_password.reveal())
        except (DirectoryError, ValueError):
            raise DirectoryDamaged(
                "is no usable password: it is too short, too long or no text",
                where="VESTIBULE_ADMIN_PASSWORD",
            ) from None
        verifier = await passwords.make(password)
    finally:
        await passwords.close()
    # Versions begin with 1 when the first facts are there.
    nothing = Model(security_version=0, authentication_version=0)
    draft = Draft(nothing, now=now, broker_name=broker_name)
    bootstrap.first(draft, verifier)
    change = draft.finish()
    if change is None:
        raise AssertionError("an empty directory was filled with nothing")
    rows: list[Operation] = [
        Put(Table.META, (_DECOY_KEY, secret)),
        *operations(change),
    ]
    await asyncio.to_thread(_make_files, folder, rows, change.after.epoch)
    return made


def _make_files(folder: Path, rows: list[Operation], epoch: int) -> None:
    """Write the files of a first start. Blocks.

    The epoch goes first: the database is what makes the folder a directory.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_epoch(folder / EPOCH, epoch)
        create(folder / DATABASE, rows, epoch)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise DirectoryDamaged(f"cannot be made: {reason}", where=str(folder)) from None
    except sqlite3.Error as problem:
        raise DirectoryDamaged(
            f"cannot be made: {problem}", where=str(folder)
        ) from None


class _VoidWarnings:
    """Warns of each template that cannot be filled, once for each user and path."""

    def __init__(self) -> None:
        self._told: set[tuple[str, Void]] = set()

    def __call__(self, username: str, void: Void) -> None:
        if (username, void) in self._told:
            return
        if len(self._told) >= _REMEMBERED_WARNINGS:
            self._told.clear()
        self._told.add((username, void))
        log.warning(
            "policy.template_void",
            user=username,
            holder=void.holder,
            section=str(void.section),
            path=void.path,
            problem=void.problem,
        )
