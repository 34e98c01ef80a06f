"""A peer's server as a process of its own, up when entered and gone when left."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import cores, launch


__all__ = ["Ports", "ServerError", "running"]

START_SECONDS = 120.0
POLL_SECONDS = 0.05
SETTLE_SECONDS = 1.0
LOG_TAIL = 2_000


class ServerError(Exception):
    """A server ended, or did not get ready; holds the end of its log."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}\n{log.read_text()[-LOG_TAIL:]}")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens; `second` is for peers that need another listener."""

    main: int
    second: int

    @classmethod
    def free(cls) -> Self:
        """Find two ports that nobody uses now."""
        with socket.socket() as one, socket.socket() as two:
            for probe in (one, two):
                probe.bind(("127.0.0.1", 0))
            return cls(one.getsockname()[1], two.getsockname()[1])


@contextmanager
def running(
    command: launch.Command, port: int, log: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a server on its core, ready for logins; raises `ServerError`."""
    with log.open("w") as sink:
        process = launch.start(command, cores.SERVER, log=sink)
        try:
            wait_until_ready(process, command, port, log)
            time.sleep(SETTLE_SECONDS)
            yield process
            if process.poll() is not None:
                raise ServerError("the server ended by itself", log)
        finally:
            launch.end(process)


def wait_until_ready(
    process: subprocess.Popen[str], command: launch.Command, port: int, log: Path
) -> None:
    """Return when the server says so, or answers on its port."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError("the server ended while starting", log)
        if is_ready(command, port, log):
            return
        time.sleep(POLL_SECONDS)
    raise ServerError("the server did not get ready", log)


def is_ready(command: launch.Command, port: int, log: Path) -> bool:
    """Look once."""
    if command.ready_line is not None:
        return command.ready_line in log.read_text().splitlines()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
