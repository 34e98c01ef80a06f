"""Methods of `security` on live sessions: their properties, their roles, their end."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from vestibule.protocol.errors import CloseCode, EndReason, ErrorCode
from vestibule.protocol.names import parse_name
from vestibule.protocol.permissions import GlobalPermission
from vestibule.protocol.principals import valid_group_name
from vestibule.protocol.properties import (
    MAX_PROPERTIES,
    valid_property_key,
    valid_property_value,
)
from vestibule.protocol.roles import roles_to_string
from vestibule.server.audit import AuditLog
from vestibule.server.components import Caller, ComponentError, method
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.gate import OnDenied, component_right
from vestibule.server.properties import LOCATION, ROLES, located
from vestibule.server.replies import denial
from vestibule.server.session import Session
from vestibule.server.verdict import Denied


__all__ = ["LiveSessions"]

_VIEW: Final = component_right((GlobalPermission.VIEW_SESSION,))

_LEFT_OUT: Final = Denied(
    "the profile of the session leaves it out", code=ErrorCode.TOKEN_LIMITED
)


class LiveSessions:
    """What may be asked and changed of sessions while they live.

    `recheck` decides again what sessions hold; `denied` is told of a call that is
    refused here, because of what it asks for.
    """

    def __init__(
        self,
        directory: Directory,
        sessions: Mapping[str, Session],
        *,
        recheck: Callable[[Iterable[Session]], Awaitable[None]],
        denied: OnDenied,
        counters: Counters,
        audit: AuditLog,
        broker_name: str,
    ) -> None:
        self._directory: Final = directory
        self._sessions: Final = sessions
        self._recheck: Final = recheck
        self._denied: Final = denied
        self._counters: Final = counters
        self._audit: Final = audit
        self._prefix: Final = f"{broker_name}/security/"

    @method(everybody=True)
    async def get_session_properties(
        self, caller: Caller, session_id: object = None
    ) -> dict[str, str]:
        """Show the caller's own fixed properties, or all those of a session.

        The latter needs VIEW_SESSION.
        """
        own = self._own(caller)
        if session_id is None:
            return own.fixed_properties
        name = parse_name(f"{self._prefix}get_session_properties")
        verdict = own.subject.decide(_VIEW.need, name)
        if not isinstance(verdict, Denied) and own.narrowing is not None:
            # Its profile leaves of the method what every session may: that is less.
            narrowed = own.narrowing.decide(_VIEW.need, name)
            verdict = _LEFT_OUT if isinstance(narrowed, Denied) else verdict
        if isinstance(verdict, Denied):
            self._denied(own, _VIEW, name.text, verdict)
            raise denial(verdict)
        session = self._named(session_id)
        return {
            **session.properties,
            **session.fixed_properties,
            ROLES: roles_to_string(session.subject.groups),
        }

    @method(GlobalPermission.VIEW_SESSION, GlobalPermission.MODIFY_SESSION)
    async def set_session_properties(
        self, caller: Caller, session_id: object, properties: object
    ) -> dict[str, str | None]:
        """Set and remove user-defined properties and those of the location.

        Answers what the changed ones were before.
        """
        given = _given(properties)
        session = self._named(session_id)
        user_defined, location = dict(session.properties), dict(session.location)
        before: dict[str, str | None] = {}
        for key, value in given.items():
            kept = location if key in LOCATION else user_defined
            was = kept.get(key)
            if was == value:
                continue
            before[key] = was
            if value is None:
                del kept[key]
            else:
                kept[key] = value
        if len(user_defined) > MAX_PROPERTIES:
            raise _invalid("properties", "are too many")
        if before:
            session.properties = MappingProxyType(user_defined)
            session.location = location
            session.generation += 1
            self._note(caller, session, "properties", keys=sorted(before))
            await self._recheck([session])
        return before

    @method(GlobalPermission.MODIFY_SESSION)
    async def change_roles(
        self,
        caller: Caller,
        session_ids: object,
        *,
        remove: object = (),
        add: object = (),
    ) -> int:
        """Take roles from sessions and give them roles, until they log in anew.

        Answers how many of the ids are sessions. Roles that the caller has not itself
        need MODIFY_SECURITY. What a session has or lacks already is no change: it goes
        on to follow the directory in that.
        """
        ids = _texts(session_ids, "session_ids")
        less, more = _roles(remove, "remove"), _roles(add, "add")
        if not less and not more:
            raise _invalid("add", "and remove are empty")
        if less & more:
            raise _invalid("add", "names a role that is removed too")
        self._check_added(caller, more)
        sessions = [
            self._sessions[one] for one in dict.fromkeys(ids) if one in self._sessions
        ]
        policy = self._directory.policy
        changed = []
        for session in sessions:
            held = session.subject.groups
            lost, got = less & held, more - held
            if not lost and not got:
                continue
            session.change_roles(session.roles.changed(remove=lost, add=got), policy)
            self._note(
                caller, session, "roles", removed=sorted(lost), added=sorted(got)
            )
            changed.append(session)
        await self._recheck(changed)
        return len(sessions)

    def _check_added(self, caller: Caller, added: frozenset[str]) -> None:
        """Refuse roles that the caller could not give away of its own."""
        own = self._own(caller)
        if GlobalPermission.MODIFY_SECURITY in own.subject.global_permissions:
            return
        beyond = added - own.subject.effective_groups
        if beyond:
            verdict = Denied(
                "a role to be added is none of the caller's", forbidden=True
            )
            right = component_right((GlobalPermission.MODIFY_SECURITY,))
            self._denied(own, right, f"{self._prefix}change_roles", verdict)
            raise ComponentError(ErrorCode.MESSAGE_DENIED)

    @method(GlobalPermission.MODIFY_SESSION, GlobalPermission.AUTHENTICATE)
    async def revoke_authentication(self, caller: Caller, session_id: object) -> None:
        """End a session at once; the caller's own is answered first."""
        session = self._named(session_id)
        self._counters.add("sessions_revoked")
        self._audit.note(
            "session_revoked",
            session_id=session.id,
            username=session.username,
            by=caller.username,
            by_session=caller.session_id,
        )
        if session.id == caller.session_id:
            session.ends_with = EndReason.REVOKED
        else:
            session.link.end(CloseCode.SESSION_REVOKED, EndReason.REVOKED, discard=True)

    def _own(self, caller: Caller) -> Session:
        session = self._sessions.get(caller.session_id)
        if session is None:
            raise ComponentError(ErrorCode.SESSION_CLOSED)
        return session

    def _named(self, session_id: object) -> Session:
        if not isinstance(session_id, str):
            raise _invalid("session_id", "is no text")
        session = self._sessions.get(session_id)
        if session is None:
            raise ComponentError(ErrorCode.NO_SUCH_SESSION)
        return session

    def _note(self, caller: Caller, session: Session, what: str, **fields: Any) -> None:
        self._audit.note(
            "session_changed",
            session_id=session.id,
            username=session.username,
            what=what,
            by=caller.username,
            by_session=caller.session_id,
            **fields,
        )


