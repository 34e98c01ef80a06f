"""Documents as YAML, for people, or as JSON, for programs and for large directories.

YAML is that of the configuration: version 1.2's core types, no aliases, no tags, each
key once. What is written is read back as it was.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from vestibule.server.config_source import ConfigError, CoreLoader, YamlReader


__all__ = ["Form", "form_of", "read_text", "written"]

_MAX_BYTES: Final = 256 * 1024 * 1024
"""A hundred thousand users with their rules are a tenth."""

_MAX_DEPTH: Final = 48
"""Levels; data of users has 32, and stands in five others."""

_WIDTH: Final = 10_000
"""Lines are not folded, so that a difference of two texts is one of values."""


class Form(StrEnum):
    """How a document is written."""

    YAML = "yaml"
    JSON = "json"


def form_of(path: Path) -> Form:
    """Tell a file's form by its name: JSON if it ends so, else YAML."""
    return Form.JSON if path.suffix == ".json" else Form.YAML


def written(document: Any, form: Form) -> str:
    """Give a document as text; equal documents give equal texts."""
    if form is Form.JSON:
        return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"
    return yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=_WIDTH,
    )


def read_text(text: str, form: Form, where: str) -> Any:
    """Read what `written` gave, or people wrote.

    Raises:
        ConfigError: it is not of that form, too deep or too long, or has a key twice.
    """
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"is longer than {_MAX_BYTES} bytes", where=where)
    if form is Form.YAML:
        return YamlReader(where, _Loader).read(text)
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_not_finite)
    except RecursionError:
        raise ConfigError("is too deep", where=where) from None
    except json.JSONDecodeError as problem:
        raise ConfigError(
            "is not valid JSON", where=f"{where}:{problem.lineno}"
        ) from None
    except ValueError as problem:
        raise ConfigError(str(problem), where=where) from None


class _Loader(CoreLoader):
    """The configuration's, for data that may be deeper."""

    deepest = _MAX_DEPTH


class _Dumper(yaml.SafeDumper):
    """Quotes exactly what the loader would take for something else than text."""

    yaml_implicit_resolvers = CoreLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: _Dumper, text: str) -> yaml.nodes.Node:
    """Escape what has a meaning in YAML or would not be seen."""
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _not_finite(text: str) -> Any:
    raise ValueError(f"{text} is no number here")
