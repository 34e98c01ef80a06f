"""What an application holds once it is admitted: everything that a broker can be asked."""

from typing import TYPE_CHECKING, Any, Final

from vestibule.client.authenticators import Authenticators
from vestibule.client.exchange import EventComponents, Exchange
from vestibule.client.leaving import Leaving
from vestibule.client.lifecycle import Lifecycle
from vestibule.client.noticing import Changes
from vestibule.client.own_password import OwnPassword
from vestibule.client.pubsub import Events
from vestibule.client.reauthentication import Reauthentication
from vestibule.client.rpc import Rpc
from vestibule.client.security import Security


if TYPE_CHECKING:
    from vestibule.client.connection import Connection
    from vestibule.client.login import Accepted

__all__ = ["Session"]


class Session:
    """An admitted user's session. `Connection.login` makes it.

    It may be used from many tasks of one event loop. It outlives a lost connection, if
    the client reconnects; once it has ended for good, everything raises SessionClosed.
    """

    def __init__(self, connection: "Connection", lifecycle: Lifecycle) -> None:
        channel = lifecycle.channel
        self._lifecycle: Final = lifecycle
        self.connection: Final = connection
        self.events: Final = channel.add(Events(channel))
        self.rpc: Final = channel.add(Rpc(channel, self))
        self._leaving: Final = channel.add(Leaving(channel, lifecycle.token_replaced))
        broker = self._accepted.broker
        changed = lifecycle.resumption.password_changed
        self.rpc.on_called = OwnPassword(broker, changed)
        self.exchange: Final = Exchange(self.rpc, broker)
        self.event: Final = EventComponents(self.events, channel.tasks, broker)
        self.security: Final = Security(
            self.exchange,
            Reauthentication(lifecycle),
            lambda: self.username,
            channel.request_timeout,
            channel.add(Authenticators(channel, self._register_authenticator)),
            channel.add(Changes()),
        )

    async def _register_authenticator(self, name: str) -> None:
        await self.exchange.call(
            "security",
            "set_authenticator",
            name,
            timeout=self._lifecycle.channel.request_timeout,
        )

    def __repr__(self) -> str:
        return f"<Session {self.session_id} of {self.username!r}>"

    @property
    def _accepted(self) -> "Accepted":
        accepted = self._lifecycle.accepted
        assert accepted is not None  # noqa: S101 - a session is made by an admission
        return accepted

    @property
    def username(self) -> str:
        """Whom the broker has admitted."""
        return self._accepted.username

    @property
    def session_id(self) -> str:
        """The session's id; after a reconnection it is another."""
        return self._lifecycle.session_id

    @property
    def client_data(self) -> Any:
        """What a permission handler sent along with the admission."""
        return self._accepted.client_data

    @property
    def token(self) -> str | None:
        """The session's token, if the broker gives one. It is a secret.

        Good for `login({"token": …})` and for HTTP. It is another after one's own
        password was changed, or the session has logged in anew.
        """
        return self._accepted.token

    @property
    def insecure(self) -> tuple[str, ...]:
        """The broker's settings that give up protection; empty is good."""
        return self._accepted.insecure

    async def close(
        self, *, revoke_token: bool = False, end_children: bool = False
    ) -> None:
        """End the session and its connection. Idempotent, without more to do.

        Args:
            revoke_token: refuse the session's token for good; what else goes on under
                it ends too, `token_revoked`.
            end_children: end the other sessions under the token, `parent_closed`; it
                stays good.

        Raises:
            RequestFailed: STORAGE_FAILED; the token is refused already, but that is not
                stored. The session has ended.
            ConnectionLost, SessionClosed: the broker could not be asked for more. The
                session has ended.
        """
        try:
            if revoke_token or end_children:
                self._lifecycle.leaves()
                await self._leaving.leave(
                    revoke_token=revoke_token, end_children=end_children
                )
        finally:
            await self._lifecycle.close()

    async def wait_closed(self) -> str:
        """Wait until it has ended for good, and say why."""
        return await self._lifecycle.wait_closed()
