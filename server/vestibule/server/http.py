"""The HTTP listener: `GET /health`, for whoever starts, stops and balances brokers.

It runs in the broker's own loop, so an answer says that the loop turns.
"""

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn import Config as UvicornConfig
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


__all__ = ["OK", "REQUEST_BYTES", "REQUEST_TIMEOUT", "HttpListener"]

OK: Final = "ok"
"""The one status that is answered with 200; every other with 503."""

REQUEST_BYTES: Final = 16_384
"""Longest request, headers and body together: a probe's is 200 bytes."""

REQUEST_TIMEOUT: Final = 5.0
"""Seconds from the connection, or a request's first byte, to its last byte."""

_MAX_CONNECTIONS: Final = 100
"""Probes and their retries; more are answered with 503."""

_IDLE: Final = 5
"""Seconds that a connection is kept open between requests."""

_log: Final = logging.getLogger("vestibule.http")
_log.setLevel(logging.ERROR)
"""The base warns of every malformed request; strangers do not fill the log."""

_CODES: Final = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


class _Protocol(HttpToolsProtocol):
    """Ends a connection whose request does not come in time, or is too long.

    The base has no limit for either: a half-sent request would stay for ever.
    """

    def __init__(self, *arguments: Any, request_timeout: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _log
        self._patience = request_timeout
        self._timer: TimerHandle | None = None
        self._taken = 0
        # Made when the connection is: the time for its first request begins here.
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > REQUEST_BYTES:
            self.transport.abort()
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._arm()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._disarm()
        self._taken = 0
        super().on_message_complete()

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._patience, self._expire)

    def _expire(self) -> None:
        self.transport.abort()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _refused(request: Request, problem: Exception) -> Response:
    del request
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    code = _CODES.get(status, "REFUSED")
    message = code.replace("_", " ").lower()
    return JSONResponse({"error": {"code": code, "message": message}}, status)


class HttpListener:
    """Answers `GET /health` with `{"status": …}` of `status()`.

    Whoever makes one calls `start`, and `stop` once.
    """

    def __init__(
        self,
        host: str,
        port: int,
        status: Callable[[], str],
        *,
        request_timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        self._host: Final = host
        self._wanted: Final = port
        self._status: Final = status
        self._patience: Final = request_timeout
        self._state: Final = ServerState()
        self._server: asyncio.Server | None = None
        self.port = port
        """The port that is listened on; after `start` never 0."""

    @property
    def url(self) -> str:
        """Where the listener answers, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        app = Starlette(
            routes=[Route("/health", self._health)],
            exception_handlers={HTTPException: _refused},
        )
        config = UvicornConfig(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=_IDLE,
            limit_concurrency=_MAX_CONNECTIONS,
        )
        config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(
                config, self._state, {}, loop, request_timeout=self._patience
            ),
            self._host,
            self._wanted,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, let answers under way go out, and close all connections."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._state.tasks):
            await asyncio.wait({task}, timeout=1.0)
        for connection in list(self._state.connections):
            connection.shutdown()
            connection.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _health(self, request: Request) -> Response:
        del request
        status = self._status()
        return JSONResponse({"status": status}, 200 if status == OK else 503)
