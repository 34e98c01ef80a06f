"""Where a configuration comes from: a YAML file and `VESTIBULE_…` variables.

Both are read strictly. Whatever would silently become a default elsewhere is an error
here: a file that is missing, empty or not a mapping, a key that stands twice, a
misspelt variable. Every error is one line that names the place and shows no value.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource


__all__ = [
    "NOT_SETTINGS",
    "PREFIX",
    "ConfigError",
    "CoreLoader",
    "EnvironmentSource",
    "YamlReader",
    "YamlSource",
    "describe",
    "expand_short_forms",
    "split_host_port",
]

PREFIX: Final = "VESTIBULE_"
"""What the name of every variable that sets a key begins with."""

NOT_SETTINGS: Final = frozenset(
    {
        "VESTIBULE_ADMIN_PASSWORD",
        "VESTIBULE_KNOWN_BROKERS",
        "VESTIBULE_NEW_PASSWORD",
        "VESTIBULE_PASSWORD",
        "VESTIBULE_SERVER_KEY",
        "VESTIBULE_URL",
        "VESTIBULE_USERNAME",
    }
)
"""Variables of that prefix with a meaning of their own, for the first start and for
the command line; no key has one of these names."""

_MAX_FILE_BYTES: Final = 256 * 1024
"""A file with every key and a page of comments on each is a tenth of this."""

_MAX_DEPTH: Final = 16
"""Levels of a file; no key is deeper than 3."""

_MAX_LINE_BYTES: Final = 1024
"""Longest text of an error: one line of a log."""

_MAX_SHOWN: Final = 200
"""Characters of a name from outside that an error repeats."""


class ConfigError(ValueError):
    """The configuration cannot be used. The text is one line: where, then what."""

    def __init__(self, problem: str, *, where: str = "") -> None:
        text = f"{_shown(where)}: {problem}" if where else problem
        encoded = " ".join(text.split()).encode(errors="backslashreplace")
        super().__init__(encoded[:_MAX_LINE_BYTES].decode(errors="ignore"))


def _shown(text: str) -> str:
    """Give a name from outside as printable ASCII, cut."""
    escaped = text.encode("unicode_escape").decode()
    return escaped if len(escaped) <= _MAX_SHOWN else f"{escaped[:_MAX_SHOWN]}…"


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core types only, and no aliases.

    YAML 1.1 reads `off` as false, `1:30` as 90 and `010` as 8: an `encryption: off`
    must stay the word that it is. Aliases could make a small file large.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base's own shape

    depth = 0
    deepest = _MAX_DEPTH

    def compose_node(
        self, parent: yaml.nodes.Node | None, index: Any
    ) -> yaml.nodes.Node | None:
        """Compose a node, unless it is an alias or lies too deep."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "alias", self.get_mark())
        self.depth += 1
        # Checked while parsing: PyYAML takes quadratic time for deep brackets.
        if self.depth > self.deepest:
            raise yaml.composer.ComposerError(None, None, "depth", self.get_mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_TEXT: Final = "tag:yaml.org,2002:str"

for _tag, _pattern, _first in (
    (_NULL, r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"[-+]?(?:0|[1-9][0-9_]{0,30})$", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30}|[0-9]{1,30}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?$",
        list("-+.0123456789"),
    ),
):
    CoreLoader.add_implicit_resolver(_tag, re.compile(_pattern, re.ASCII), _first)


_SCALARS: Final[dict[str, Callable[[str], Any]]] = {
    _TEXT: str,
    _NULL: lambda _: None,
    _BOOL: lambda text: text.lower() == "true",
    _INT: int,
    _FLOAT: float,
}


