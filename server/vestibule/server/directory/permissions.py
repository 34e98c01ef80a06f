"""Permission objects: checked as a whole, then merged, removed, or read back.

A holder stores at most one grant for each section, path and verb, allowed or
prohibited; the last write decides (docs/permissions.md, "Rules").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from vestibule.protocol.actions import Section
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.model import Entry, Rules
from vestibule.server.directory.paths import (
    OPAQUE_SECTIONS,
    InvalidPath,
    has_template,
    shown_path,
    stored_path,
)


__all__ = [
    "VERBS",
    "Removals",
    "Submitted",
    "merged",
    "overwritten",
    "parse_permissions",
    "parse_removals",
    "removed",
    "shown_permissions",
]


@dataclass(frozen=True, slots=True)
class Verbs:
    """The verbs of a section, and which an allow without `actions` means."""

    every: frozenset[str]
    default: frozenset[str] = frozenset()
    """Empty: an allow must name its verbs."""
    aliases: Mapping[str, frozenset[str]] | None = None


_HAPPNER: Final = {
    "get": frozenset({"read"}),
    "on": frozenset({"read"}),
    "set": frozenset({"create", "update"}),
    "remove": frozenset({"delete"}),
}

VERBS: Final[dict[Section, Verbs]] = {
    Section.METHODS: Verbs(frozenset({"call", "send", "provide"}), frozenset({"call"})),
    Section.EVENTS: Verbs(
        frozenset({"subscribe", "publish"}), frozenset({"subscribe"})
    ),
    Section.WEB: Verbs(
        frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
    ),
    Section.DATA: Verbs(
        frozenset({"read", "create", "update", "delete"}), aliases=_HAPPNER
    ),
    Section.ENTITIES: Verbs(frozenset("cruqd")),
    Section.ACTIONS: Verbs(frozenset({"act", "provide"}), frozenset({"act"})),
}

_ALWAYS_SHOWN: Final = (Section.METHODS, Section.EVENTS, Section.WEB, Section.DATA)
_KEYS: Final = frozenset({"authorized", "actions", "prohibited", "deep", "description"})
_MAX_DESCRIPTION: Final = 256
_EVERY: Final = "*"


@dataclass(frozen=True, slots=True)
class Removal:
    """The verbs that a call drops at one path."""

    allowed: frozenset[str]
    prohibited: frozenset[str]


Submitted: TypeAlias = Mapping[Section, Mapping[str, Entry]]
Removals: TypeAlias = Mapping[Section, Mapping[str, Removal]]


def parse_permissions(value: object, broker_name: str) -> Submitted:
    """Read what is to be granted and prohibited.

    Raises:
        DirectoryError: INVALID_PERMISSION; `details["problems"]` has every fault.
    """
    reader = _Reader(broker_name, removing=False)
    entries = reader.read(value)
    return {
        section: {
            path: Entry(one.allowed, one.prohibited, one.deep, one.description)
            for path, one in paths.items()
        }
        for section, paths in entries.items()
        if paths
    }


def parse_removals(value: object, broker_name: str) -> Removals:
    """Read what is to be dropped; without `actions` an entry names every verb.

    Raises:
        DirectoryError: as `parse_permissions`.
    """
    reader = _Reader(broker_name, removing=True)
    entries = reader.read(value)
    return {
        section: {
            path: Removal(one.allowed, one.prohibited) for path, one in paths.items()
        }
        for section, paths in entries.items()
    }


def merged(rules: Rules, submitted: Submitted) -> Rules:
    """Write grants over those there: other verbs and other paths stay."""
    result = dict(rules)
    for section, paths in submitted.items():
        entries = dict(result.get(section, {}))
        for path, new in paths.items():
            old = entries.get(path, Entry())
            entries[path] = Entry(
                (old.allowed - new.prohibited) | new.allowed,
                (old.prohibited - new.allowed) | new.prohibited,
                new.deep,
                old.description if new.description is None else new.description,
            )
        result[section] = entries
    return result


def overwritten(submitted: Submitted) -> Rules:
    """Make the submitted grants the only ones."""
    return merged({}, submitted)


def removed(rules: Rules, removals: Removals) -> Rules:
    """Drop grants; what is not there is passed over."""
    result = dict(rules)
    for section, paths in removals.items():
        entries = dict(result.get(section, {}))
        for path, gone in paths.items():
            old = entries.get(path)
            if old is None:
                continue
            allowed = old.allowed - gone.allowed
            prohibited = old.prohibited - gone.prohibited
            if allowed or prohibited:
                entries[path] = Entry(allowed, prohibited, old.deep, old.description)
            else:
                del entries[path]
        if entries:
            result[section] = entries
        else:
            result.pop(section, None)
    return result


def shown_permissions(rules: Rules, broker_name: str) -> dict[str, dict[str, Any]]:
    """Give a holder's grants as a permission object that may be submitted again."""
    return {
        str(section): {
            shown_path(path, section, broker_name): _shown_entry(entry)
            for path, entry in sorted(rules.get(section, {}).items())
        }
        for section in Section
        if section in _ALWAYS_SHOWN or rules.get(section)
    }


