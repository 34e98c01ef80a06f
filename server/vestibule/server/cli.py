"""The broker's own commands: `serve`, `check-config`, `key`, `health`.

They join the command line of the client through the entry points `vestibule.commands`.
What they need is imported inside them, so that the others start fast.
"""

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vestibule.server import cli_audit, cli_locks, cli_operations, cli_script
from vestibule.server.cli_context import AsJson, ConfigFile, fail, load


if TYPE_CHECKING:
    from vestibule.protocol.crypto import IdentityKey


__all__ = ["commands"]

_HEALTH_TIMEOUT: Final = 5.0
"""Seconds for the answer of one's own machine."""

_HEALTH_BYTES: Final = 4096
"""More is no answer of a broker."""

_LABELS: Final = {
    "server_key": "server key",
    "fingerprint": "fingerprint",
    "encryption": "encryption",
    "handler": "handler",
    "health": "health",
    "password": "administrator password",
}
"""What `serve` prints below its first line, and under which name."""

_LABEL_WIDTH: Final = max(len(label) for label in _LABELS.values())

commands = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
keys = typer.Typer(
    help="The broker's identity keys.", no_args_is_help=True, rich_markup_mode=None
)
commands.add_typer(keys, name="key")
commands.add_typer(cli_script.scripts, name="script")
commands.add_typer(cli_audit.audit, name="audit")
commands.add_typer(cli_operations.operations)
commands.add_typer(cli_locks.users, name="user")
commands.add_typer(cli_locks.groups, name="group")


@commands.command()
def serve(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Run a broker until SIGTERM or SIGINT; a second signal ends at once.

    Where it listens and its server key go to standard output, the log to standard
    error. The first start makes the data folder, and prints the password of _ADMIN
    once, unless VESTIBULE_ADMIN_PASSWORD gives one.
    """
    from vestibule.server.serving import StartFailed, serve  # noqa: PLC0415 - starts faster

    loaded = load(config)
    try:
        serve(loaded, announce=_announce_json if as_json else _announce)
    except StartFailed as problem:
        fail(problem)


def _announce(facts: dict[str, str]) -> None:
    typer.echo(f"vestibule listens on {facts['url']}")
    for name, label in _LABELS.items():
        if name in facts:
            typer.echo(f"{label:<{_LABEL_WIDTH}}  {facts[name]}")


def _announce_json(facts: dict[str, str]) -> None:
    typer.echo(json.dumps(facts))


@commands.command("check-config")
def check_config(config: ConfigFile = None) -> None:
    """Check configuration, handler, keys and data folder as a start would.

    Opens no port and makes no file. Exits with 1 and one line if a start would fail.
    """
    from vestibule.server.config_source import ConfigError  # noqa: PLC0415 - starts faster
    from vestibule.server.serving import check  # noqa: PLC0415 - starts faster

    loaded = load(config)
    try:
        check(loaded)
    except ConfigError as problem:
        fail(problem)
    typer.echo("the configuration is good")
    for name in loaded.insecure_settings():
        typer.echo(f"vestibule: gives up protection: {name}", err=True)


def _print_keys(found: "list[IdentityKey]", *, as_json: bool) -> None:
    from vestibule.protocol.crypto import fingerprint_text  # noqa: PLC0415 - starts faster

    rows = [
        {"key": key.text, "fingerprint": fingerprint_text(key.public)} for key in found
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for position, row in enumerate(rows):
        kind = "current" if position == 0 else "earlier"
        typer.echo(f"{kind}  {row['key']}  {row['fingerprint']}")


@keys.command("show")
def show(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Print the public keys, for clients to pin, and their fingerprints."""
    from vestibule.server.keyfile import KeyFileError, read_keys  # noqa: PLC0415 - starts faster

    loaded = load(config)
    try:
        _print_keys(read_keys(loaded.data), as_json=as_json)
    except KeyFileError as problem:
        fail(problem)


@keys.command("rotate")
def rotate(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Put a new key first and keep the next three; the broker takes it when restarted.

    Clients learn all keys when they log in, so most know the new one before it counts.
    """
    from vestibule.server.keyfile import KeyFileError, rotate_keys  # noqa: PLC0415 - starts faster

    loaded = load(config)
    try:
        _print_keys(rotate_keys(loaded.data), as_json=as_json)
    except KeyFileError as problem:
        fail(problem)


@commands.command()
def health(
    config: ConfigFile = None,
    url: Annotated[
        str | None, typer.Option(help="The HTTP listener, http://host:port.")
    ] = None,
) -> None:
    """Ask a running broker's GET /health; exits with 0 only if it is ok."""
    import http.client  # noqa: PLC0415 - only this command needs it
    from urllib.parse import urlsplit  # noqa: PLC0415 - starts faster

    if url is None:
        listener = load(config).http
        if listener is None:
            fail("http is null: there is no listener to ask")
        host, port = listener.host, listener.port
    else:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            fail("--url is not http://host:port")
        host, port = parts.hostname, parts.port or 80
    connection = http.client.HTTPConnection(host, port, timeout=_HEALTH_TIMEOUT)
    try:
        connection.request("GET", "/health")
        with connection.getresponse() as answer:
            status: Any = json.loads(answer.read(_HEALTH_BYTES)).get("status")
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        fail("the broker does not answer")
    finally:
        connection.close()
    typer.echo(status)
    if answer.status != http.client.OK:
        raise typer.Exit(1)
