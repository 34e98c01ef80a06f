"""How commands answer: a table for people, JSON for programs, nothing executable.

Names and data come from elsewhere: control characters are escaped before a terminal
sees them.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer


__all__ = ["AsJson", "fields", "grant_text", "printable", "table", "to_json"]

_UNBROKEN: Final = 10_000
"""Columns of a table that is not shown on a screen: as many as its rows need."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def printable(text: str) -> str:
    """Escape what a terminal would obey, and what it would not show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _encode(value: object) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return printable(str(value))


def to_json(value: Any, *, compact: bool = False) -> str:
    """Give a value as JSON; bytes become base64. Control characters are escaped."""
    indent = None if compact else 2
    return json.dumps(value, default=_encode, indent=indent, ensure_ascii=True)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return printable(value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return ", ".join(printable(item) for item in value)
        case _:
            return to_json(value, compact=True)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows of equal keys as a table; `columns` picks and orders the keys."""
    from rich import box  # noqa: PLC0415 - 60 ms that JSON answers do not need
    from rich.console import Console  # noqa: PLC0415 - starts faster
    from rich.table import Table  # noqa: PLC0415 - starts faster
    from rich.text import Text  # noqa: PLC0415 - starts faster

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


def fields(values: Mapping[str, Any]) -> None:
    """Print one thing, a line a field."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")


def grant_text(grant: Mapping[str, Any] | None) -> str:
    """Give a grant in one line; a prohibition says so."""
    if not grant:
        return "nothing matched"
    verb = "allows" if grant.get("authorized", True) else "prohibits"
    parts = [str(grant.get(key, "")) for key in ("section", "action", "pattern")]
    return (
        f"{grant.get('holder', '')} {verb} {' '.join(part for part in parts if part)}"
    )
