"""What an application holds once it is admitted: everything that a broker can be asked."""

from typing import TYPE_CHECKING, Any, Final

from vestibule.client.exchange import EventComponents, Exchange
from vestibule.client.lifecycle import Lifecycle
from vestibule.client.pubsub import Events
from vestibule.client.rpc import Rpc


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
        broker = self._accepted.broker
        self.exchange: Final = Exchange(self.rpc, broker)
        self.event: Final = EventComponents(self.events, channel.tasks, broker)

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
        """The session's token, if the broker gives one. It is a secret."""
        return self._accepted.token

    @property
    def insecure(self) -> tuple[str, ...]:
        """The broker's settings that give up protection; empty is good."""
        return self._accepted.insecure

    async def close(self) -> None:
        """End the session and its connection. Idempotent."""
        await self._lifecycle.close()

    async def wait_closed(self) -> str:
        """Wait until it has ended for good, and say why."""
        return await self._lifecycle.wait_closed()
