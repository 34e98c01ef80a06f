"""What all commands share: where the broker is, who asks, and how a failure ends."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import typer

from vestibule.client.cli_output import printable


if TYPE_CHECKING:
    from vestibule.client.session import Session


__all__ = [
    "DEFAULT_URL",
    "Encryption",
    "ExitStatus",
    "Target",
    "fail",
    "new_password",
    "run",
    "target_of",
]

DEFAULT_URL: Final = "ws://127.0.0.1:7420"

_MAX_PASSWORD_FILE: Final = 4096
"""A password has at most 1,024 bytes; a longer file is another file."""

_TOLD: Final = (
    "retry_after",
    "group",
    "problems",
    "locking_principal",
    "expected",
    "current",
    "limit",
)
"""What of the details of a failure people are told."""

T = TypeVar("T")


class ExitStatus(IntEnum):
    """How a command ended; the help of `vestibule` lists them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    LOGIN_REFUSED = 3
    NO_CONNECTION = 4
    DENIED = 5
    TIMED_OUT = 6
    INTERRUPTED = 130


class Encryption(StrEnum):
    """Whether records are sealed; a broker that does not do the same is refused."""

    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The options before the command. The password is read only when it is needed."""

    url: str = DEFAULT_URL
    server_key: tuple[str, ...] = ()
    known_brokers: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    key_file: Path | None = None
    scram: bool = False
    encryption: Encryption = Encryption.REQUIRED
    environment: dict[str, str] = field(
        default_factory=lambda: dict(os.environ), repr=False
    )

    def options(self) -> dict[str, Any]:
        """Give the keyword arguments of `open_session` that these options mean."""
        options: dict[str, Any] = {"encryption": self.encryption.value}
        if self.server_key:
            options["server_key"] = list(self.server_key)
        if self.known_brokers is not None:
            options["known_brokers"] = self.known_brokers
        if self.scram and self.username is not None and self.key_file is None:
            options["scram"] = True
        return options

    def credentials(self) -> dict[str, Any]:
        """Give what to log in with; without a username an anonymous login."""
        if self.username is None:
            if self.key_file is not None:
                fail(ExitStatus.USAGE, "a key is a user's: give --username")
            return {}
        if self.key_file is not None:
            return {"username": self.username, "signing_key": _key(self.key_file)}
        password = _password(
            self.password_file,
            self.environment.get("VESTIBULE_PASSWORD"),
            f"Password of {printable(self.username)}",
            "--password-file or VESTIBULE_PASSWORD",
        )
        return {"username": self.username, "password": password}


def target_of(ctx: typer.Context) -> Target:
    """Give the options before the command."""
    target = ctx.obj
    return target if isinstance(target, Target) else Target()


def new_password(ctx: typer.Context, file: Path | None) -> str:
    """Read the password that a user is to have; a prompt asks for it twice."""
    environment = target_of(ctx).environment
    return _password(
        file,
        environment.get("VESTIBULE_NEW_PASSWORD"),
        "New password",
        "--new-password-file or VESTIBULE_NEW_PASSWORD",
        confirm=True,
    )


def _password(
    file: Path | None,
    variable: str | None,
    prompt: str,
    how: str,
    *,
    confirm: bool = False,
) -> str:
    """Read a password from a file, a variable or a terminal: never from an argument."""
    if file is not None:
        return _from_file(file)
    if variable is not None:
        return variable
    if not sys.stdin.isatty():
        fail(ExitStatus.USAGE, f"no password: give {how}")
    asked: str = typer.prompt(
        prompt, hide_input=True, confirmation_prompt=confirm, err=True
    )
    return asked


def _key(file: Path) -> Any:
    """Read a signing key from a file that is its owner's alone."""
    from vestibule.client.key_files import KeyFileError, read_key  # noqa: PLC0415 - starts faster

    try:
        return read_key(file)
    except KeyFileError as problem:
        fail(ExitStatus.USAGE, str(problem))


def _from_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_PASSWORD_FILE + 1)
        text = content.decode()
    except OSError as problem:
        fail(ExitStatus.USAGE, f"{file}: {problem.strerror}")
    except UnicodeDecodeError:
        fail(ExitStatus.USAGE, f"{file}: is not text")
    if len(content) > _MAX_PASSWORD_FILE:
        fail(ExitStatus.USAGE, f"{file}: is too long to be a password")
    return text.removesuffix("\n").removesuffix("\r")


def fail(status: ExitStatus, problem: str) -> NoReturn:
    """Write one line to standard error and end with `status`."""
    typer.echo(f"vestibule: {printable(problem)}", err=True)
    raise typer.Exit(status)


def run(
    ctx: typer.Context,
    work: Callable[["Session"], Awaitable[T]],
    *,
    reconnect: bool = False,
) -> T:
    """Open a session, do `work` with it, close it; a failure becomes one line.

    Without `reconnect` a connection that ends ends the command.
    """
    # The client is imported here: --help and completion do without it.
    from vestibule import client  # noqa: PLC0415 - starts faster

    target = target_of(ctx)
    options = target.options()
    if not reconnect:
        options["reconnect"] = None
    credentials = target.credentials()

    async def main() -> T:
        async with client.open_session(target.url, credentials, **options) as session:
            return await work(session)

    try:
        return asyncio.run(main())
    except client.VestibuleError as problem:
        _tell(problem)
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        fail(ExitStatus.NO_CONNECTION, f"cannot reach {target.url}: {reason}")
    except ValueError as problem:
        fail(ExitStatus.USAGE, str(problem))


def _tell(problem: Any) -> NoReturn:
    """End with the line and the status of one of the client's exceptions."""
    from vestibule import client  # noqa: PLC0415 - as in `run`

    match problem:
        case client.LoginRefused():
            status = ExitStatus.LOGIN_REFUSED
        case client.HandshakeFailed() | client.ConnectionLost():
            status = ExitStatus.NO_CONNECTION
        case client.ConnectionClosed() | client.SessionClosed():
            status = ExitStatus.NO_CONNECTION
        case client.MessageDenied():
            status = ExitStatus.DENIED
        case client.RequestTimeout():
            status = ExitStatus.TIMED_OUT
        case _:
            status = ExitStatus.FAILED
    text = str(problem)
    name = getattr(problem, "name", None)
    if name:
        text += f" ({name})"
    for key in _TOLD:
        if key in problem.details:
            text += f" [{key}: {problem.details[key]}]"
    if problem.code == "SERVER_KEY_UNVERIFIED":
        text += "; give --server-key, which the broker prints when it starts"
    fail(status, text)
