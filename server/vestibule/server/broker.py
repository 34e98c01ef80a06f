"""The broker: puts the parts together, starts them, follows changes, stops them."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, Self

import structlog

from vestibule.protocol.errors import ErrorCode
from vestibule.server import keyfile, logs
from vestibule.server.assembly import Parts, assemble
from vestibule.server.audit import AuditLog
from vestibule.server.config import Config
from vestibule.server.config_source import ConfigError
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.directory.names import folded
from vestibule.server.features.rpc import Rpc
from vestibule.server.features.security import SECURITY_METHODS
from vestibule.server.folderlock import FolderLock
from vestibule.server.gate import Right
from vestibule.server.ground import Ground
from vestibule.server.hooks import Hooks
from vestibule.server.http import HttpListener
from vestibule.server.loading import check_handler, load_handler
from vestibule.server.open_handler import OpenHandler
from vestibule.server.profiles import Profiles
from vestibule.server.secret import Secret
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions
from vestibule.server.shutdown import say_goodbye
from vestibule.server.tasks import Tasks
from vestibule.server.tls import server_context
from vestibule.server.trail import Trail
from vestibule.server.verdict import Denied


__all__ = ["Broker"]

_FINISH_SECONDS: Final = 1.0
"""How long a stop waits for what was begun and what hears of ends."""

log = structlog.get_logger("vestibule.broker")


class Broker:
    """One broker in this process and event loop.

        async with Broker(Config.load("config.yaml"), handler=Handler()) as broker:
            print(broker.url, broker.server_key)

    `handler` takes the place of the configured one. Nothing is made and no port is
    opened before the block is entered; what stops the start raises a `ConfigError`.
    `clock` counts seconds for the lockout, `wall` those since 1970; with `listen` false no port is opened and
    connections come through `pump` alone (`vestibule.server.testing`).
    """

    def __init__(
        self,
        config: Config,
        handler: object | None = None,
        *,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] = time.time,
        listen: bool = True,
    ) -> None:
        logs.ensure()
        self._listens = listen
        self.config: Final = config
        self._handler = handler
        self._clock = clock
        self._wall = wall
        self._counters: Final = Counters()
        insensitive = config.usernames_case_insensitive
        self._sessions: Final = Sessions(folded if insensitive else str)
        self._stopping = False
        self._started = False
        self._audit: Final = AuditLog(
            config.audit.line_bytes, on_lost=lambda: self._counters.add("audit_lost")
        )
        self._stopped: Final = asyncio.Event()
        self._tasks: Final = Tasks()
        self._finishing: Final = Tasks()
        self._http: HttpListener | None = None
        self._folder_lock: Final = FolderLock(config.data)

    # What can be seen.

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return self._parts.listener.url

    @property
    def server_key(self) -> str:
        """The current identity key, in the text form that clients pin."""
        return self._identities[0].text

    @property
    def first_password(self) -> Secret | None:
        """The administrator's password that this first start made, else None."""
        return self._directory.first_password

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted since the start (docs/operations.md, "Counters")."""
        return self._counters

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The live sessions by id."""
        return self._sessions

    @property
    def quarantined(self) -> int:
        """How many connections are in quarantine."""
        return len(self._parts.room)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions stand."""
        return self._parts.events.count()

    @property
    def rpc(self) -> Rpc:
        """What carries calls."""
        return self._parts.rpc

    @property
    def directory(self) -> Directory:
        """The users, groups and permissions."""
        return self._directory

    @property
    def http_url(self) -> str | None:
        """Where HTTP is answered, None where it is off."""
        return None if self._http is None else self._http.url

    @property
    def status(self) -> str:
        """`ok`, `stopping` or `storage` (the last write failed), as `/health` tells."""
        if self._stopping:
            return "stopping"
        failed = self._directory.storage_failed or self._audit.failed
        return "storage" if failed else "ok"

    # Starting.

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the directory and the ports. A broker is started once.

        Raises:
            ConfigError: what was configured cannot be. Nothing is left open then, and
                nothing is left of what a first start made.
        """
        if self._started:
            raise RuntimeError("a broker is started once")
        config = self.config
        handler = self._choose_handler()
        tls = None if config.listen.tls is None else server_context(config.listen.tls)
        self._profiles = Profiles.of(config)
        keyfile.check_data_folder(config.data)
        async with AsyncExitStack() as undoing:
            undoing.enter_context(self._folder_lock)
            # Again, now that nobody else makes it.
            fresh = keyfile.check_data_folder(config.data)
            if fresh:
                # Else the administrator's password would be set, and told to nobody.
                undoing.callback(keyfile.unmake, config.data)
            self._identities = (
                keyfile.make_keys(config.data)
                if fresh
                else keyfile.read_keys(config.data)
            )
            self._trail = await self._open_trail()
            undoing.push_async_callback(self._trail.close)
            self._directory = await self._open_directory()
            self._directory.halt_while(lambda: self._audit.refuses)
            undoing.push_async_callback(self._directory.close)
            self._parts = self._assemble(handler)
            self._directory.on_change(self._parts.following.changed)
            self._directory.on_script(self._parts.following.ran)
            if self._listens:
                undoing.push_async_callback(self._close_ports)
                await self._parts.listener.start(tls)
                await self._start_http()
            undoing.pop_all()
        self._parts.chain.start()
        self._started = True
        for setting in config.insecure_settings():
            log.warning("broker.insecure", setting=setting)
        log.info("broker.started", url=self.url)

    async def _open_trail(self) -> Trail:
        trail = await Trail.open(
            self.config.data,
            self.config.audit,
            on_lost=lambda: self._counters.add("audit_lost"),
            now=self._wall,
        )
        self._audit.keep_in(trail)
        self._audit.note("broker_started", version=version("vestibule"))
        return trail

    async def _open_directory(self) -> Directory:
        config = self.config
        password = os.environ.get("VESTIBULE_ADMIN_PASSWORD")
        return await Directory.open(
            config.data,
            broker_name=config.name,
            components={"security": SECURITY_METHODS},
            passwords=config.passwords,
            admin_password=Secret(password) if password else None,
            case_insensitive=config.usernames_case_insensitive,
            now=self._wall,
        )

    def _choose_handler(self) -> object | None:
        if self._handler is not None:
            check_handler(self._handler)
            return self._handler
        match self.config.handler.load:
            case "directory":
                return None
            case "open":
                return OpenHandler()
            case reference:
                return load_handler(reference)

    def _assemble(self, handler: object | None) -> Parts:
        config, loop = self.config, asyncio.get_running_loop()
        self._hooks = Hooks(
            handler,
            timeout=config.handler.timeout,
            login_timeout=config.handler.login_timeout,
            counters=self._counters,
        )
        return assemble(
            Ground(
                config=config,
                loop=loop,
                clock=self._clock or loop.time,
                wall=self._wall,
                directory=self._directory,
                identities=self._identities,
                hooks=self._hooks,
                sessions=self._sessions,
                counters=self._counters,
                audit=self._audit,
                trail=self._trail,
                tasks=self._tasks,
                finishing=self._finishing,
                denied=self._denied,
                login_fields=self._login_fields,
                profiles=self._profiles,
            )
        )

    async def _start_http(self) -> None:
        http = self.config.http
        if http is not None:
            listener = HttpListener(http.host, http.port, lambda: self.status)
            try:
                await listener.start()
            except OSError as problem:
                raise ConfigError(
                    f"cannot listen on {http.host}:{http.port}: {problem.strerror}",
                    where="http",
                ) from problem
            self._http = listener

    # Running.

    def pump(self) -> asyncio.Protocol:
        """Make the protocol of one more connection, for a transport of any kind."""
        return self._parts.listener.pump(local=True)

    def _login_fields(self, session: Session) -> dict[str, Any]:
        return {
            "client_data": session.client_data,
            "token": None,
            "insecure": list(self.config.insecure_settings()),
            "broker": self.config.name,
        }

    def _denied(
        self, session: Session, right: Right, name: str, denied: Denied
    ) -> None:
        """Count and audit a refused message; its sender learns the code alone."""
        self._counters.add("messages_denied")
        failed = denied.failed is not None
        self._audit.denied(
            session_id=session.id,
            username=session.username,
            address=session.remote_address,
            topic=right.topic,
            action=right.action,
            path=name,
            verdict=denied,
            code=ErrorCode.MESSAGE_PERMISSION_ERROR
            if failed
            else denied.code or ErrorCode.MESSAGE_DENIED,
        )

    async def recheck(self, username: str | None = None) -> None:
        """Decide again what stands of the sessions of `username`, or of all.

        For decisions that only the permission handler knows the reasons of. When this
        returns, nothing that it now refuses is delivered any more.
        """
        await self._parts.following.recheck(username)

    # Stopping.

    async def stop(self) -> None:
        """Take no more connections, tell every session, then close everything.

        Idempotent. Returns when nothing of the broker runs any more, whoever stops it.
        """
        if not self._started:
            return
        if self._stopping:
            await self.wait_stopped()
            return
        self._stopping = True
        log.info("broker.stopping", sessions=len(self._sessions))
        try:
            await self._stop()
        finally:
            self._stopped.set()
        log.info("broker.stopped")

    async def _stop(self) -> None:
        self._parts.listener.close()
        await say_goodbye(
            list(self._sessions.values()),
            busy=self._parts.rpc.busy,
            drain=self.config.shutdown.drain,
            spread=self.config.shutdown.spread,
        )
        await self._close_ports()
        await self._directory.close()
        self._audit.note("broker_stopped")
        await self._trail.close()
        self._folder_lock.release()

    async def _close_ports(self) -> None:
        """Leave no connection and no task, and then no port."""
        self._parts.listener.close()
        await self._parts.listener.wait_closed()
        await self._finishing.settle(_FINISH_SECONDS)
        await self._tasks.close()
        await self._finishing.close()
        await self._parts.chain.close()
        self._parts.tokens.close()
        if self._http is not None:
            await self._http.stop()

    async def wait_stopped(self) -> None:
        """Wait until `stop` has done its work."""
        await self._stopped.wait()
