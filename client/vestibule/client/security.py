"""`session.security`: permissions, scripts, sessions of others, and who one is.

Each call but the local `get_principal` is a method of the broker's own component
`security`, granted and denied like any (docs/stores.md, "Who may call what").
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from vestibule.client import answers
from vestibule.client.authenticators import Authenticators
from vestibule.client.changes import ChangeStream
from vestibule.client.checks import text, text_map, texts
from vestibule.client.errors import request_failed
from vestibule.client.exchange import Exchange
from vestibule.client.noticing import Changes
from vestibule.client.reauthentication import NO_PROPERTIES, Reauthentication
from vestibule.client.registration import Deciding, Registration
from vestibule.client.script_builders import (
    SecurityScriptBuilder,
    SystemAuthenticationScriptBuilder,
)
from vestibule.client.security_views import (
    SecurityConfiguration,
    SystemAuthenticationConfiguration,
)
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission, PathPermission


__all__ = ["Security"]

_COMPONENT: Final = "security"

T = TypeVar("T")


class Security:
    """What a session may do, and what it may do about others.

    All coroutines raise RequestFailed or a subclass as the broker answers, MessageDenied
    without the right; ConnectionLost and SessionClosed as every request. TypeError and
    ValueError are raised before anything is sent.
    """

    def __init__(
        self,
        exchange: Exchange,
        reauthentication: Reauthentication,
        principal: Callable[[], str],
        seconds: float,
        authenticators: Authenticators,
        changes: Changes,
    ) -> None:
        """`seconds` is what the broker has for an answer."""
        self._exchange: Final = exchange
        self._reauthentication: Final = reauthentication
        self._authenticators: Final = authenticators
        self._changes: Final = changes
        self._principal: Final = principal
        self._seconds: Final = seconds

    # What this session is and may do.

    def get_principal(self) -> str:
        """Give whom the broker has confirmed; empty for an anonymous session."""
        return self._principal()

    async def get_global_permissions(self) -> frozenset[GlobalPermission]:
        """Give the session's global permissions, as the gate has them now."""
        return await self._asked(answers.global_permissions, "get_global_permissions")

    async def get_path_permissions(self, path: str) -> frozenset[PathPermission]:
        """Give what path assignments grant the session at a concrete path, now.

        Raises:
            RequestFailed: INVALID_PATH, for a pattern or no path.
        """
        asked = text(path, "path")
        return await self._asked(
            answers.path_permissions, "get_path_permissions", asked
        )

    async def re_authenticate(
        self,
        principal: str,
        credentials: str | Mapping[str, object],
        properties: Mapping[str, str] = NO_PROPERTIES,
    ) -> bool:
        """Have the session's user, roles, properties and expiry replaced, in one step.

        `credentials` is a password, or login data without a username. What is sent
        afterwards is sent as the new user, and waits for the answer. With False the
        session goes on as it was.

        Raises:
            LoginRefused: nobody has judged the credentials: BUSY, …
        """
        attempt = self._reauthentication.attempt
        return await attempt(principal, credentials, properties) is None

    async def change_principal(
        self, principal: str, credentials: str | Mapping[str, object]
    ) -> None:
        """Have the session's user replaced, as `re_authenticate`.

        Raises:
            LoginRefused: it was refused; the session goes on as it was.
        """
        refusal = await self._reauthentication.attempt(principal, credentials)
        if refusal is not None:
            raise refusal

    # The two views.

    async def get_security_configuration(self) -> SecurityConfiguration:
        """Read what roles may do. It needs VIEW_SECURITY."""
        return await self._asked(
            SecurityConfiguration.of_answer, "get_security_configuration"
        )

    async def get_system_authentication_configuration(
        self,
    ) -> SystemAuthenticationConfiguration:
        """Read who may come in. It needs VIEW_SECURITY."""
        return await self._asked(
            SystemAuthenticationConfiguration.of_answer,
            "get_system_authentication_configuration",
        )

    def security_script_builder(self) -> SecurityScriptBuilder:
        """Begin a script for `update_security_store`."""
        return SecurityScriptBuilder()

    def system_authentication_script_builder(
        self,
    ) -> SystemAuthenticationScriptBuilder:
        """Begin a script for `update_authentication_store`."""
        return SystemAuthenticationScriptBuilder()

    async def update_security_store(
        self, script: str, *, expected_version: int | None = None
    ) -> int:
        """Apply a script to what roles may do, all or nothing; give the view's version.

        It needs MODIFY_SECURITY. With the answer the change is in force everywhere.

        Raises:
            ScriptError: it cannot be applied; `reports` says where and why.
            VersionConflict: the view has another version than the expected.
            RequestFailed: SCRIPT_TOO_LARGE.
        """
        return await self._update("update_security_store", script, expected_version)

    async def update_authentication_store(
        self, script: str, *, expected_version: int | None = None
    ) -> int:
        """Apply a script to who may come in, as `update_security_store`."""
        return await self._update(
            "update_authentication_store", script, expected_version
        )

    async def _update(self, method: str, script: str, expected: int | None) -> int:
        given = text(script, "script")
        if expected is None:
            return await self._asked(answers.number, method, given)
        if isinstance(expected, bool) or not isinstance(expected, int):
            raise TypeError("expected_version is an int, or None")
        return await self._asked(
            answers.number, method, given, expected_version=expected
        )

    # Live sessions.

    async def get_session_properties(
        self, session_id: str | None = None
    ) -> dict[str, str]:
        """Read one's own fixed properties, or with an id all of that session.

        With an id it needs VIEW_SESSION.

        Raises:
            RequestFailed: NO_SUCH_SESSION.
        """
        asked = () if session_id is None else (text(session_id, "session_id"),)
        return await self._asked(answers.text_map, "get_session_properties", *asked)

    async def set_session_properties(
        self, session_id: str, properties: Mapping[str, str | None]
    ) -> dict[str, str | None]:
        """Set properties of a session; None removes one. Give what changed, as it was.

        User-defined keys and `$Country`, `$Language`, `$Latitude`, `$Longitude` can be
        set; other `$` keys are ignored. It needs VIEW_SESSION and MODIFY_SESSION.

        Raises:
            RequestFailed: NO_SUCH_SESSION; INVALID_ARGUMENT, and nothing changed.
        """
        whose = text(session_id, "session_id")
        given = text_map(properties, "properties", removals=True)
        return await self._asked(
            answers.text_map, "set_session_properties", whose, given
        )

    async def change_roles(
        self,
        session_ids: Iterable[str],
        *,
        remove: Iterable[str] = (),
        add: Iterable[str] = (),
    ) -> int:
        """Change roles of live sessions until they re-authenticate; give how many.

        Ids of no session are passed over. It needs MODIFY_SESSION, and for each added
        role that the caller has it or MODIFY_SECURITY.

        Raises:
            ValueError: a role in both sets, or both sets empty.
        """
        ids = texts(session_ids, "session_ids")
        removed, added = texts(remove, "remove"), texts(add, "add")
        if not removed and not added:
            raise ValueError("there is no role to remove or add")
        if not set(removed).isdisjoint(added):
            raise ValueError("a role is both removed and added")
        return await self._asked(
            answers.number, "change_roles", ids, remove=removed, add=added
        )

    async def revoke_authentication(self, session_id: str) -> None:
        """End a session at once, for the reason `revoked`.

        Its user's other sessions and tokens stay. It needs MODIFY_SESSION and
        AUTHENTICATE.

        Raises:
            RequestFailed: NO_SUCH_SESSION.
        """
        await self._call("revoke_authentication", text(session_id, "session_id"))

    # Deciding the logins of others.

    async def set_authenticator(
        self, name: str, authenticator: Deciding
    ) -> Registration:
        """Have `authenticator` asked about logins, for the entry `control:<name>`.

        It is an `Authenticator`, or just a function that takes the request. The
        registration ends with `close`, with the connection, or when the session loses
        the right. It needs REGISTER_HANDLER and AUTHENTICATE.

        Raises:
            TypeError: a name that is no str, an authenticator that cannot be asked.
            RequestFailed: UNKNOWN_AUTHENTICATOR: there is no such entry;
                HANDLER_CONFLICT: this session has one under the name, which goes on.
                `closed` has been called with the code then.
        """
        return await self._authenticators.set(name, authenticator)

    def changes(self) -> ChangeStream:
        """Hear of changes that change what this session may do, one notice an epoch.

            async with session.security.changes() as changes:
                async for change in changes:
                    print(change.epoch, change.kinds)

        What was suspended or resumed by a change has been told before.
        """
        return self._changes.stream()

    # How all of them ask.

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self._exchange.call(
            _COMPONENT, method, *args, timeout=self._seconds, **kwargs
        )

    async def _asked(
        self, read: Callable[[Any], T], method: str, *args: Any, **kwargs: Any
    ) -> T:
        """Call a method and read its answer.

        Raises:
            RequestFailed: INVALID_MESSAGE_DATA, for an answer that is none.
        """
        answer = await self._call(method, *args, **kwargs)
        try:
            return read(answer)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise request_failed(
                ErrorCode.INVALID_MESSAGE_DATA,
                "an answer that cannot be read",
                {},
                topic=Topic.RPC,
                action=Action.CALL,
                name=method,
            ) from None
