"""Commands for users' signing keys: make one, and let it log a user in."""

from pathlib import Path
from typing import Annotated

import typer

from vestibule.client.cli_context import ExitStatus, fail
from vestibule.client.cli_output import AsJson, fields, to_json
from vestibule.client.cli_questions import ask


__all__ = ["enrol_key", "new_key"]


def new_key(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the secret key goes.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a signing key to log in with: FILE for you alone, FILE.pub to be enrolled.

    It is not a key of the broker: those are under `vestibule key`.
    """
    from vestibule.client.key_files import (  # noqa: PLC0415 - starts faster
        KeyFileError,
        make_key,
        public_text,
    )

    try:
        public = public_text(make_key(file).public)
    except KeyFileError as problem:
        fail(ExitStatus.FAILED, str(problem))
    made = {"file": str(file), "public_key": public}
    if as_json:
        typer.echo(to_json(made))
    else:
        fields(made)


def enrol_key(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="FILE.pub of new-key, or its FILE."),
    ] = None,
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the user's key away instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a user log in by the key of FILE, in place of any that it had."""
    if (file is None) is not remove:
        fail(ExitStatus.USAGE, "give FILE, or --remove")
    from vestibule.client.key_files import (  # noqa: PLC0415 - starts faster
        KeyFileError,
        public_key_of,
    )

    public: str | None = None
    if file is not None:
        try:
            public = public_key_of(file)
        except KeyFileError as problem:
            fail(ExitStatus.USAGE, str(problem))
    answer = ask(ctx, "update_user", {"username": name, "public_key": public})
    shown = {key: answer[key] for key in ("username", "user_id", "public_key")}
    if as_json:
        typer.echo(to_json(shown))
    else:
        fields({key: "none" if one is None else one for key, one in shown.items()})
