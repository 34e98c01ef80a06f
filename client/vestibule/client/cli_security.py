"""Commands that administer: users, groups, grants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vestibule.client.cli_context import ExitStatus, fail, new_password
from vestibule.client.cli_joining import Joined
from vestibule.client.cli_output import AsJson, fields, table, to_json
from vestibule.client.cli_questions import ask


__all__ = ["grants", "groups", "users"]

_OPTIONS: dict[str, Any] = {
    "cls": Joined,
    "no_args_is_help": True,
    "rich_markup_mode": None,
}

users = typer.Typer(help="Users of the broker's directory.", **_OPTIONS)
groups = typer.Typer(help="Groups, and who belongs to them.", **_OPTIONS)
grants = typer.Typer(help="What groups and users may do.", **_OPTIONS)

Name = Annotated[str, typer.Argument(metavar="NAME")]
Pattern = Annotated[str, typer.Argument(help="Names; * stands for any characters.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", "--groups", help="A group to belong to; repeatable."),
]
NewPasswordFile = Annotated[
    Path | None, typer.Option(help="File with the user's new password.")
]


def _show(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(answer))
    else:
        fields({key: value for key, value in answer.items() if value not in (None, {})})


def _rows(answer: list[dict[str, Any]], columns: list[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(answer))
    else:
        table(answer, columns)


# Users


@users.command("list")
def list_users(
    ctx: typer.Context, pattern: Pattern = "*", *, as_json: AsJson = False
) -> None:
    """List users."""
    columns = ["username", "user_id", "custom_data", "application_data"]
    _rows(ask(ctx, "list_users", pattern), columns, as_json=as_json)


@users.command("get")
def get_user(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Show one user, with groups and permissions."""
    answer = ask(ctx, "get_user", name)
    if answer is None:
        fail(ExitStatus.FAILED, f"USER_NOT_FOUND: {name}")
    if not as_json:
        answer = {**answer, "groups": sorted(answer.get("groups", {}))}
    _show(answer, as_json=as_json)


