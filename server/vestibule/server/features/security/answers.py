"""Methods of `security` that answer about who may do what, live sessions included."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from vestibule.protocol.names import Name
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, method
from vestibule.server.directory import Directory, DirectoryChange
from vestibule.server.directory.own_events import OWN_EVENTS
from vestibule.server.directory.prospects import Prospect, answered, users_touched
from vestibule.server.holdings import Holder, Holding
from vestibule.server.revocation import endings
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions
from vestibule.server.verdict import Allowed


__all__ = ["Answers"]

_VIEW: Final = GlobalPermission.VIEW_SECURITY

_MOST_SESSIONS: Final = 100
_MOST_HOLDINGS: Final = 100
"""Sessions in an answer, and holdings listed for each; it says how many more."""


class Answers:
    """Answers that need more than the directory.

    `holders` are the features that keep subscriptions and provisions, `provided` gives
    every name that somebody provides.
    """

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        holders: Sequence[Holder],
        *,
        provided: Callable[[], Iterable[Name]],
    ) -> None:
        self._directory: Final = directory
        self._sessions: Final = sessions
        self._holders: Final = holders
        self._provided: Final = provided

    @method(_VIEW)
    async def get_system_permissions(self, caller: Caller) -> dict[str, Any]:
        """Give every path that can be granted now, as a permission object.

        Each component is there as `<component>/*`, each method that somebody provides,
        and each method and event of the broker's own.
        """
        del caller
        policy = self._directory.policy
        components = policy.components.items()
        methods = {
            f"{component}/{name}" for component, names in components for name in names
        }
        of_components = {component for component, _ in components}
        for name in self._provided():
            path = name.text.removeprefix(policy.broker_prefix)
            methods.add(path)
            component, slash, _ = path.partition("/")
            if slash and path != name.text:
                of_components.add(component)
        every = {f"{component}/*" for component in of_components}
        return {
            "methods": _granted(methods | every),
            "events": _granted(OWN_EVENTS.keys() | every),
            # Nothing serves web methods yet.
            "web": {},
        }

    @method(_VIEW)
    async def what_can(self, caller: Caller, username: object) -> dict[str, Any]:
        """List what a user may do, and through which groups it comes.

        `rules` have their `exceptions`: prohibitions inside of them; what is
        prohibited as a whole is not listed. Besides: `groups`, path `assignments` and
        `isolated` paths, `global_permissions`, the `own_methods` of the broker that it
        may call, templates that are `void`. At most 1,000 of each are listed; more are
        counted as `left_out`.

        Raises:
            DirectoryError: USER_NOT_FOUND, INVALID_ARGUMENT.
        """
        del caller
        return await self._directory.what_can(username)

    @method(_VIEW)
    async def what_if(
        self,
        caller: Caller,
        changes: object,
        username: object = None,
        action: object = None,
        path: object = None,
    ) -> dict[str, Any]:
        """Tell what some changes would do; nothing is changed.

        With a question, answer `explain` `before` and `after`. Without one, list the
        `users` who would gain or lose what, and the live `sessions` that would end or
        have what suspended or resumed: at most 100 of each, and how many more.
        `changes` is a list of `{"method", "args", "kwargs"}` of changing methods and of
        `update_security_store`. It is the policy that is asked, not a handler.

        Raises:
            DirectoryError: what one of the changes is refused with; as `explain`.
        """
        return await self.suppose(changes, username, action, path, by=caller.username)

    async def suppose(
        self,
        changes: object,
        username: object = None,
        action: object = None,
        path: object = None,
        *,
        by: str | None = None,
    ) -> dict[str, Any]:
        """Do as `what_if`, for changes made by `by`; None: by the system itself."""
        found = self._directory.prospect(changes, by=by)
        if (username, action, path) != (None, None, None):
            return answered(found, username, action, path)
        touched = list(self._touched(found))
        return {
            "epoch": found.now.epoch,
            **await users_touched(found),
            "sessions": touched[:_MOST_SESSIONS],
            "sessions_left_out": max(0, len(touched) - _MOST_SESSIONS),
        }

    def _touched(self, found: Prospect) -> Iterator[dict[str, Any]]:
        """Give the live sessions that the changes would end or take something from.

        What a permission handler would say is not asked: this is the policy alone.
        """
        if found.change is None:
            return
        ends = dict(endings(_told(found, self._directory.now), self._sessions))
        for session in self._sessions.values():
            after = found.supposed.subject(session.username, session.roles)
            suspended: list[Holding] = []
            resumed: list[Holding] = []
            if session not in ends and not session.subject.same_rights(after):
                for holding in self._holdings(session):
                    refused = not isinstance(holding.decided_for(after), Allowed)
                    if refused is not holding.suspended:
                        (suspended if refused else resumed).append(holding)
            if session in ends or suspended or resumed:
                yield {
                    "session_id": session.id,
                    "username": session.username,
                    "ends": str(ends[session]) if session in ends else None,
                    "suspended": _shown(suspended),
                    "resumed": _shown(resumed),
                }

    def _holdings(self, session: Session) -> Iterator[Holding]:
        for holder in self._holders:
            yield from holder.holdings(session)


def _told(found: Prospect, now: int) -> DirectoryChange:
    """Give a supposed change as it would be told."""
    change = found.change
    assert change is not None  # noqa: S101 - asked only where there is one
    return DirectoryChange(
        epoch=change.after.epoch,
        at="",
        users=change.users,
        groups=change.groups,
        deleted_users=change.deleted_users,
        disabled_users=change.barred_users(now),
        password_changed=change.password_changed,
        anonymous_closed=change.anonymous_closed,
        before=change.before,
        after=change.after,
    )


def _shown(holdings: Iterable[Holding]) -> list[dict[str, str]]:
    return [
        {"kind": one.kind, "name": str(one.asked)}
        for one in islice(holdings, _MOST_HOLDINGS)
    ]


def _granted(paths: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {
        path: {"authorized": True, "description": "system permission"}
        for path in sorted(paths)
    }
