"""`vestibule group unlock` and `user unlock`: ending a lock while no broker runs."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from vestibule.server.cli_context import ConfigFile, fail, load


__all__ = ["groups", "users"]

groups = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
users = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME")]


@groups.command("unlock")
def unlock_group(name: Name, config: ConfigFile = None) -> None:
    """End the lock of a group, with the broker stopped; the audit trail says so."""
    _unlock("group", name, config)


@users.command("unlock")
def unlock_user(name: Name, config: ConfigFile = None) -> None:
    """End the lock of a user, with the broker stopped; the audit trail says so."""
    _unlock("user", name, config)


def _unlock(kind: str, name: str, file: Path | None) -> None:
    from vestibule.server.config import ConfigError  # noqa: PLC0415 - starts faster
    from vestibule.server.directory import DirectoryError  # noqa: PLC0415 - as above
    from vestibule.server.operations.folder import OperationFailed  # noqa: PLC0415 - as above
    from vestibule.server.operations.unlocking import unlock  # noqa: PLC0415 - as above

    config = load(file)
    try:
        principal = asyncio.run(unlock(config, kind, name))
    except (ConfigError, DirectoryError, OperationFailed) as problem:
        fail(problem)
    if principal is None:
        typer.echo(f"the {kind} was not locked")
    else:
        typer.echo(f"the lock of {principal} on the {kind} {name} has ended")
