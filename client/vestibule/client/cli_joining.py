"""Groups of commands that other parts add theirs to, by the entry points of the package.

Others are loaded only when a command of theirs, or the help, is asked for: so
`vestibule publish` does not wait for a broker to be imported.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup


__all__ = ["COMMANDS", "Joined", "others"]

COMMANDS: Final = "vestibule.commands"
"""The entry points through which other parts add commands: each is a `typer.Typer`."""


class Joined(TyperGroup):
    """A group whose commands are its own and those that others have in its place.

    A command of its own hides another's of the same name; groups of the same name are
    one.
    """

    def added(self) -> dict[str, Any]:
        """Give the commands that others have in a group of this name."""
        group = others().get(str(self.name))
        return dict(getattr(group, "commands", {}))

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names of all commands, one's own first."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in self.added() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a command; others are loaded only if it is none of one's own."""
        found = super().get_command(ctx, cmd_name)
        return self.added().get(cmd_name) if found is None else found


@cache
def others() -> dict[str, Any]:
    """Give the commands of other parts that are installed, with what they need."""
    commands: dict[str, Any] = {}
    for entry in entry_points(group=COMMANDS):
        try:
            added = entry.load()
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("vestibule."):
                raise
            # The part is installed without its extra; the command line says so.
            continue
        commands.update(typer.main.get_group(added).commands)
    return commands
