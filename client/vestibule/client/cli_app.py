"""The commands of `vestibule`, put together; a broker's own join them if installed."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from vestibule.client import (
    cli_audit,
    cli_keys,
    cli_messages,
    cli_questions,
    cli_script,
    cli_security,
    cli_sessions,
)
from vestibule.client.cli_context import DEFAULT_URL, Encryption, Target
from vestibule.client.cli_joining import Joined, others


__all__ = ["app"]

_BROKER: Final = (
    "serve",
    "check-config",
    "key",
    "health",
    "backup",
    "restore",
    "export",
    "import",
    "doctor",
)


class _Root(Joined):
    """All commands. One of a broker that is not installed says what to install."""

    def added(self) -> dict[str, Any]:
        return others()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in _BROKER:
            typer.echo(
                f"vestibule: {cmd_name} is the broker's: pip install "
                "'vestibule[server]'",
                err=True,
            )
            raise typer.Exit(1)
        return found


app = typer.Typer(
    cls=_Root,
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
def _options(  # noqa: PLR0913 - one an option
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
    key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="VESTIBULE_KEY_FILE",
            help="Log in by the signing key of this file, made by `user new-key`.",
        ),
    ] = None,
    encryption: Annotated[
        Encryption, typer.Option(help="off: only for a broker that is set to it.")
    ] = Encryption.REQUIRED,
    *,
    scram: Annotated[
        bool,
        typer.Option("--scram", help="Prove the password without showing it."),
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    ctx.obj = Target(
        url=url,
        server_key=tuple(server_key or ()),
        known_brokers=known_brokers,
        username=username,
        password_file=password_file,
        key_file=key_file,
        scram=scram,
        encryption=encryption,
    )


app.command("login-check")(cli_messages.login_check)
app.command("publish")(cli_messages.publish)
app.command("subscribe")(cli_messages.subscribe)
app.command("call")(cli_messages.call)
app.command("explain")(cli_questions.explain)
app.command("who-can")(cli_questions.who_can)
app.command("what-can")(cli_questions.what_can)
app.command("what-if")(cli_questions.what_if)
cli_security.users.command("new-key")(cli_keys.new_key)
cli_security.users.command("enrol-key")(cli_keys.enrol_key)
app.add_typer(cli_security.users, name="user")
app.add_typer(cli_security.groups, name="group")
app.add_typer(cli_security.grants, name="grant")
app.add_typer(cli_audit.audit, name="audit")
app.add_typer(cli_script.scripts, name="script")
app.add_typer(cli_sessions.sessions, name="session")
app.add_typer(cli_sessions.tokens, name="token")


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
