"""Commands that examine the audit trail on the broker's host."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from vestibule.server.cli_context import AsJson, ConfigFile, fail, load, say_json


__all__ = ["audit"]

audit = typer.Typer(
    help="The audit trail: who did what, and who was refused.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@audit.command("verify")
def verify(
    config: ConfigFile = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="A head that was noted before, SEQ:HASH; repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Lines from `audit export` instead.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check every line: none was edited, taken out, put in or moved.

    Says which line is wrong, and where the trail ends: note that somewhere else, and
    --expect finds a trail whose end was cut off or that was made anew. A broker may
    run. Exits with 1 if anything is wrong.
    """
    from vestibule.server.config import ConfigError  # noqa: PLC0415 - starts faster
    from vestibule.server.trail import parse_head, verify  # noqa: PLC0415 - as above
    from vestibule.server.trail.exporting import verify_export  # noqa: PLC0415 - as above

    try:
        heads = [parse_head(text) for text in expect or ()]
    except ValueError as problem:
        fail(f"--expect {problem}", 2)
    try:
        if file is None:
            report = verify(load(config).data, heads)
        else:
            report = verify_export(file, heads)
    except ConfigError as problem:
        fail(problem)
    faults = [{"line": one.seq, "problem": one.problem} for one in report.faults]
    if as_json:
        say_json(
            {
                "lines": report.lines,
                "first": report.first,
                "cut": report.cut,
                "head": None if report.head is None else str(report.head),
                "faults": faults,
                "more": report.more,
            }
        )
    else:
        for fault in report.faults:
            typer.echo(str(fault))
        if report.more:
            typer.echo(f"and {report.more} more")
        if not report.faults:
            kept = f", lines up to {report.cut} were cut" if report.cut else ""
            typer.echo(f"{report.lines} lines are good{kept}")
            typer.echo(f"head  {report.head}")
    if report.faults:
        raise typer.Exit(1)


@audit.command("export")
def export(
    config: ConfigFile = None,
    since: Annotated[int, typer.Option(help="The first line's number.")] = 1,
) -> None:
    """Print every line as JSON, one a line, whole; `verify --file` checks them."""
    import sys  # noqa: PLC0415 - only this command needs it

    from vestibule.server.config import ConfigError  # noqa: PLC0415 - starts faster
    from vestibule.server.trail import DATABASE, Database, TrailError  # noqa: PLC0415 - as above
    from vestibule.server.trail.exporting import line_text  # noqa: PLC0415 - as above

    folder = load(config).data
    try:
        with closing(Database.open(folder / DATABASE)) as database:
            for line in database.lines(since):
                sys.stdout.write(line_text(line))
    except (ConfigError, TrailError) as problem:
        fail(problem)
