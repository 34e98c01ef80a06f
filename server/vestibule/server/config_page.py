"""`docs/configuration.md` and `config.example.yaml`, written from the model itself.

`make docs` writes both; a test and `make check` compare them with what this makes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vestibule.server.config import Config
from vestibule.server.config_source import PREFIX


__all__ = ["Key", "configuration_page", "example_file", "keys"]

_WIDTH: Final = 96

_INTRODUCTION: Final = """\
# Configuration

*Generated from the model by `make docs`; change the descriptions there.*

A broker without any configuration runs: on loopback, with an encrypted protocol, its
data in `./data`, and a directory that lets in nobody but its administrator. Everything
else is a key of this page, set in a YAML file (`vestibule serve --config F`) or by an
environment variable, which wins. `config.example.yaml` has every key with its default.

- A variable is `VESTIBULE_` and the key in upper case, with `__` between levels:
  `VESTIBULE_QUARANTINE__TIMEOUT=10`. Text is taken as it is; numbers, `true`, `null` and
  lists such as `[handler, directory]` are written as in YAML.
- A start stops with one line that names file, line and key (exit status 1) for: a file
  that is missing, unreadable, empty or not YAML; an unknown key or a misspelt variable; a
  key that stands twice; a wrong type or a value out of bounds. Values are never shown.
  `vestibule check-config` does the same checks without starting.
- YAML is version 1.2 here: `off`, `on`, `yes` and `no` are words. Aliases and tags are
  refused.
- Times are in seconds, sizes in bytes. 0 never means "no limit".
- Over a limit a request is refused with `LIMIT_EXCEEDED`, whose details name the key.

Variables that are no keys: `VESTIBULE_ADMIN_PASSWORD`, the administrator's password at the
very first start (later it changes nothing; without it a random one is made and printed
once); `VESTIBULE_URL`, `VESTIBULE_SERVER_KEY`, `VESTIBULE_KNOWN_BROKERS`,
`VESTIBULE_USERNAME`, `VESTIBULE_PASSWORD` and `VESTIBULE_NEW_PASSWORD`, options of the
command line.

Settings that give up protection are named in a warning at the start and told to every
session (`session.insecure`): `encryption_off` for `encryption: off`, `lockout_off` for
`lockout.enabled: false`.
"""

_EXAMPLE: Final = """\
# Every key with its default. What is left out has it; what is unknown stops the start.
# docs/configuration.md has the bounds and the reasons.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One key as readers see it."""

    path: tuple[str, ...]
    default: Any
    kind: str
    unit: str
    bounds: str
    why: str
    optional: bool
    """Whether it has no default that a file could state."""

    @property
    def dotted(self) -> str:
        """The key as errors and documents name it."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + "__".join(self.path).upper()


def _section(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (tuple, frozenset):
        # A list of them is one value.
        return None
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def keys(
    model: type[BaseModel] = Config, above: tuple[str, ...] = (), *, bare: bool = False
) -> Iterator[Key]:
    """Give every key below `model`, in the order of the model.

    `bare` says that the section is missing by default, so its keys have none.
    """
    for name, field in model.model_fields.items():
        path = (*above, name)
        section = _section(field.annotation)
        if section is None:
            yield _key(path, field, bare=bare)
        else:
            yield from keys(section, path, bare=bare or field.default is None)


def _key(path: tuple[str, ...], field: FieldInfo, *, bare: bool) -> Key:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = extra.get("default", field.default)
    bounds = ""
    if "least" in extra:
        bounds = f"{_shown(extra['least'])} to {_shown(extra['most'])}"
    return Key(
        path=path,
        default=default,
        kind=_kind(field.annotation),
        unit=str(extra.get("unit", "")),
        bounds=bounds,
        why=field.description or "",
        optional=bare or field.default_factory is not None,
    )


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{item}`" for item in get_args(annotation))
    if get_origin(annotation) in (tuple, frozenset):
        return "a list"
    return {bool: "`true` or `false`", Path: "a path", str: "text"}.get(annotation, "")


def _shown(value: Any) -> str:
    """Give a value as YAML writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case tuple() | frozenset():
            return f"[{', '.join(str(item) for item in value)}]"
        case _:
            return str(value)


def configuration_page() -> str:
    """Give the text of `docs/configuration.md`."""
    parts = [_INTRODUCTION]
    heading = ""
    for key in keys():
        top = key.path[0]
        if top != heading:
            heading = top
            parts.append(f"\n## {top}\n")
            section = _section(Config.model_fields[top].annotation)
            if section is not None:
                parts.append(f"\n{cleandoc(section.__doc__ or '')}\n")
        parts.append(_entry(key))
    return "".join(parts)


def _entry(key: Key) -> str:
    default = "none" if key.optional and key.unit == "" else _shown(key.default)
    if key.optional and isinstance(key.default, str):
        default = key.default
    facts = [f"Default: {default}{f' {key.unit}' if key.unit else ''}."]
    if key.kind:
        facts.append(f"{key.kind[0].upper()}{key.kind[1:]}.")
    if key.bounds:
        facts.append(f"From {key.bounds}.")
    facts.append(f"Variable `{key.variable}`.")
    why = f"{key.why[0].upper()}{key.why[1:]}." if key.why else ""
    lines = wrap(f"{why} {' '.join(facts)}".strip(), _WIDTH, break_long_words=False)
    text = "\n".join(lines)
    return f"\n### `{key.dotted}`\n\n{text}\n"


def example_file() -> str:
    """Give the text of `config.example.yaml`."""
    lines = [_EXAMPLE]
    open_section: tuple[str, ...] = ()
    for key in keys():
        above = key.path[:-1]
        if above != open_section:
            if len(above) <= 1:
                lines.append("")
            if above:
                indent = "  " * (len(above) - 1)
                mark = "# " if key.optional and len(above) > 1 else ""
                lines.append(f"{mark}{indent}{above[-1]}:")
            open_section = above
        lines.append(_example_line(key))
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _example_line(key: Key) -> str:
    indent = "  " * (len(key.path) - 1)
    name = key.path[-1]
    if key.optional:
        told = "PATH" if key.kind == "a path" else "VALUE"
        if key.default not in (None, PydanticUndefined):
            told = _shown(key.default)
        return f"# {indent}{name}: {told}"
    return f"{indent}{name}: {_shown(key.default)}"
