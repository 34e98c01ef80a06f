"""The context managers that give a connection or a session, and end it again."""

from types import TracebackType
from typing import Any, Final

from vestibule.client.connection import Connection
from vestibule.client.lifecycle import Lifecycle
from vestibule.client.session import Session
from vestibule.client.settings import Settings
from vestibule.client.transport import Dial


__all__ = ["Connecting", "OpeningSession"]


class Connecting:
    """An async context manager that gives a `Connection`, and closes it at the end.

    Entering raises HandshakeFailed if there is no broker to be trusted, and OSError if
    there is none at all. Leaving says bye and waits until everything has ended.
    """

    def __init__(self, settings: Settings, dial: Dial) -> None:
        self._settings: Final = settings
        self._dial: Final = dial
        self._lifecycle: Lifecycle | None = None

    async def __aenter__(self) -> Connection:
        if self._lifecycle is not None:
            raise RuntimeError("a connection is entered once")
        self._lifecycle = lifecycle = Lifecycle(self._settings, self._dial)
        try:
            await lifecycle.open()
        except BaseException:
            await lifecycle.aclose()
            raise
        return Connection(lifecycle)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lifecycle is not None:
            await self._lifecycle.aclose()


class OpeningSession:
    """An async context manager that gives a `Session`, and closes it at the end.

    Entering raises what `connect` and `login` raise; a connection that ends meanwhile
    is a ConnectionClosed.
    """

    def __init__(
        self,
        connecting: Connecting,
        auth_data: Any,
        *,
        scram: bool,
        plain_on_first_use: bool,
    ) -> None:
        self._connecting: Final = connecting
        self._auth_data = auth_data
        self._scram: Final = scram
        self._plain_on_first_use: Final = plain_on_first_use

    async def __aenter__(self) -> Session:
        connection = await self._connecting.__aenter__()
        try:
            return await connection.login(
                self._auth_data,
                scram=self._scram,
                plain_on_first_use=self._plain_on_first_use,
            )
        except BaseException:
            await self._connecting.__aexit__(None, None, None)
            raise
        finally:
            self._auth_data = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connecting.__aexit__(kind, error, traceback)