@users.command("add")
def add_user(
    ctx: typer.Context,
    name: Name,
    group: Groups = None,
    new_password_file: NewPasswordFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Add a user; the password is prompted for, or comes from a file or variable."""
    user: dict[str, Any] = {"username": name}
    user["password"] = new_password(ctx, new_password_file)
    if group:
        user["groups"] = dict.fromkeys(group, True)
    _show(ask(ctx, "add_user", user), as_json=as_json)


@users.command("update")
def update_user(
    ctx: typer.Context,
    name: Name,
    group: Groups = None,
    leave: Annotated[
        list[str] | None, typer.Option(help="A group to leave; repeatable.")
    ] = None,
    *,
    password: Annotated[
        bool, typer.Option("--password", help="Give the user another password.")
    ] = False,
    new_password_file: NewPasswordFile = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Refuse or allow logins.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a user; what no option names stays as it is."""
    user: dict[str, Any] = {"username": name}
    if password or new_password_file is not None:
        user["password"] = new_password(ctx, new_password_file)
    if disabled is not None:
        user["disabled"] = disabled
    memberships = dict.fromkeys(group or (), True) | dict.fromkeys(leave or (), False)
    if memberships:
        user["groups"] = memberships
    if len(user) == 1:
        fail(ExitStatus.USAGE, "nothing to change: give an option")
    _show(ask(ctx, "update_user", user), as_json=as_json)


@users.command("delete")
def delete_user(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Delete a user; its sessions end."""
    _show(ask(ctx, "delete_user", name), as_json=as_json)


# Groups


Includes = Annotated[
    list[str] | None,
    typer.Option(
        "--include", help="A group whose grants this one has too; repeatable."
    ),
]


@groups.command("list")
def list_groups(
    ctx: typer.Context, pattern: Pattern = "*", *, as_json: AsJson = False
) -> None:
    """List groups."""
    answer = ask(ctx, "list_groups", pattern)
    _rows(answer, ["name", "includes", "custom_data"], as_json=as_json)


@groups.command("get")
def get_group(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Show one group, with its permissions."""
    answer = ask(ctx, "get_group", name)
    if answer is None:
        fail(ExitStatus.FAILED, f"GROUP_NOT_FOUND: {name}")
    _show(answer, as_json=as_json)


@groups.command("add")
def add_group(
    ctx: typer.Context,
    name: Name,
    include: Includes = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Add a group, which grants nothing yet."""
    group: dict[str, Any] = {"name": name}
    if include:
        group["includes"] = include
    _show(ask(ctx, "add_group", group), as_json=as_json)


@groups.command("update")
def update_group(
    ctx: typer.Context,
    name: Name,
    include: Includes = None,
    *,
    no_includes: Annotated[
        bool, typer.Option("--no-includes", help="Include no other group any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replace the groups that a group includes."""
    if bool(include) == no_includes:
        fail(ExitStatus.USAGE, "give --include or --no-includes")
    group = {"name": name, "includes": include or []}
    _show(ask(ctx, "update_group", group), as_json=as_json)


@groups.command("delete")
def delete_group(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Delete a group; its users stay."""
    _show(ask(ctx, "delete_group", name), as_json=as_json)


@groups.command("link")
def link_group(
    ctx: typer.Context, name: Name, user: str, *, as_json: AsJson = False
) -> None:
    """Make USER a member of the group."""
    _show(ask(ctx, "link_group", name, user), as_json=as_json)


@groups.command("unlink")
def unlink_group(
    ctx: typer.Context, name: Name, user: str, *, as_json: AsJson = False
) -> None:
    """Take USER out of the group."""
    _show(ask(ctx, "unlink_group", name, user), as_json=as_json)


# Grants


Holder = Annotated[str, typer.Argument(help="A group; with --user, a user.")]
Section = Annotated[
    str, typer.Argument(help="methods, events, data, web, entities or actions.")
]
Path_ = Annotated[str, typer.Argument(metavar="PATH", help="A path, or one with *.")]
Actions = Annotated[
    str | None,
    typer.Option(help="Verbs with commas between; without it the section's usual one."),
]
OfUser = Annotated[bool, typer.Option("--user", help="The holder is a user.")]
Prohibit = Annotated[
    bool, typer.Option("--prohibit", help="A prohibition, which beats every allow.")
]


def _permissions(
    section: str, path: str, actions: str | None, *, prohibit: bool
) -> dict[str, Any]:
    """Make a permission object of one entry."""
    entry: dict[str, Any] = {"authorized": False} if prohibit else {}
    if actions is not None:
        entry["actions"] = [verb.strip() for verb in actions.split(",") if verb.strip()]
    return {section: {path: entry}}


@grants.command("add")
def add_grant(
    ctx: typer.Context,
    holder: Holder,
    section: Section,
    path: Path_,
    actions: Actions = None,
    *,
    user: OfUser = False,
    prohibit: Prohibit = False,
    as_json: AsJson = False,
) -> None:
    """Allow, or prohibit, verbs of a section at a path."""
    method = "add_user_permissions" if user else "add_group_permissions"
    permissions = _permissions(section, path, actions, prohibit=prohibit)
    _show(ask(ctx, method, holder, permissions), as_json=as_json)


@grants.command("remove")
def remove_grant(
    ctx: typer.Context,
    holder: Holder,
    section: Section,
    path: Path_,
    actions: Actions = None,
    *,
    user: OfUser = False,
    prohibit: Prohibit = False,
    as_json: AsJson = False,
) -> None:
    """Drop allows, or with --prohibit prohibitions, at a path."""
    method = "remove_user_permissions" if user else "remove_group_permissions"
    permissions = _permissions(section, path, actions, prohibit=prohibit)
    _show(ask(ctx, method, holder, permissions), as_json=as_json)