def _given(properties: object) -> dict[str, str | None]:
    """Read what is set and removed, in the form in which it is kept.

    Raises:
        ComponentError: INVALID_ARGUMENT.
    """
    if not isinstance(properties, dict):
        raise _invalid("properties", "is no map")
    given: dict[str, str | None] = {}
    for key, value in properties.items():
        if isinstance(key, str) and key.startswith("$") and key not in LOCATION:
            continue
        if key not in LOCATION and not valid_property_key(key):
            raise _invalid("properties", "has a key that cannot be")
        if value is None:
            given[key] = None
        elif valid_property_value(value):
            given[key] = located(key, value) if key in LOCATION else value
        else:
            raise _invalid("properties", "has a value that cannot be")
    return given


def _texts(values: object, argument: str) -> list[str]:
    if not isinstance(values, list | tuple):
        raise _invalid(argument, "is no list")
    if not all(isinstance(one, str) for one in values):
        raise _invalid(argument, "has a member that is no text")
    return list(values)


def _roles(values: object, argument: str) -> frozenset[str]:
    names = _texts(values, argument)
    if not all(map(valid_group_name, names)):
        raise _invalid(argument, "has a name that cannot be a role's")
    return frozenset(names)


def _invalid(argument: str, what: str) -> ComponentError:
    return ComponentError(
        ErrorCode.INVALID_ARGUMENT, f"{argument} {what}", {"argument": argument}
    )
