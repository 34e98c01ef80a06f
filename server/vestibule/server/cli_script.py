"""`vestibule script check`: whether a script can be read, without a broker."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer


__all__ = ["scripts"]

_STDIN: Final = "-"

_MAX_BYTES: Final = 1024 * 1024
"""Far above what a script may have; what is longer is another file."""

scripts = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


class _View(StrEnum):
    SECURITY = "security"
    AUTHENTICATION = "authentication"


@scripts.command()
def check(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The script, or - for standard input."),
    ],
    view: Annotated[
        _View, typer.Option("--view", help="Roles and paths, or users and logins.")
    ] = _View.SECURITY,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Check a script's words, names and permissions, without asking a broker.

    What only the directory knows (whether a user exists, who locks a role) is found
    when the script is applied. Exits with 1 and a line for each error.
    """
    from vestibule.server.directory.errors import DirectoryError  # noqa: PLC0415 - starts faster
    from vestibule.server.directory.script import View, parse  # noqa: PLC0415 - starts faster

    script = _read(file)
    try:
        parsed = parse(script, View(view.value))
    except DirectoryError as problem:
        _fail(f"{file}: {problem}")
    if as_json:
        shown = {
            "commands": len(parsed.commands),
            "reports": [report.shape for report in parsed.reports],
        }
        typer.echo(json.dumps(shown, indent=2))
    for report in parsed.reports:
        line = f"{file}:{report.line}:{report.column}: {report.message}"
        typer.echo(_printable(line), err=True)
    if parsed.reports:
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"no error in {len(parsed.commands)} commands")


def _read(file: str) -> str:
    try:
        if file == _STDIN:
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(_MAX_BYTES + 1)
        return content.decode()
    except OSError as problem:
        _fail(f"{file}: {problem.strerror}", status=2)
    except UnicodeDecodeError:
        _fail(f"{file}: is not text in UTF-8", status=2)


def _fail(problem: str, status: int = 1) -> NoReturn:
    typer.echo(f"vestibule: {_printable(problem)}", err=True)
    raise typer.Exit(status)


def _printable(text: str) -> str:
    """Escape what a terminal would obey: names in a script are text of others."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
