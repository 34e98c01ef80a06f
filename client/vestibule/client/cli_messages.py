"""Commands that send and hear: `publish`, `subscribe`, `call`, `login-check`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vestibule.client.cli_context import ExitStatus, fail, run
from vestibule.client.cli_output import AsJson, fields, printable, to_json


if TYPE_CHECKING:
    from vestibule.client.session import Session


__all__ = ["call", "login_check", "publish", "subscribe"]

_STDIN: Final = "-"

Data = Annotated[
    str | None,
    typer.Argument(help="JSON, or - to read it from standard input.", metavar="DATA"),
]
AsText = Annotated[bool, typer.Option("--text", help="DATA is text, not JSON.")]


def _data(text: str | None, *, as_text: bool) -> Any:
    """Read the argument DATA."""
    if text is None:
        return None
    if text == _STDIN:
        text = sys.stdin.read()
    if as_text:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        fail(ExitStatus.USAGE, "DATA is not JSON; --text sends it as it is")


def login_check(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Log in, say as whom, and leave."""

    async def work(session: "Session") -> dict[str, Any]:
        return {
            "username": session.username,
            "session_id": session.session_id,
            "insecure": list(session.insecure),
        }

    answer = run(ctx, work)
    if as_json:
        typer.echo(to_json(answer))
    else:
        fields({**answer, "insecure": answer["insecure"] or "nothing"})


def publish(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The event's name.")],
    data: Data = None,
    *,
    text: AsText = False,
) -> None:
    """Publish one event; done when the broker has allowed it."""
    value = _data(data, as_text=text)

    async def work(session: "Session") -> None:
        await session.events.publish(name, value)

    run(ctx, work)


def subscribe(
    ctx: typer.Context,
    patterns: Annotated[list[str], typer.Argument(help="Names, or patterns with *.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="End after this many events.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print events as they come, a line each, until interrupted."""

    async def work(session: "Session") -> None:
        left = count
        async with session.events.subscribe(*patterns) as events:
            for pattern, problem in events.refused.items():
                line = f"vestibule: {printable(pattern)}: {printable(str(problem))}"
                typer.echo(line, err=True)
            async for event in events:
                if as_json:
                    shown = {"name": event.name, "data": event.data}
                    typer.echo(to_json(shown, compact=True))
                else:
                    data = to_json(event.data, compact=True)
                    typer.echo(f"{printable(event.name)}  {data}")
                if left is not None:
                    left -= 1
                    if left == 0:
                        return

    run(ctx, work, reconnect=True)


def call(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The method's path.")],
    data: Data = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds for the answer.")
    ] = 10.0,
    *,
    text: AsText = False,
    as_json: AsJson = False,
) -> None:
    """Call a method and print its answer, which is JSON in any case."""
    value = _data(data, as_text=text)

    async def work(session: "Session") -> Any:
        return await session.rpc.call(name, value, timeout=timeout)

    typer.echo(to_json(run(ctx, work), compact=as_json))
