"""What an application holds before it has a session: a connection in quarantine."""

from typing import Any, Final

from vestibule.client.lifecycle import Lifecycle
from vestibule.client.schemes import login_of
from vestibule.client.session import Session
from vestibule.client.state import ConnectionState


__all__ = ["Connection"]


class Connection:
    """A connection to a broker. `connect` makes it.

    It can log in, and nothing else: everything that can be asked of a broker is asked
    of the session that `login` gives.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle: Final = lifecycle

    def __repr__(self) -> str:
        return f"<Connection {self.session_id} {self.state}>"

    @property
    def state(self) -> ConnectionState:
        """How far the connection has come."""
        return self._lifecycle.state

    @property
    def session_id(self) -> str:
        """Its id, 32 hexadecimal digits: a name, never a credential.

        A connection that was lost and taken up again has another one.
        """
        return self._lifecycle.session_id

    async def login(
        self,
        auth_data: Any = None,
        *,
        scram: bool = False,
        plain_on_first_use: bool = False,
    ) -> Session:
        """Log in with whatever the broker's authenticators understand.

        Without data it is an anonymous login. After a refusal another login may be
        tried on the same connection, unless it was the last one that the broker
        allows. A login that is cancelled ends the connection.

        Args:
            auth_data: a map with text keys, as `{"username": …, "password": …}`;
                or `{"username": …, "signing_key": …}`, with the 32 bytes of an
                Ed25519 seed, their text `vsu1_…`, or PyNaCl's `SigningKey`: the
                connection is signed, and the key never shown.
            scram: whether to prove the password without showing it; the broker then
                has to prove that it knows it too.
            plain_on_first_use: show a password to a broker whose key nobody knows.

        Raises:
            LoginRefused: the broker refused; or, before anything was sent,
                SERVER_KEY_UNVERIFIED, SCHEME_NOT_AVAILABLE, LOGIN_IN_PROGRESS or
                ALREADY_LOGGED_IN.
            HandshakeFailed: SERVER_PROOF_INVALID, after a SCRAM login; the connection
                is gone.
            ConnectionClosed: the connection has ended.
            TypeError: data that no message can carry, or without what its scheme needs.
        """
        login = login_of(auth_data, scram=scram)
        await self._lifecycle.login(login, plain_on_first_use=plain_on_first_use)
        return Session(self, self._lifecycle)

    async def close(self) -> None:
        """End the connection, and the session with it. Idempotent."""
        await self._lifecycle.close()

    async def wait_closed(self) -> str:
        """Wait until it has ended for good, and say why."""
        return await self._lifecycle.wait_closed()
