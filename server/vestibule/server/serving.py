"""Running one broker as this process: signals, event loop, limits, what is printed."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Final

import structlog

from vestibule.protocol.crypto import fingerprint_text, parse_server_key
from vestibule.server import logs
from vestibule.server.broker import Broker
from vestibule.server.config import Config
from vestibule.server.config_source import ConfigError
from vestibule.server.keyfile import check_data_folder, read_keys
from vestibule.server.loading import load_handler
from vestibule.server.profiles import Profiles
from vestibule.server.tls import server_context


if sys.platform != "win32":
    import resource

__all__ = ["StartFailed", "check", "serve"]

_COLLECT_AFTER: Final = (20_000, 20, 50)
"""Objects, then collections of the younger generation, between two collections."""

log = structlog.get_logger("vestibule.serve")

_BUILT_IN: Final = ("directory", "open")


class StartFailed(Exception):  # noqa: N818 - what happened
    """The broker did not start; the text is the one line that says why."""


def check(config: Config) -> None:
    """Do what a start does before it opens a port or makes a file.

    Raises:
        ConfigError: what a start would stop for.
    """
    if config.handler.load not in _BUILT_IN:
        load_handler(config.handler.load)
    if config.listen.tls is not None:
        server_context(config.listen.tls)
    Profiles.of(config)
    if not check_data_folder(config.data):
        read_keys(config.data)


def serve(config: Config, *, announce: Callable[[dict[str, str]], None]) -> None:
    """Run a broker until a signal ends it. `announce` is told the facts of the start.

    Raises:
        StartFailed: it did not start.
    """
    logs.configure(config.log.level, config.log.format)
    _harden()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(config, announce))
    except ConfigError as problem:
        raise StartFailed(str(problem)) from None


async def _run(config: Config, announce: Callable[[dict[str, str]], None]) -> None:
    # Before the start: a signal during it is not lost.
    asked = _on_signal()
    async with AsyncExitStack() as stack:
        try:
            broker = await stack.enter_async_context(Broker(config))
        except OSError as problem:
            # asyncio's text names the address.
            reason = problem.strerror or type(problem).__name__
            raise StartFailed(f"cannot start: {reason}") from None
        _collect_seldom()
        announce(_facts(config, broker))
        async with asyncio.TaskGroup() as tasks:
            stopper = tasks.create_task(_stop_when(asked, broker), name="stopper")
            await broker.wait_stopped()
            stopper.cancel()


def _collect_seldom() -> None:
    """Let the garbage collector pass over what stays, and run less often.

    A record of 256 events makes a thousand objects that die by reference count; looking
    for circles after each 700 of them cost a third of a published event
    (docs/decisions/garbage-collection.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


async def _stop_when(asked: asyncio.Event, broker: Broker) -> None:
    """Drain the broker once a signal has come."""
    await asked.wait()
    await broker.stop()


def _facts(config: Config, broker: Broker) -> dict[str, str]:
    """What to print at the start; the first password is printed here and never again."""
    facts = {"url": broker.url}
    if config.encryption == "required":
        facts["server_key"] = broker.server_key
        key = parse_server_key(broker.server_key)
        facts["fingerprint"] = fingerprint_text(key)
    else:
        facts["encryption"] = "OFF: whoever can read this machine's traffic reads all"
    if broker.http_url is not None:
        facts["health"] = f"{broker.http_url}/health"
    if config.handler.load == "open":
        facts["handler"] = "OPEN: everybody may do everything"
    if broker.first_password is not None:
        facts["administrator"] = "_ADMIN"
        facts["password"] = broker.first_password.reveal()
    return facts


def _on_signal() -> asyncio.Event:
    """Give an event that the first SIGTERM or SIGINT sets; the second ends at once."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def received(number: int) -> None:
        if asked.is_set():
            # What was acknowledged is on disk already.
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        # Where a loop has no signal handlers, Ctrl-C raises KeyboardInterrupt.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, received, number)
    return asked


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's loop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _harden() -> None:
    """Leave no core dump, which would hold keys, and take all descriptors allowed."""
    if sys.platform != "win32":
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError, ValueError):
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
