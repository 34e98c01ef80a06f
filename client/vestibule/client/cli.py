"""The command `vestibule`: where it begins.

The command line is an extra: without typer and rich this says how to get them.
"""

import sys


__all__ = ["main"]

_EXTRAS = frozenset({"click", "rich", "typer"})


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its status."""
    try:
        from vestibule.client.cli_app import app  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError as missing:
        if missing.name not in _EXTRAS:
            raise
        sys.stderr.write(
            f"vestibule: the command line needs {missing.name}; "
            "pip install 'vestibule[cli]' (or 'vestibule[server]' with the broker)\n"
        )
        sys.exit(1)
    app(prog_name="vestibule")
