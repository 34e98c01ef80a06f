"""`docs/directory.md`, written from the methods of the component `security`."""

import inspect
import re
from collections.abc import Callable, Iterator
from textwrap import wrap
from typing import Any, Final

from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import methods_of
from vestibule.server.directory import Directory, changes
from vestibule.server.directory.own_events import OWN_EVENTS
from vestibule.server.features.security import PARTS, SECURITY_METHODS


__all__ = ["TOPICS", "directory_page"]

_WIDTH: Final = 96

_INTRODUCTION: Final = """\
# The component `security`

*Generated from the docstrings of the methods by `make docs`; change them there.*

Called as `await session.exchange.security.<method>(…)`, granted and denied like any method, at
`<broker>/security/<method>`. What is said of each method names the global permission that lets a
session call it; so does a `methods` rule for `security/<method>`. The model behind it:
[permissions](permissions.md). Scripts, the other way of writing to the same directory:
[stores](stores.md).

- Arguments before `*` go by position or keyword, those behind it by keyword only. Who may not
  call a method is answered `MESSAGE_DENIED` whatever the arguments were.
- One call is one transaction: all of it or nothing, `STORAGE_FAILED` if the disk refuses. When it
  is answered it is on disk and in force, and whoever it touches has been told.
- Whoever may call a method that changes something can give itself any right.

| shape | keys |
|---|---|
| user, as an argument | `username`, and any of `password`, `public_key` (32 bytes or base64; None removes it), `custom_data`, `application_data`, `disabled`, `expires` (a time or None), `permissions`, `groups` (`{name: bool}`; others stay) |
| user, as an answer | `username`, `user_id`, `custom_data`, `application_data`, `public_key`, `disabled`, `expires`, `groups` (`{name: True}`), `permissions`, `created`, `modified` |
| group, as an argument | `name`, and any of `custom_data`, `includes`, `permissions` |
| group, as an answer | `name`, `custom_data`, `includes`, `permissions`, `created`, `modified` |
| permissions | `methods`, `events`, `web`, `data`: `{path: entry}` ([rules](permissions.md)) |
| grant | `holder` (`group:…`, `user:…`), `section` (or `assignment`, `global`), `pattern`, `action`, `authorized` |

Passwords, hashes and tokens are in no answer. Times are UTC texts such as
`2031-01-31T09:30:00.000Z`.

Lists take `criteria`, a dict of dotted fields and conditions: a plain value is equality; `$eq` `$ne`
`$gt` `$gte` `$lt` `$lte` `$in` `$nin` `$exists` `$like` (with `*`), combined by `$and` `$or` `$not`.
`limit` is 1 to 10,000, which is the default; `sort` is `[["custom_data.rank", "desc"], …]`;
`count=True` counts all that match.
"""

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "Users": (
        "add_user",
        "update_user",
        "upsert_user",
        "delete_user",
        "add_user_permissions",
        "remove_user_permissions",
        "get_user",
        "list_users",
        "list_users_by_group",
        "list_user_names_by_group",
    ),
    "Groups and memberships": (
        "add_group",
        "update_group",
        "upsert_group",
        "delete_group",
        "add_group_permissions",
        "remove_group_permissions",
        "get_group",
        "list_groups",
        "link_group",
        "unlink_group",
        "link_anonymous_group",
        "unlink_anonymous_group",
        "get_system_permissions",
    ),
    "One's own user": (
        "get_own_user",
        "update_own_user",
        "change_own_password",
        "revoke_own_token",
        "get_global_permissions",
        "get_path_permissions",
    ),
    "Questions": ("explain", "is_authorized", "who_can", "what_can", "what_if"),
    "Live sessions and tokens": (
        "list_sessions",
        "revoke_authentication",
        "get_session_properties",
        "set_session_properties",
        "change_roles",
        "revoke_token",
        "list_revoked_tokens",
    ),
    "Scripts and documents": (
        "get_security_configuration",
        "get_system_authentication_configuration",
        "update_security_store",
        "update_authentication_store",
        "export_directory",
        "import_directory",
    ),
    "Events": (
        "attach_to_security_changes",
        "detach_from_security_changes",
        "attach_to_session_changes",
        "detach_from_session_changes",
    ),
}
"""The methods as they are read; what is in none of them comes last."""

