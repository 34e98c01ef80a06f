"""The directory at its first start, and what is put back at every start."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vestibule.protocol.actions import Section
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.model import (
    ADMIN_GROUP,
    ADMIN_USER,
    ADMINISTRATOR,
    DELEGATE_GROUP,
    GUEST_GROUP,
    NO_RULES,
    Entry,
    Group,
    Rules,
    User,
)
from vestibule.server.directory.permissions import VERBS, merged
from vestibule.server.directory.protection import GUEST_METHODS
from vestibule.server.directory.verifier import Verifier


__all__ = ["first", "restore"]

_G: Final = GlobalPermission
_P: Final = PathPermission

_UNASSIGNABLE: Final = frozenset({_G.UNKNOWN_GLOBAL_PERMISSION})

_ROLES: Final[
    dict[str, tuple[set[str], set[PathPermission], set[GlobalPermission]]]
] = {
    "CLIENT": (
        set(),
        {_P.SELECT_TOPIC, _P.READ_TOPIC, _P.SEND_TO_MESSAGE_HANDLER},
        set(),
    ),
    "TOPIC_CONTROL": (
        {"CLIENT"},
        {_P.MODIFY_TOPIC, _P.UPDATE_TOPIC, _P.ACQUIRE_LOCK},
        {_G.READ_TOPIC_VIEWS, _G.MODIFY_TOPIC_VIEWS},
    ),
    "CLIENT_CONTROL": (
        {"CLIENT"},
        {_P.SEND_TO_SESSION, _P.ACQUIRE_LOCK},
        {_G.VIEW_SESSION, _G.MODIFY_SESSION, _G.REGISTER_HANDLER},
    ),
    "AUTHENTICATION_HANDLER": (
        {"CLIENT"},
        set(),
        {_G.AUTHENTICATE, _G.REGISTER_HANDLER},
    ),
    "OPERATOR": ({"CLIENT"}, set(), {_G.VIEW_SESSION, _G.VIEW_SERVER}),
    ADMINISTRATOR: (
        {"CLIENT_CONTROL", "TOPIC_CONTROL"},
        set(),
        {_G.VIEW_SERVER, _G.CONTROL_SERVER, _G.VIEW_SECURITY, _G.MODIFY_SECURITY},
    ),
}
"""What each predefined role includes, its default path permissions, its globals."""

_EVERYTHING: Final[Rules] = {
    section: {"*": Entry(allowed=VERBS[section].every)} for section in Section
}

_GUESTS: Final[Rules] = {
    Section.METHODS: {
        f"security/{method}": Entry(allowed=frozenset({"call"}))
        for method in GUEST_METHODS
    }
}


def first(draft: Draft, verifier: Verifier) -> None:
    """Fill an empty directory; the predefined roles are made now and never again."""
    for name, (includes, default, globally) in _ROLES.items():
        draft.put_group(
            _new_group(
                draft,
                name,
                includes=includes,
                default=default,
                global_permissions=globally,
            )
        )
    draft.put_user(
        User(
            username=ADMIN_USER,
            user_id=str(uuid.uuid4()),
            password=verifier,
            groups=frozenset({ADMIN_GROUP}),
            created=draft.now,
            modified=draft.now,
        )
    )
    restore(draft)


def restore(draft: Draft) -> None:
    """Put the system's own groups and the administrator back to what they are.

    Permissions that were added to `_GUEST` stay, and so does the administrator's
    password.
    """
    if draft.find_group(ADMINISTRATOR) is None:
        includes, default, globally = _ROLES[ADMINISTRATOR]
        there = {name for name in includes if draft.find_group(name) is not None}
        draft.put_group(
            _new_group(
                draft,
                ADMINISTRATOR,
                includes=there,
                default=default,
                global_permissions=globally,
            )
        )
    admin = _new_group(
        draft,
        ADMIN_GROUP,
        includes={ADMINISTRATOR},
        default=(),
        global_permissions=set(_G) - _UNASSIGNABLE,
        rules=_EVERYTHING,
    )
    for group in (admin, _new_group(draft, DELEGATE_GROUP)):
        found = draft.find_group(group.name)
        draft.put_group(
            group
            if found is None
            else replace(group, created=found.created, modified=found.modified)
        )
    guest = draft.find_group(GUEST_GROUP) or _new_group(draft, GUEST_GROUP)
    draft.put_group(replace(guest, rules=merged(guest.rules, _GUESTS)))
    user = draft.user(ADMIN_USER)
    draft.put_user(
        replace(
            user,
            disabled=False,
            expires=None,
            groups=frozenset({ADMIN_GROUP}),
            rules=NO_RULES,
        )
    )


def _new_group(
    draft: Draft,
    name: str,
    *,
    includes: Iterable[str] = (),
    default: Iterable[PathPermission] = (),
    global_permissions: Iterable[GlobalPermission] = (),
    rules: Rules = NO_RULES,
) -> Group:
    return Group(
        name=name,
        includes=frozenset(includes),
        default_path_permissions=frozenset(default),
        global_permissions=frozenset(global_permissions),
        rules=rules,
        created=draft.now,
        modified=draft.now,
    )
