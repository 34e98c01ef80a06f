"""The listener: accepts sockets, and knows those that are open."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from vestibule.server.config_source import ConfigError
from vestibule.server.pump import Pump, PumpService


__all__ = ["Listener"]

_BACKLOG: Final = 4_096
"""Sockets that wait for an accept: with the usual 100, 200 clients that come at once
wait a second for their retransmitted SYN."""

_PATIENCE: Final = 2.0
"""Seconds that closed connections are waited for; each has a deadline of one."""


class _Known(Pump):
    """A pump that its listener knows from when it is connected.

    Not from when it is made: one whose TLS handshake fails never is, and never ends.
    """

    def __init__(
        self,
        service: PumpService,
        came: Callable[[Pump], None],
        gone: Callable[[Pump], None],
        *,
        local: bool,
    ) -> None:
        super().__init__(service, gone)
        self.local = local
        self._came: Final = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be known, then go on."""
        self._came(self)
        super().connection_made(transport)


class Listener:
    """One listening address and the pumps of its sockets.

    `user_timeout` is how long, in seconds, the kernel waits for a peer's
    acknowledgement before it gives up the connection (TCP_USER_TIMEOUT).
    """

    def __init__(
        self, service: PumpService, *, host: str, port: int, user_timeout: float
    ) -> None:
        self._service: Final = service
        self._host: Final = host
        self._port = port
        self._user_timeout: Final = user_timeout
        self._server: asyncio.Server | None = None
        self._pumps: set[Pump] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._scheme = "ws"

    def __len__(self) -> int:
        return len(self._pumps)

    @property
    def url(self) -> str:
        """Where clients connect to; with the real port where 0 was asked for."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port}"

    async def start(self, tls: ssl.SSLContext | None) -> None:
        """Begin to listen.

        Raises:
            ConfigError: the address is taken or not this machine's.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                self.pump,
                self._host,
                self._port,
                backlog=_BACKLOG,
                ssl=tls,
                # A stranger that never finishes its handshake is no pump yet.
                ssl_handshake_timeout=None
                if tls is None
                else self._service.quarantine.handshake_timeout,
            )
        except OSError as problem:
            raise ConfigError(
                f"cannot listen on {self._host}:{self._port}: {problem.strerror}",
                where="listen",
            ) from problem
        self._server = server
        self._scheme = "ws" if tls is None else "wss"
        for listening in server.sockets:
            self._port = listening.getsockname()[1]
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit
                listening.setsockopt(
                    socket.IPPROTO_TCP,
                    socket.TCP_USER_TIMEOUT,
                    int(self._user_timeout * 1000),
                )

    def pump(self, *, local: bool = False) -> Pump:
        """Make the protocol of one more connection.

        `local` says that its other end is inside this process; a socket never is.
        """
        return _Known(self._service, self._came, self._gone, local=local)

    def _came(self, pump: Pump) -> None:
        self._pumps.add(pump)
        self._empty.clear()

    def _gone(self, pump: Pump) -> None:
        self._pumps.discard(pump)
        if not self._pumps:
            self._empty.set()

    def close(self) -> None:
        """Accept no more; what is open stays open, strangers are dropped."""
        if self._server is not None:
            self._server.close()
        for pump in list(self._pumps):
            if pump.conversation is None or pump.conversation.session is None:
                pump.drop()

    async def wait_closed(self) -> None:
        """Wait until every socket is gone; those that linger are dropped."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._empty.wait()
        except TimeoutError:
            for pump in list(self._pumps):
                pump.drop()
            await self._empty.wait()