_EVENTS: Final = """\
Attached, a session hears what it subscribes to at `<broker>/security/<event>`
(`session.event.security.on("upsert-user", handler)`) and may hear: by the global permission
below, or by an `events` rule on `security/<event>`. Each event of a change has `epoch`, `at` and
`by` too, and comes before the change is answered.

| event | data | global permission |
|---|---|---|
"""

_DATA: Final = {
    "upsert-group": "`group`, `created`, `changed` (among `assignments`, `custom_data`, "
    "`includes`, `permissions`)",
    "upsert-user": "`user`, `created`, `changed` (among `application_data`, "
    "`custom_data`, `disabled`, `expires`, `password`, `permissions`, `public_key`)",
    "link-group": "`group`, `username`",
    "unlink-group": "`group`, `username`",
    "delete-group": "`group` (its name), `members`; nothing else is told of what goes "
    "with it",
    "delete-user": "`username`, `user_id`",
    "connect": "`session_id`, `username`, `authenticator`, `remote_address`, "
    "`protocol`, `encrypted`, `connected_at`, `info`",
    "disconnect": "the same, `ended_at`, `reason`",
}


def directory_page() -> str:
    """Give the text of `docs/directory.md`."""
    known = {name for names in TOPICS.values() for name in names}
    others = tuple(sorted(SECURITY_METHODS.keys() - known))
    parts = [_INTRODUCTION]
    for topic, names in {**TOPICS, "Others": others}.items():
        parts.append(f"\n## {topic}\n")
        if topic == "Events":
            parts += ["\n", _EVENTS, *_events()]
        parts += [_method(name) for name in names if name in SECURITY_METHODS]
    return "".join(parts)


def _events() -> Iterator[str]:
    for path, permission in OWN_EVENTS.items():
        event = path.rpartition("/")[2]
        yield f"| `{event}` | {_DATA[event]} | {permission} |\n"


def _method(name: str) -> str:
    function = _function(name)
    text, refusals = _taken_apart(inspect.getdoc(function) or "")
    parts = [f"\n### `{name}{_signature(function)}`\n", _paragraphs(text)]
    if refusals:
        joint = "" if refusals.startswith("as ") else "with "
        parts.append(_paragraphs(f"Refused {joint}{refusals}"))
    parts.append(f"\n*{_needs(SECURITY_METHODS[name])}*\n")
    return "".join(parts)


def _function(name: str) -> Callable[..., Any]:
    """Give what says what a method does."""
    places: tuple[Any, ...] = (*PARTS, changes, Directory)
    found: Callable[..., Any] = next(
        getattr(place, name) for place in places if _has(place, name)
    )
    return found


def _has(place: Any, name: str) -> bool:
    if place is changes:
        return name in changes.__all__
    return place is Directory or name in methods_of(place)


def _signature(function: Callable[..., Any]) -> str:
    """Write a signature without types and without what the broker fills in."""
    left_out = ("self", "caller", "draft", "by")
    signature = inspect.signature(function)
    kept = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in signature.parameters.values()
        if one.name not in left_out and not _is_author(function, one.name)
    ]
    return str(
        signature.replace(parameters=kept, return_annotation=inspect.Signature.empty)
    )


def _is_author(function: Callable[..., Any], parameter: str) -> bool:
    """Whether a parameter says in whose session a change is made."""
    return parameter == "session_id" and "by" in inspect.signature(function).parameters


def _taken_apart(doc: str) -> tuple[str, str]:
    """Divide a docstring into what it says and what it raises."""
    text, _, raises = doc.partition("\nRaises:\n")
    causes = [
        re.sub(r"^\w+Error: ", "", " ".join(cause.split()))
        for cause in re.split(r"\n(?=    \w+Error: )", inspect.cleandoc(f"\n{raises}"))
        if cause.strip()
    ]
    return text.strip(), " ".join(causes)


def _paragraphs(text: str) -> str:
    """Fill paragraphs to the width of the page."""
    paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
    return "".join(
        "\n" + "\n".join(wrap(one, _WIDTH, break_on_hyphens=False)) + "\n"
        for one in paragraphs
    )


def _needs(needs: tuple[GlobalPermission, ...] | None) -> str:
    if needs is None:
        return "Every session may call it."
    if not needs:
        return "No global permission: a rule allows it; `_GUEST` has one."
    return f"Needs {' and '.join(needs)}."
