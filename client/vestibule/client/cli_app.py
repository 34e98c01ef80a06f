"""The commands of `vestibule`, put together; a broker's own join them if installed."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from vestibule.client import cli_messages, cli_security
from vestibule.client.cli_context import DEFAULT_URL, Encryption, Target


__all__ = ["app"]

COMMANDS: Final = "vestibule.commands"
"""The entry points through which other parts add commands: each is a `typer.Typer`."""

_BROKER: Final = ("serve", "check-config", "key", "health")


class _Group(TyperGroup):
    """Loads the commands of others only when one of them, or the help, is asked for.

    So `vestibule publish` does not wait for a broker to be imported.
    """

    _extended = False

    def list_commands(self, ctx: Any) -> list[str]:
        self._extend()
        return list(super().list_commands(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is not None or self._extended:
            return found
        self._extend()
        if cmd_name in _BROKER and cmd_name not in self.commands:
            typer.echo(
                f"vestibule: {cmd_name} is the broker's: pip install "
                "'vestibule[server]'",
                err=True,
            )
            raise typer.Exit(1)
        return super().get_command(ctx, cmd_name)

    def _extend(self) -> None:
        if self._extended:
            return
        self._extended = True
        for entry in entry_points(group=COMMANDS):
            try:
                commands = entry.load()
            except ModuleNotFoundError as missing:
                if (missing.name or "").startswith("vestibule."):
                    raise
                # The part is installed without its extra; `get_command` says so.
                continue
            added = typer.main.get_group(commands).commands
            self.commands = {**added, **self.commands}


app = typer.Typer(
    cls=_Group,
    name="vestibule",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Talk to a Vestibule broker, administer it, or run one.",
    epilog="Passwords come from --password-file, VESTIBULE_PASSWORD or a prompt, never "
    "from an argument. Exit status: 0 done, 1 failed, 2 usage, 3 login refused, "
    "4 no connection, 5 denied, 6 timed out.",
)


@app.callback()
def _options(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option(envvar="VESTIBULE_URL", help="Where the broker listens.")
    ] = DEFAULT_URL,
    server_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar="VESTIBULE_SERVER_KEY",
            help="The broker's public key (vsk1_…), more than once while it changes.",
        ),
    ] = None,
    known_brokers: Annotated[
        Path | None,
        typer.Option(
            envvar="VESTIBULE_KNOWN_BROKERS", help="File of broker keys seen before."
        ),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(
            "--username",
            "-u",
            envvar="VESTIBULE_USERNAME",
            help="As whom to log in; without it the login is anonymous.",
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="File with the password; its last line break drops."),
    ] = None,
    encryption: Annotated[
        Encryption, typer.Option(help="off: only for a broker that is set to it.")
    ] = Encryption.REQUIRED,
) -> None:
    """Take the options that stand before the command."""
    ctx.obj = Target(
        url=url,
        server_key=tuple(server_key or ()),
        known_brokers=known_brokers,
        username=username,
        password_file=password_file,
        encryption=encryption,
    )


app.command("login-check")(cli_messages.login_check)
app.command("publish")(cli_messages.publish)
app.command("subscribe")(cli_messages.subscribe)
app.command("call")(cli_messages.call)
app.command("explain")(cli_security.explain)
app.command("who-can")(cli_security.who_can)
app.add_typer(cli_security.users, name="user")
app.add_typer(cli_security.groups, name="group")
app.add_typer(cli_security.grants, name="grant")


@app.command()
def demo() -> None:
    """Play a narrated story against a real broker of its own, in a temporary folder."""
    from vestibule.client.demo import play  # noqa: PLC0415 - only this command needs it

    raise typer.Exit(play())


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version  # noqa: PLC0415 - only this command needs it

    typer.echo(version("vestibule"))
