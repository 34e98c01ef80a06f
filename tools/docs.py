"""Writes the documents that are generated, or with `--check` tells which are stale."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.commands_page import commands_page
from tools.directory_page import directory_page
from tools.scripts_page import stores_page
from vestibule.protocol.phases import render_states
from vestibule.server.config_page import configuration_page, example_file


__all__ = ["GENERATED", "main", "stale"]

ROOT: Final = Path(__file__).resolve().parent.parent

GENERATED: Final[dict[str, Callable[[], str]]] = {
    "config.example.yaml": example_file,
    "docs/commands.md": commands_page,
    "docs/configuration.md": configuration_page,
    "docs/directory.md": directory_page,
    "docs/states.md": render_states,
    "docs/stores.md": stores_page,
}
"""What is generated, and by what; of `docs/stores.md` a table only."""


def stale() -> list[str]:
    """Give the generated documents that are not what the code says now."""
    return [
        name
        for name, make in GENERATED.items()
        if not (ROOT / name).exists() or (ROOT / name).read_text("utf-8") != make()
    ]


def main(arguments: list[str]) -> int:
    """Write, or check; 1 if a check finds a stale document."""
    if arguments == ["--check"]:
        names = stale()
        for name in names:
            sys.stderr.write(f"{name} is not what the code says: run make docs\n")
        return 1 if names else 0
    if arguments:
        sys.stderr.write("usage: python -m tools.docs [--check]\n")
        return 2
    for name, make in GENERATED.items():
        (ROOT / name).write_text(make(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
