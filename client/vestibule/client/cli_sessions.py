"""Commands about who is there now: live sessions, and tokens that are good no more."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestibule.client.cli_context import run
from vestibule.client.cli_joining import Joined
from vestibule.client.cli_output import AsJson, table, to_json


if TYPE_CHECKING:
    from vestibule.client.session import Session


__all__ = ["sessions", "tokens"]

_OPTIONS: dict[str, Any] = {
    "cls": Joined,
    "no_args_is_help": True,
    "rich_markup_mode": None,
}

sessions = typer.Typer(help="Sessions that are live now.", **_OPTIONS)
tokens = typer.Typer(help="Session tokens.", **_OPTIONS)

_SESSIONS = [
    "session_id",
    "username",
    "type",
    "remote_address",
    "authenticator",
    "profile",
    "connected_at",
    "token_id",
    "last",
]
_REVOKED = ["token_id", "username", "reason", "revoked_at", "expires_at"]


def _asked(ctx: typer.Context, ask: Callable[["Session"], Awaitable[Any]]) -> Any:
    async def work(session: "Session") -> Any:
        return await ask(session)

    return run(ctx, work)


@sessions.command("list")
def list_sessions(
    ctx: typer.Context,
    user: Annotated[
        str | None, typer.Option("--user", help="Only the sessions of this user.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List sessions, with what each has asked last."""
    options: dict[str, Any] = {}
    if user is not None:
        options["criteria"] = {"username": user}
    if limit is not None:
        options["limit"] = limit
    answer = _asked(ctx, lambda s: s.exchange.security.list_sessions(**options))
    if as_json:
        typer.echo(to_json(answer))
    else:
        table([{**row, "last": _last(row.get("last"))} for row in answer], _SESSIONS)


def _last(last: Any) -> str:
    """Give the last decision about a session in one line."""
    if not isinstance(last, dict):
        return ""
    verdict = "" if last.get("allowed") else " denied"
    return f"{last.get('action', '')} {last.get('path', '')}{verdict}"


@sessions.command("revoke")
def revoke_sessions(
    ctx: typer.Context,
    session_ids: Annotated[
        list[str], typer.Argument(metavar="SESSION_ID", help="As `list` shows them.")
    ],
) -> None:
    """End sessions at once; their users may log in again, and their tokens stay."""

    async def work(session: "Session") -> None:
        for session_id in session_ids:
            await session.security.revoke_authentication(session_id)

    run(ctx, work)


@tokens.command("revoke")
def revoke_token(
    ctx: typer.Context,
    token_id: Annotated[
        str, typer.Argument(metavar="TOKEN_ID", help="As `session list` shows it.")
    ],
    reason: Annotated[str, typer.Option(help="Kept with the revocation.")] = "system",
) -> None:
    """Revoke a token for good, and end every session that came by it."""
    _asked(ctx, lambda s: s.exchange.security.revoke_token(token_id, reason))


@tokens.command("list-revoked")
def list_revoked_tokens(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List revoked tokens until each would have expired anyhow."""
    answer = _asked(ctx, lambda s: s.exchange.security.list_revoked_tokens())
    if as_json:
        typer.echo(to_json(answer))
    else:
        table(answer, _REVOKED)
