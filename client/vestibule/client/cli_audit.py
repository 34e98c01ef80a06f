"""`vestibule audit query`: what the broker has recorded, for those who may see it."""

from typing import Annotated, Any, Final

import typer

from vestibule.client.cli_joining import Joined
from vestibule.client.cli_output import AsJson, table, to_json
from vestibule.client.cli_questions import ask


__all__ = ["audit"]

_COLUMNS: Final = [
    "seq",
    "time",
    "kind",
    "user",
    "session",
    "action",
    "path",
    "verdict",
    "fields",
]

audit = typer.Typer(
    cls=Joined,
    help="The audit trail: who did what, and who was refused.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@audit.command("query")
def query(  # noqa: PLR0913, PLR0917 - each is an option
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option(help="From then on: 2031-01-31T09:30:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Of this user.")] = None,
    session: Annotated[str | None, typer.Option(help="Of this session id.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="message_denied, directory_changed, …")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="event.publish, login, change, …")
    ] = None,
    verdict: Annotated[str | None, typer.Option(help="allowed or denied.")] = None,
    path: Annotated[
        str | None, typer.Option(help="A path; * stands for any characters.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many: 100.")] = None,
    before: Annotated[
        int | None, typer.Option(help="Only lines before this number.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the lines that fit everything that is said, the latest first."""
    options: dict[str, Any] = {
        "since": since,
        "until": until,
        "username": user,
        "session_id": session,
        "kind": kind,
        "action": action,
        "verdict": verdict,
        "path": path,
        "limit": limit,
        "before_seq": before,
    }
    said = {name: value for name, value in options.items() if value is not None}
    answer = ask(ctx, "query_audit", **said)
    if as_json:
        typer.echo(to_json(answer))
        return
    table(answer["lines"], _COLUMNS)
    if answer["more"] and answer["lines"]:
        last = answer["lines"][-1]["seq"]
        typer.echo(f"there are more: --before {last}", err=True)
