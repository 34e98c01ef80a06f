"""Commands that ask: why is something allowed, who may, what may one, what if."""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from vestibule.client.cli_context import ExitStatus, fail, run
from vestibule.client.cli_output import AsJson, fields, grant_text, table, to_json


__all__ = ["ask", "explain", "what_can", "what_if", "who_can"]

_STDIN: Final = "-"

User = Annotated[str, typer.Argument(metavar="USER")]
Action = Annotated[
    str, typer.Argument(help="Section and verb: events.publish, methods.call, …")
]
Path_ = Annotated[str, typer.Argument(metavar="PATH", help="The whole path.")]


def ask(ctx: typer.Context, method: str, *arguments: Any, **options: Any) -> Any:
    """Call a method of the broker's component `security`."""

    async def work(session: Any) -> Any:
        function: Callable[..., Awaitable[Any]]
        function = getattr(session.exchange.security, method)
        return await function(*arguments, **options)

    return run(ctx, work)


def explain(
    ctx: typer.Context,
    user: User,
    action: Action,
    path: Path_,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell whether USER may do ACTION at PATH, which grant decides, what else matched."""
    answer = ask(ctx, "explain", user, action, path)
    if as_json:
        typer.echo(to_json(answer))
        return
    _explanation(answer)


def _explanation(answer: Mapping[str, Any]) -> None:
    shown = {
        "allowed": answer["allowed"],
        "reason": answer["reason"],
        "grant": grant_text(answer["grant"]),
    }
    if answer.get("through"):
        shown["through"] = " > ".join(answer["through"])
    if answer.get("void"):
        shown["void"] = answer["void"]
    fields(shown)
    others = [one for one in answer.get("matched", []) if not _is(one, answer["grant"])]
    if others:
        typer.echo("\nalso matched")
        table([_grant_row(one) for one in others], ["grant", "through"])
    _left_out(answer.get("left_out", 0))


def _is(matched: Mapping[str, Any], grant: Mapping[str, Any] | None) -> bool:
    return {key: matched[key] for key in matched if key != "through"} == grant


def _grant_row(grant: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "grant": grant_text(grant),
        "through": " > ".join(grant.get("through", [])),
    }


def _left_out(count: int, what: str = "more") -> None:
    if count:
        typer.echo(f"and {count} {what}")


def who_can(
    ctx: typer.Context,
    action: Action,
    path: Path_,
    *,
    as_json: AsJson = False,
) -> None:
    """List the users who may do ACTION at PATH, each with its grant."""
    answer = ask(ctx, "who_can", action, path)
    if as_json:
        typer.echo(to_json(answer))
    else:
        rows = [{**row, "grant": grant_text(row["grant"])} for row in answer]
        table(rows, ["username", "grant"])


_LISTS: Final = {
    "rules": ["section", "pattern", "actions", "holder", "through", "exceptions"],
    "assignments": ["path", "permissions", "holder", "through"],
    "global_permissions": ["permission", "holder", "through"],
    "own_methods": ["path"],
    "void": ["holder", "section", "path", "problem"],
}
"""What a user may do, list by list, and the columns of each."""


def what_can(ctx: typer.Context, user: User, *, as_json: AsJson = False) -> None:
    """List what USER may do, with exceptions, and through which groups it comes."""
    answer = ask(ctx, "what_can", user)
    if as_json:
        typer.echo(to_json(answer))
        return
    for name, columns in _LISTS.items():
        rows = answer.get(name, [])
        if rows:
            typer.echo(name.replace("_", " "))
            table([_row(row) for row in rows], columns)
    _left_out(answer.get("left_out", 0))


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Make of a row of `what_can` one of a table."""
    shown = {**row, "through": " > ".join(row.get("through", []))}
    exceptions = [
        f"{one['action']} {one['pattern']} ({one['holder']})"
        for one in row.get("exceptions", [])
    ]
    return {**shown, "exceptions": exceptions}


def what_if(
    ctx: typer.Context,
    changes: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help='JSON: a list of {"method", "args", "kwargs"}; - reads standard input.',
        ),
    ],
    user: Annotated[str | None, typer.Argument(metavar="[USER]")] = None,
    action: Annotated[str | None, typer.Argument(metavar="[ACTION]")] = None,
    path: Annotated[str | None, typer.Argument(metavar="[PATH]")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell who would gain or lose what by changes, sessions included; changes nothing.

    With USER, ACTION and PATH, explain before and after.
    """
    question = [one for one in (user, action, path) if one is not None]
    if len(question) not in (0, 3):
        fail(ExitStatus.USAGE, "give USER, ACTION and PATH, or none of them")
    answer = ask(ctx, "what_if", _read(changes), *question)
    if as_json:
        typer.echo(to_json(answer))
    elif question:
        for when in ("before", "after"):
            typer.echo(when)
            _explanation(answer[when])
    else:
        _prospect(answer)


def _read(file: str) -> Any:
    """Read changes; a failure ends the command."""
    try:
        content = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
        return json.loads(content)
    except OSError as problem:
        fail(ExitStatus.USAGE, f"cannot read {file}: {problem.strerror}")
    except ValueError as problem:
        fail(ExitStatus.USAGE, f"{file} is not JSON: {problem}")


def _prospect(answer: Mapping[str, Any]) -> None:
    users = [
        {
            "username": one["username"],
            "gains": [_right(right) for right in one["gains"]],
            "loses": [_right(right) for right in one["loses"]],
        }
        for one in answer["users"]
    ]
    sessions = [
        {
            **one,
            "suspended": [_held(held) for held in one["suspended"]],
            "resumed": [_held(held) for held in one["resumed"]],
        }
        for one in answer["sessions"]
    ]
    if not users and not sessions:
        typer.echo("nobody would gain or lose anything")
    if users:
        table(users, ["username", "gains", "loses"])
    _left_out(answer["users_left_out"], "more users")
    if sessions:
        table(sessions, ["session_id", "username", "ends", "suspended", "resumed"])
    _left_out(answer["sessions_left_out"], "more sessions")


def _right(right: Mapping[str, Any]) -> str:
    return " ".join(right[key] for key in ("section", "action", "path") if right[key])


def _held(held: Mapping[str, Any]) -> str:
    return f"{held['kind']} {held['name']}"
