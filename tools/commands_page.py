"""`docs/commands.md`, written from the commands themselves."""

import inspect
from textwrap import wrap
from typing import Any, Final

import typer
import typer.main

from vestibule.client.cli_app import app
from vestibule.server.cli import commands as broker


__all__ = ["commands", "commands_page"]

_WIDTH: Final = 96

_INTRODUCTION: Final = """\
# The command line

*Generated from the commands by `make docs`; change their descriptions there.*

`vestibule` talks to a broker, administers it, or runs one. `pip install 'vestibule[cli]'` has
the commands of a client, `vestibule[server]` those of the broker too. `python -m
vestibule.client` is the same command. `vestibule --install-completion` completes commands and
options in your shell.

- **Where and as whom** stands before the command: `vestibule --url ws://broker:7420
  --server-key vsk1_… --username lisa publish news/x '"hello"'`. Without `--username` the login
  is anonymous.
- **Passwords** are never arguments, which everybody on the machine can read. They come from
  `--password-file`, from `VESTIBULE_PASSWORD`, or from a prompt; those of other users from
  `--new-password-file`, `VESTIBULE_NEW_PASSWORD` or a prompt.
- **The server key** is printed by the broker when it starts, and by `vestibule key show`. On
  another machine than the broker's, no password is sent to a broker whose key is not known.
- **Answers** are tables for people, or JSON with `--json`. Control characters that come from a
  broker are escaped.
- **Failures** are one line on standard error, and a status:

| status | meaning |
|---|---|
| 0 | done |
| 1 | the broker refused, or a start failed |
| 2 | usage |
| 3 | the login was refused |
| 4 | no connection, or it ended |
| 5 | denied by the gate |
| 6 | no answer in time |
"""


def commands() -> list[tuple[str, Any]]:
    """Give every command with its whole name, groups taken apart."""
    # The broker's own join by an entry point; here they come whether it is installed.
    joined = {**_taken_apart(broker), **_taken_apart(app)}
    return sorted(joined.items())


def _taken_apart(part: typer.Typer) -> dict[str, Any]:
    """Give the commands of one part, those of groups with the group's name before."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_group(part).commands.items():
        below = getattr(command, "commands", None)
        if below is None:
            found[name] = command
        else:
            found |= {f"{name} {inner}": below[inner] for inner in below}
    return found


def commands_page() -> str:
    """Give the text of `docs/commands.md`."""
    group = typer.main.get_group(app)
    parts = [_INTRODUCTION, "\n## Options before the command\n\n"]
    parts += [f"{_option(one)}\n" for one in group.params if one.name != "help"]
    for name, command in commands():
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option"]
        usage = " ".join(["vestibule", name, *(_argument(one) for one in arguments)])
        parts.append(f"\n## `{usage}`\n\n{_paragraphs(command.help)}\n")
        lines = [_told(_argument(one), one) for one in arguments if one.help]
        lines += [_option(one) for one in options if one.name != "help"]
        if lines:
            parts.append("\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def _paragraphs(text: str | None) -> str:
    cleaned = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join("\n".join(wrap(" ".join(p.split()), _WIDTH)) for p in cleaned)


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).upper().strip("[]")
    if parameter.nargs != 1:
        name += "…"
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = "`, `".join([*parameter.opts, *parameter.secondary_opts])
    return _told(names, parameter)


def _told(names: str, parameter: Any) -> str:
    text = f"- `{names}`"
    if parameter.help:
        text += f": {parameter.help}"
    default = parameter.default
    if isinstance(default, str | int | float) and not isinstance(default, bool):
        text += f" Default: `{default}`."
    if getattr(parameter, "envvar", None):
        text += f" Variable `{parameter.envvar}`."
    lines = wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False)
    return "\n".join(lines)
