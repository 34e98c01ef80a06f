"""Commands for scripts: what the two views hold, and changes that happen whole."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vestibule.client.cli_context import ExitStatus, fail, run
from vestibule.client.cli_joining import Joined
from vestibule.client.cli_output import AsJson, fields, printable, table, to_json


if TYPE_CHECKING:
    from vestibule.client.errors import ErrorReport
    from vestibule.client.security_views import (
        SecurityConfiguration,
        SystemAuthenticationConfiguration,
    )
    from vestibule.client.session import Session


__all__ = ["View", "scripts"]

_STDIN: Final = "-"

_MAX_SCRIPT_BYTES: Final = 1024 * 1024
"""Far above what a broker takes; what is longer is another file."""

scripts = typer.Typer(
    cls=Joined,
    help="Scripts: what roles may do and who may come in, changed all or nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class View(StrEnum):
    """The view that a script is for."""

    SECURITY = "security"
    AUTHENTICATION = "authentication"


ScriptFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="The script, or - for standard input."),
]
OfView = Annotated[
    View, typer.Option("--view", help="Roles and paths, or users and logins.")
]


def _read(file: str) -> str:
    """Read a script from a file or standard input; a failure ends the command."""
    try:
        if file == _STDIN:
            content = sys.stdin.buffer.read(_MAX_SCRIPT_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(_MAX_SCRIPT_BYTES + 1)
        text = content.decode()
    except OSError as problem:
        fail(ExitStatus.USAGE, f"{file}: {problem.strerror}")
    except UnicodeDecodeError:
        fail(ExitStatus.USAGE, f"{file}: is not text in UTF-8")
    if len(content) > _MAX_SCRIPT_BYTES:
        fail(ExitStatus.USAGE, f"{file}: is too long to be a script")
    return text


def _tell(file: str, reports: "tuple[ErrorReport, ...]", *, as_json: bool) -> None:
    """Write what is wrong with a script, a line each, and end with FAILED."""
    if as_json:
        shown = [
            {"message": one.message, "line": one.line, "column": one.column}
            for one in reports
        ]
        typer.echo(to_json({"reports": shown}))
    for one in reports:
        place = f"{file}:{one.line}:{one.column}"
        typer.echo(f"{printable(place)}: {printable(one.message)}", err=True)
    raise typer.Exit(ExitStatus.FAILED)


@scripts.command()
def apply(
    ctx: typer.Context,
    file: ScriptFile,
    view: OfView = View.SECURITY,
    expected_version: Annotated[
        int | None,
        typer.Option(min=0, help="Only if this is the view's version now."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Apply a script at the broker; when it returns, the change is in force.

    If any command of the script fails, nothing happens, and every failure is told with
    its line and column. A script with passwords is a secret: keep it like one.
    """
    script = _read(file)

    async def work(session: "Session") -> "int | tuple[ErrorReport, ...]":
        from vestibule.client.errors import ScriptError  # noqa: PLC0415 - starts faster

        security = session.security
        update = (
            security.update_security_store
            if view is View.SECURITY
            else security.update_authentication_store
        )
        try:
            return await update(script, expected_version=expected_version)
        except ScriptError as problem:
            return problem.reports

    answer = run(ctx, work)
    if not isinstance(answer, int):
        _tell(file, answer, as_json=as_json)
    elif as_json:
        typer.echo(to_json({"view": view.value, "version": answer}))
    else:
        typer.echo(f"applied: the {view} view has version {answer}")


@scripts.command()
def show(
    ctx: typer.Context, view: OfView = View.SECURITY, *, as_json: AsJson = False
) -> None:
    """Show a view: that of roles as the script that would make it."""

    async def work(session: "Session") -> Any:
        if view is View.SECURITY:
            return await session.security.get_security_configuration()
        return await session.security.get_system_authentication_configuration()

    answer = run(ctx, work)
    if view is View.SECURITY:
        _show_security(answer, as_json=as_json)
    else:
        _show_authentication(answer, as_json=as_json)


def _show_security(view: "SecurityConfiguration", *, as_json: bool) -> None:
    if not as_json:
        typer.echo(f"; version {view.version}")
        # A name is text of others, and a script is one command a line.
        for line in view.to_script().splitlines():
            typer.echo(printable(line))
        return
    roles = [
        {
            "name": role.name,
            "global_permissions": sorted(role.global_permissions),
            "default_path_permissions": sorted(role.default_path_permissions),
            "path_permissions": {
                path: sorted(permissions)
                for path, permissions in role.path_permissions.items()
            },
            "includes": sorted(role.includes),
            "locking_principal": role.locking_principal,
        }
        for role in view.roles
    ]
    shown = {
        "version": view.version,
        "roles": roles,
        "roles_for_anonymous_sessions": sorted(view.roles_for_anonymous_sessions),
        "roles_for_named_sessions": sorted(view.roles_for_named_sessions),
        "isolated_paths": sorted(view.isolated_paths),
    }
    typer.echo(to_json(shown))


def _show_authentication(
    view: "SystemAuthenticationConfiguration", *, as_json: bool
) -> None:
    principals: list[Mapping[str, Any]] = [
        {
            "name": one.name,
            "roles": sorted(one.roles),
            "locking_principal": one.locking_principal,
        }
        for one in view.principals
    ]
    rules: list[Mapping[str, Any]] = [
        {
            "key": key,
            "kind": rule.kind,
            "values": sorted(rule.values),
            "pattern": rule.pattern,
        }
        for key, rule in view.trusted_client_proposed_properties.items()
    ]
    anonymous = {
        "action": view.anonymous.action,
        "roles": sorted(view.anonymous.roles),
    }
    if as_json:
        trusted = {
            rule["key"]: {name: rule[name] for name in rule if name != "key"}
            for rule in rules
        }
        shown = {
            "version": view.version,
            "principals": principals,
            "anonymous": anonymous,
            "trusted_client_proposed_properties": trusted,
        }
        typer.echo(to_json(shown))
        return
    fields(
        {
            "version": view.version,
            "anonymous_connections": anonymous["action"],
            "their_roles": anonymous["roles"],
        }
    )
    table(principals, ["name", "roles", "locking_principal"])
    if rules:
        table(rules, ["key", "kind", "values", "pattern"])
