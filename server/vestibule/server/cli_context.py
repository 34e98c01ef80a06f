"""What the broker's own commands share: the configuration, and how they answer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer


if TYPE_CHECKING:
    from vestibule.server.config import Config

__all__ = ["AsJson", "ConfigFile", "fail", "load", "say_json", "table"]

_UNBROKEN: Final = 10_000
"""Columns of a table that is not shown on a screen: as many as its rows need."""

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="YAML file; without one the defaults and VESTIBULE_…"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def fail(problem: object, status: int = 1) -> NoReturn:
    """Write one line to standard error and exit with `status`."""
    typer.echo(f"vestibule: {problem}", err=True)
    raise typer.Exit(status)


def load(path: Path | None) -> "Config":
    """Read the configuration, or end with the line that says why not."""
    from vestibule.server.config import Config, ConfigError  # noqa: PLC0415 - starts faster

    try:
        return Config.load(path)
    except ConfigError as problem:
        fail(problem)


def say_json(value: Any) -> None:
    """Print a value as JSON; control characters are escaped."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=True))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as a table; control characters are escaped."""
    from rich import box  # noqa: PLC0415 - 60 ms that JSON answers do not need
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # Text: a cell's brackets are no markup.
        drawn.add_row(*(Text(_cell(row.get(column))) for column in columns))
    console = Console()
    if not console.is_terminal:
        # What reads it by line is not to find rows cut to the width of a screen.
        console.width = _UNBROKEN
    console.print(drawn)


def _cell(value: Any) -> str:
    if value is None or value == {}:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