class YamlReader:
    """Turns composed YAML into values, and remembers on which line each key stands."""

    def __init__(self, where: str, loader: type[CoreLoader] = CoreLoader) -> None:
        self._where = where
        self._loader = loader
        self.lines: dict[tuple[str, ...], int] = {}

    def read(self, text: str) -> Any:
        """Give the document's value; None if there is none.

        Raises:
            ConfigError: not YAML, too deep, an alias, a tag, a key that is not text or twice.
        """
        try:
            node = yaml.compose(text, Loader=self._loader)
            return None if node is None else self._value(node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = 1 if mark is None else mark.line + 1
            raise self._error("is not valid YAML", line) from None
        except yaml.YAMLError:
            raise self._error("is not valid YAML", None) from None

    def _error(self, problem: str, line: int | None) -> ConfigError:
        where = self._where if line is None else f"{self._where}:{line}"
        return ConfigError(problem, where=where)

    def _value(self, node: yaml.nodes.Node, path: tuple[str, ...]) -> Any:
        if isinstance(node, yaml.nodes.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.nodes.SequenceNode):
            return [self._value(item, path) for item in node.value]
        if node.tag in _SCALARS:
            return _SCALARS[node.tag](node.value)
        line = node.start_mark.line + 1
        raise self._error("has a tag, which no key takes", line)

    def _mapping(
        self, node: yaml.nodes.MappingNode, path: tuple[str, ...]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._value(key_node, path)
            if not isinstance(key, str):
                raise self._error("a key is not text", line)
            if key in values:
                name = _shown(".".join((*path, key)))
                first = self.lines[(*path, key)]
                raise self._error(f"{name} stands twice, first on line {first}", line)
            self.lines[(*path, key)] = line
            values[key] = self._value(value_node, (*path, key))
        return values


class _Source(PydanticBaseSettingsSource):
    """What both sources share: values, made when constructed, and where each stands."""

    def __init__(self, model: type[BaseSettings]) -> None:
        super().__init__(model)
        self.values: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        return self.values

    def get_field_value(
        self, field: FieldInfo, field_name: str
    ) -> tuple[Any, str, bool]:
        """Part of the base's contract; `__call__` answers without it."""
        del field
        return self.values.get(field_name), field_name, False

    def place(self, path: tuple[str, ...]) -> str | None:
        """Tell where the key at `path`, or the nearest above it, was set."""
        raise NotImplementedError


class YamlSource(_Source):
    """The values of a YAML file.

    Raises:
        ConfigError: missing, unreadable, too long, empty, or not strictly YAML.
    """

    def __init__(self, model: type[BaseSettings], path: Path) -> None:
        super().__init__(model)
        self._file = str(path)
        self._lines: dict[tuple[str, ...], int] = {}
        values = self._read(path)
        if values is None:
            raise ConfigError("the file is empty", where=self._file)
        if not isinstance(values, dict):
            raise ConfigError("the file is no mapping of keys", where=self._file)
        self.values = expand_short_forms(values)

    def _read(self, path: Path) -> Any:
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            raise ConfigError("there is no such file", where=self._file) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a file name"
            raise ConfigError(f"cannot be read: {reason}", where=self._file) from None
        if len(content) > _MAX_FILE_BYTES:
            problem = f"is longer than {_MAX_FILE_BYTES} bytes"
            raise ConfigError(problem, where=self._file)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise ConfigError("is not UTF-8 text", where=self._file) from None
        reader = YamlReader(self._file)
        values = reader.read(text)
        self._lines = reader.lines
        return values

    def place(self, path: tuple[str, ...]) -> str | None:
        """Give file and line of the key at `path` or the nearest above it."""
        for known in _upwards(path):
            if known in self._lines:
                return f"{self._file}:{self._lines[known]}"
        return self._file


class EnvironmentSource(_Source):
    """The values of `VESTIBULE_…` variables; `__` stands between levels.

    A text key takes the value as it is; every other one reads it as a YAML value, so
    `null`, `0.5`, `true` and `[handler, directory]` mean what they mean in the file.

    Raises:
        ConfigError: a variable that names no key, or two for one key.
    """

    def __init__(
        self, model: type[BaseSettings], environment: Mapping[str, str]
    ) -> None:
        super().__init__(model)
        self._names: dict[tuple[str, ...], str] = {}
        # Shorter names first: VESTIBULE_LISTEN before VESTIBULE_LISTEN__PORT.
        for name in sorted(environment):
            if name.upper().startswith(PREFIX) and name.upper() not in NOT_SETTINGS:
                self._take(model, name, environment[name])

    def _take(self, model: type[BaseModel], name: str, text: str) -> None:
        path = tuple(name[len(PREFIX) :].lower().split("__"))
        field = _field_at(model, path)
        if field is None:
            raise ConfigError("no key has this name", where=name)
        if path in self._names:
            raise ConfigError(f"the same key as {self._names[path]}", where=name)
        self._names[path] = name
        value = text if _takes_text(field.annotation) else YamlReader(name).read(text)
        target = self.values
        for level in path[:-1]:
            target = target.setdefault(level, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{level} is already set as a whole", where=name)
        target[path[-1]] = value
        expand_short_forms(self.values)

    def place(self, path: tuple[str, ...]) -> str | None:
        """Give the variable that set the key at `path` or one above it, if any did."""
        return next((self._names[p] for p in _upwards(path) if p in self._names), None)


def expand_short_forms(values: dict[str, Any]) -> dict[str, Any]:
    """Turn `listen: host:port` and `handler: …` into mappings, in place.

    Before the sources are merged: a variable for one part of a key must not lose
    the other part.
    """
    listen, handler = values.get("listen"), values.get("handler")
    if isinstance(listen, str):
        values["listen"] = split_host_port(listen)
    if isinstance(handler, str):
        values["handler"] = {"load": handler}
    return values


def split_host_port(text: str) -> dict[str, Any]:
    """Split `host`, `host:port`, `[::1]:port` or a bare IPv6 address."""
    bracketed = re.fullmatch(r"\[(?P<host>[^\]]*)\](?::(?P<port>[0-9]{1,5}))?", text)
    plain = re.fullmatch(r"(?P<host>[^:]*):(?P<port>[0-9]{1,5})", text)
    found = bracketed or plain
    if found is None:
        return {"host": text}
    if found["port"] is None:
        return {"host": found["host"]}
    return {"host": found["host"], "port": int(found["port"])}


def _upwards(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give `path`, then each path above it."""
    for length in range(len(path), 0, -1):
        yield path[:length]


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Give the model of a section's annotation, `Model` or `Model | None`."""
    if get_origin(annotation) is tuple:
        return None
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _field_at(model: type[BaseModel] | None, path: tuple[str, ...]) -> FieldInfo | None:
    """Find the field at a path of keys."""
    field: FieldInfo | None = None
    for key in path:
        if model is None:
            return None
        field = model.model_fields.get(key)
        if field is None:
            return None
        model = _section_of(field.annotation)
    return field


def _takes_text(annotation: Any) -> bool:
    """Whether a variable's text is the value of such a field as it stands."""
    if annotation in (str, Path):
        return True
    arguments = getattr(annotation, "__args__", ())
    return bool(arguments) and all(isinstance(item, str) for item in arguments)


_PROBLEMS: Final = {
    "extra_forbidden": "no key has this name",
    "missing": "is missing",
    "tuple_type": "should be a list",
    "frozen_set_type": "should be a list",
    "model_type": "should be a mapping of keys",
    "path_type": "should be a path",
}
"""What to say instead of the library, in the words of YAML."""


def describe(error: ValidationError, *sources: _Source) -> ConfigError:
    """Make the one line that says which key is wrong, where it stands, and why.

    No value is in it: a value may be a secret that stands in the wrong place.
    """
    found = error.errors(include_input=False, include_url=False, include_context=False)
    # A default that could not be computed is a consequence of another error.
    problems = [e for e in found if e["type"] != "default_factory_not_called"] or found
    first = problems[0]
    path = tuple(str(part) for part in first["loc"])
    problem = _PROBLEMS.get(first["type"])
    if problem is None:
        problem = first["msg"].removeprefix("Value error, ")
    if path:
        problem = f"{_shown('.'.join(path))}: {problem}"
    if len(problems) > 1:
        problem += f" (and {len(problems) - 1} more)"
    places = (source.place(path) for source in sources)
    return ConfigError(problem, where=next((at for at in places if at), ""))