def _shown_entry(entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = {"authorized": bool(entry.allowed)}
    if entry.allowed:
        shown["actions"] = sorted(entry.allowed)
        if entry.prohibited:
            shown["prohibited"] = sorted(entry.prohibited)
    else:
        shown["actions"] = sorted(entry.prohibited)
    if not entry.deep:
        shown["deep"] = False
    if entry.description is not None:
        shown["description"] = entry.description
    return shown


@dataclass(frozen=True, slots=True)
class _Read:
    """One entry as it was submitted, its verbs written out."""

    allowed: frozenset[str]
    prohibited: frozenset[str]
    deep: bool
    description: str | None


class _Reader:
    """Reads one permission object and collects all its faults."""

    def __init__(self, broker_name: str, *, removing: bool) -> None:
        self._broker_name = broker_name
        self._removing = removing
        self._problems: dict[tuple[str, str, str], None] = {}

    def read(self, value: object) -> dict[Section, dict[str, _Read]]:
        result: dict[Section, dict[str, _Read]] = {}
        if not isinstance(value, dict):
            self._fault("", "", "not-an-object")
            value = {}
        for key, paths in value.items():
            if not isinstance(key, str) or key not in list(Section):
                self._fault(key, "", "unknown-section")
            elif not isinstance(paths, dict):
                self._fault(key, "", "not-an-object")
            else:
                section = Section(key)
                result[section] = self._paths(section, paths)
        if self._problems:
            fields = ("section", "path", "problem")
            problems = [dict(zip(fields, one, strict=True)) for one in self._problems]
            raise DirectoryError(
                ErrorCode.INVALID_PERMISSION, "", {"problems": problems}
            )
        return result

    def _paths(self, section: Section, paths: dict[object, object]) -> dict[str, _Read]:
        result: dict[str, _Read] = {}
        for written, value in paths.items():
            path = self._path(section, written)
            entry = self._entry(section, written, value)
            if path is None:
                continue
            if path in result:
                self._fault(section, written, "duplicate-path")
            if entry is None:
                entry = _Read(frozenset(), frozenset(), deep=True, description=None)
            elif entry.prohibited and has_template(path) and not self._removing:
                self._fault(section, written, "invalid-template")
            result[path] = entry
        return result

    def _path(self, section: Section, written: object) -> str | None:
        if not isinstance(written, str):
            self._fault(section, written, "invalid-path")
            return None
        try:
            return stored_path(written, section, self._broker_name)
        except InvalidPath as problem:
            self._fault(section, written, str(problem))
            return None

    def _entry(self, section: Section, path: object, value: object) -> _Read | None:
        before = len(self._problems)
        if not isinstance(value, dict):
            self._fault(section, path, "not-an-object")
            return None
        if not value.keys() <= _keys(section):
            self._fault(section, path, "unknown-key")
        authorized = value.get("authorized", True)
        deep = value.get("deep", True)
        description = value.get("description")
        if type(authorized) is not bool or type(deep) is not bool:
            self._fault(section, path, "not-an-object")
            return None
        if "description" in value and not _is_description(description):
            self._fault(section, path, "not-an-object")
        actions = self._verbs(section, path, value, "actions")
        prohibited = self._verbs(section, path, value, "prohibited")
        if "prohibited" in value and not authorized:
            self._fault(section, path, "contradiction")
        if actions is None:
            actions = self._default(section, path, authorized=authorized)
        if len(self._problems) > before:
            return None
        prohibited = prohibited or frozenset()
        if authorized and actions & prohibited and not self._removing:
            self._fault(section, path, "contradiction")
        if not authorized:
            actions, prohibited = frozenset(), actions
        return _Read(actions, prohibited, deep, description)

    def _default(
        self, section: Section, path: object, *, authorized: bool
    ) -> frozenset[str]:
        """Give what an entry without `actions` means."""
        verbs = VERBS[section]
        if self._removing or not authorized:
            return verbs.every
        if not verbs.default:
            self._fault(section, path, "missing-actions")
        return verbs.default

    def _verbs(
        self, section: Section, path: object, value: dict[object, object], key: str
    ) -> frozenset[str] | None:
        """Read a list of verbs, None where there is none."""
        if key not in value:
            return None
        listed = value[key]
        if not isinstance(listed, list) or (key == "actions" and not listed):
            problem = "missing-actions" if key == "actions" else "not-an-object"
            self._fault(section, path, problem)
            return frozenset()
        verbs = VERBS[section]
        aliases = verbs.aliases or {}
        result: frozenset[str] = frozenset()
        for verb in listed:
            if not isinstance(verb, str):
                self._fault(section, path, "unknown-action")
            elif verb == _EVERY:
                result |= verbs.every
            elif verb in verbs.every:
                result |= {verb}
            elif verb in aliases:
                result |= aliases[verb]
            else:
                self._fault(section, path, "unknown-action")
        return result

    def _fault(self, section: object, path: object, problem: str) -> None:
        """Note a fault once, in texts that can be sent."""
        self._problems[_sendable(section), _sendable(path), problem] = None


def _keys(section: Section) -> frozenset[str]:
    """Give the keys of an entry; types and pins know no wildcards but `*` alone."""
    return _KEYS - {"deep"} if section in OPAQUE_SECTIONS else _KEYS


def _is_description(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _MAX_DESCRIPTION:
        return False
    return value == _sendable(value)


def _sendable(value: object) -> str:
    """Give a text that can be encoded, for whatever stood in a key."""
    text = str(value) if isinstance(value, str) else repr(value)
    return text.encode(errors="backslashreplace").decode()
