"""Topics and actions: what can be asked, and the right that each needs.

One row a pair; a pair that is in no row is refused. The table is closed: nothing is
allowed by being missing. `docs/permissions.md` shows it, a test compares.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vestibule.protocol.permissions import GlobalPermission, PathPermission


__all__ = ["DELIVERY", "NEEDS", "Action", "Need", "Section", "Topic"]


class Topic(StrEnum):
    """What kind of thing a message is about."""

    AUTH = "auth"
    EVENT = "event"
    RECORD = "record"
    RPC = "rpc"
    PRESENCE = "presence"
    ENTITY = "entity"
    ACTION = "action"
    WEB = "web"


class Action(StrEnum):
    """What is asked of it."""

    LOGIN = "login"
    PING = "ping"
    BYE = "bye"
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    LISTEN = "listen"
    LISTEN_ACCEPT = "listen_accept"
    LISTEN_REJECT = "listen_reject"
    UNLISTEN = "unlisten"
    CREATE = "create"
    OPEN = "open"
    READ = "read"
    HEAD = "head"
    UPDATE = "update"
    PATCH = "patch"
    ERASE = "erase"
    PATCH_MANY = "patch_many"
    SET = "set"
    DELETE = "delete"
    WATCH = "watch"
    UNWATCH = "unwatch"
    CALL = "call"
    SEND = "send"
    PROVIDE = "provide"
    UNPROVIDE = "unprovide"
    ACCEPT = "accept"
    REJECT = "reject"
    RESPOND = "respond"
    FAIL = "fail"
    CANCEL = "cancel"
    QUERY = "query"
    QUERY_ALL = "query_all"
    SAVE = "save"
    LOAD = "load"
    LIST = "list"
    REMOVE = "remove"
    ACT = "act"
    ADD = "add"
    WITHDRAW = "withdraw"
    GET = "get"
    POST = "post"
    PUT = "put"
    OPTIONS = "options"


class Section(StrEnum):
    """The sections of a permission object."""

    METHODS = "methods"
    EVENTS = "events"
    WEB = "web"
    DATA = "data"
    ENTITIES = "entities"
    ACTIONS = "actions"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Need:
    """What grants an action; any one of the three that are not empty is enough.

    With `everybody` nothing has to: whoever is admitted may, unless it is prohibited.
    A prohibiting rule of `section` and `verb` denies, whatever else grants.
    """

    section: Section | None = None
    verb: str | None = None
    path: frozenset[PathPermission] = frozenset()
    """All of these, from path assignments at the path."""
    globally: frozenset[GlobalPermission] = frozenset()
    """All of these, among the session's global permissions."""
    everybody: bool = False


def _need(
    section: Section | None = None,
    verb: str | None = None,
    *path: PathPermission,
    globally: GlobalPermission | None = None,
) -> Need:
    held = frozenset() if globally is None else frozenset({globally})
    return Need(section=section, verb=verb, path=frozenset(path), globally=held)


NEEDS: Final[dict[tuple[Topic, Action], Need]] = {
    (Topic.EVENT, Action.PUBLISH): _need(
        Section.EVENTS, "publish", PathPermission.UPDATE_TOPIC
    ),
    (Topic.EVENT, Action.SUBSCRIBE): _need(
        Section.EVENTS, "subscribe", PathPermission.SELECT_TOPIC
    ),
    (Topic.RPC, Action.CALL): _need(
        Section.METHODS, "call", PathPermission.SEND_TO_MESSAGE_HANDLER
    ),
    (Topic.RPC, Action.SEND): _need(
        Section.METHODS, "send", PathPermission.SEND_TO_SESSION
    ),
    (Topic.RPC, Action.PROVIDE): _need(
        Section.METHODS, "provide", globally=GlobalPermission.REGISTER_HANDLER
    ),
}
"""What each action that the broker decides needs. Actions that only end or answer
what the session itself holds need nothing and are not here."""

DELIVERY: Final[dict[tuple[Topic, Action], Need]] = {
    # A delivery passes two decisions at its own path: to have asked, and to be given.
    (Topic.EVENT, Action.SUBSCRIBE): _need(
        Section.EVENTS,
        "subscribe",
        PathPermission.SELECT_TOPIC,
        PathPermission.READ_TOPIC,
    ),
    (Topic.RPC, Action.CALL): NEEDS[Topic.RPC, Action.CALL],
    (Topic.RPC, Action.SEND): NEEDS[Topic.RPC, Action.SEND],
}
"""What each delivery needs, by the action that asked for it."""
