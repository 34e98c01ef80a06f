"""The table of commands in `docs/stores.md`, written from the grammar of scripts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vestibule.server.directory.script import View, reference


__all__ = ["stores_page"]

_PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "stores.md"

_PLACE: Final = re.compile(
    r"(?<=<!-- commands: written by `make docs` from the grammar; do not edit -->\n)"
    r".*?(?=<!-- end of commands -->)",
    re.DOTALL,
)

_TITLES: Final = {
    View.SECURITY: "the security view",
    View.AUTHENTICATION: "the authentication view",
}


def stores_page() -> str:
    """Give the text of `docs/stores.md`, with the commands that there are now.

    Raises:
        ValueError: the page has no place for them.
    """
    text = _PAGE.read_text("utf-8")
    if _PLACE.search(text) is None:
        raise ValueError("docs/stores.md has no place for the commands")
    table = "".join(_tables())
    return _PLACE.sub(lambda _: table, text, count=1)


def _tables() -> Iterator[str]:
    for view, title in _TITLES.items():
        yield f"\n| commands of {title} | effect |\n|---|---|\n"
        for command in reference():
            if command.view is view:
                # A table's cell ends with a bar.
                form = command.form.replace("|", "\\|")
                yield f"| `{form}` | {command.effect} |\n"
    yield "\n"
