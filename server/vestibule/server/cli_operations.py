"""Commands of whoever runs the broker's host: copies, documents, locks, a check-up."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from vestibule.server.cli_context import (
    AsJson,
    ConfigFile,
    fail,
    load,
    say_json,
    table,
)


if TYPE_CHECKING:
    from vestibule.server.operations.texts import Form

__all__ = ["operations"]

T = TypeVar("T")

operations = typer.Typer(rich_markup_mode=None)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Do what an operation does; a failure becomes one line."""
    from vestibule.server.config import ConfigError  # noqa: PLC0415 - starts faster
    from vestibule.server.directory import DirectoryError  # noqa: PLC0415 - as above
    from vestibule.server.operations.folder import OperationFailed  # noqa: PLC0415 - as above

    try:
        return asyncio.run(work)
    except DirectoryError as refused:
        for problem in refused.details.get("problems", ()):
            typer.echo(problem, err=True)
        fail(f"{refused.code}: nothing was changed")
    except (ConfigError, OperationFailed) as problem:
        fail(problem)


@operations.command("backup")
def backup(
    into: Annotated[Path, typer.Argument(metavar="FOLDER", help="It is made.")],
    config: ConfigFile = None,
    *,
    keys: Annotated[
        bool,
        typer.Option(
            "--with-keys",
            help="The secret keys too: whoever has them is this broker.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy directory and audit trail, consistent, also while a broker runs.

    The copy holds what passwords are checked with: keep it like the original.
    """
    from vestibule.server.operations.backup import back_up  # noqa: PLC0415 - starts faster

    loaded = load(config)

    async def work() -> dict[str, Any]:
        made = await asyncio.to_thread(back_up, loaded, into, keys=keys)
        return {"epoch": made.epoch, "audit_head": made.head, "keys": made.keys}

    _told(_run(work()), as_json=as_json)


@operations.command("restore")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")],
    config: ConfigFile = None,
    identity: Annotated[
        Path | None, typer.Option(help="The identity.key, kept elsewhere.")
    ] = None,
    *,
    new_identity: Annotated[
        bool,
        typer.Option("--new-identity", help="Make a key that no client knows."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the data folder of a backup, checked before it is in place.

    Nothing is overwritten: the data folder must not be there, or be empty.
    """
    from vestibule.server.operations.restore import restore  # noqa: PLC0415 - starts faster

    loaded = load(config)

    async def work() -> dict[str, Any]:
        made = await restore(
            loaded, source, identity=identity, new_identity=new_identity
        )
        return {"epoch": made.epoch, "made": made.made, "data": str(loaded.data)}

    _told(_run(work()), as_json=as_json)


def _told(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value}")


@operations.command("export")
def export(
    file: Annotated[
        Path | None, typer.Argument(help="Else standard output. .json: JSON.")
    ] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write users, groups and settings as one document, without any password.

    A broker may run. Equal directories give equal documents.
    """
    from vestibule.server.operations.texts import Form, form_of, written  # noqa: PLC0415 - starts faster
    from vestibule.server.operations.transfer import export_directory  # noqa: PLC0415 - as above

    document = _run(export_directory(load(config)))
    form = Form.JSON if as_json else Form.YAML if file is None else form_of(file)
    text = written(document, form)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, "utf-8")
    except OSError as problem:
        fail(f"{file}: {problem.strerror}")


@operations.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A document; - is standard input.")],
    config: ConfigFile = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference; change nothing.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete users and groups that it does not name."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the directory what a document says, in one transaction or not at all.

    Users keep their passwords; new ones have none. No broker may run but for a dry
    run; to a running broker send it with `call …/security/import_directory`.
    """
    from vestibule.server.operations.transfer import import_directory  # noqa: PLC0415 - starts faster

    document = _read(file)
    rows = _run(import_directory(load(config), document, prune=prune, dry_run=dry_run))
    if as_json:
        say_json(rows)
    elif rows:
        table(rows, ["what", "name", "before", "after"])
    else:
        typer.echo("no difference")


def _read(file: Path) -> Any:
    from vestibule.server.config import ConfigError  # noqa: PLC0415 - starts faster
    from vestibule.server.operations.texts import form_of, read_text  # noqa: PLC0415 - as above

    try:
        if str(file) == "-":
            text = sys.stdin.read()
            return read_text(text, _form_of_text(text), "standard input")
        return read_text(file.read_text("utf-8"), form_of(file), str(file))
    except OSError as problem:
        fail(f"{file}: {problem.strerror}")
    except UnicodeDecodeError:
        fail(f"{file}: is not text")
    except ConfigError as problem:
        fail(problem)


def _form_of_text(text: str) -> "Form":
    from vestibule.server.operations.texts import Form  # noqa: PLC0415 - starts faster

    return Form.JSON if text.lstrip().startswith("{") else Form.YAML


@operations.command("doctor")
def doctor(
    config: ConfigFile = None,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for warnings too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check configuration, files, directory, audit trail, clock and host.

    Changes nothing; a broker may run. Exits with 1 if something failed.
    """
    from vestibule.server.operations.doctor import Health, examine  # noqa: PLC0415 - starts faster

    found = _run(examine(load(config)))
    rows = [
        {"check": one.check, "health": str(one.health), "told": one.told}
        for one in found
    ]
    if as_json:
        say_json(rows)
    else:
        table(rows, ["health", "check", "told"])
    bad = {Health.FAILED, Health.WARNING} if strict else {Health.FAILED}
    if any(one.health in bad for one in found):
        raise typer.Exit(1)
