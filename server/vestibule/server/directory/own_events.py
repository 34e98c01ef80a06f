"""The events that the broker itself emits, and the right that lets a session hear them.

They are events of the component `security`, below the broker's name. A rule on their
path lets hear them too (docs/permissions.md, "Events of the directory").
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vestibule.protocol.permissions import GlobalPermission


__all__ = ["COMPONENT", "DIRECTORY_EVENTS", "OWN_EVENTS", "SESSION_EVENTS"]

COMPONENT: Final = "security"

DIRECTORY_EVENTS: Final = (
    "upsert-group",
    "upsert-user",
    "link-group",
    "unlink-group",
    "delete-group",
    "delete-user",
)
"""In the order in which one change emits them."""

SESSION_EVENTS: Final = ("connect", "disconnect")

OWN_EVENTS: Final[Mapping[str, GlobalPermission]] = MappingProxyType(
    {
        **{
            f"{COMPONENT}/{event}": GlobalPermission.VIEW_SECURITY
            for event in DIRECTORY_EVENTS
        },
        **{
            f"{COMPONENT}/{event}": GlobalPermission.VIEW_SESSION
            for event in SESSION_EVENTS
        },
    }
)
"""By path behind the broker's name: the global permission that lets hear each."""
