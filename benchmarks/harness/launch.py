"""Starting programs on their core, and ending what they started."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness import cores, meter


__all__ = ["Command", "end", "start"]

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """A program, its arguments, and what its environment has besides ours."""

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_line: str | None = None
    """What a server prints when it can be used; None: when its port answers."""


def start(
    command: Command, core: int, *, log: IO[str], talk: bool = False
) -> subprocess.Popen[str]:
    """Start a program bound to `core`.

    Its errors go to `log`, and so does all it says, unless it is to `talk`: then its
    standard input and output are pipes.
    """
    with cores.pinned(core):
        return subprocess.Popen(
            command.argv,
            cwd=command.folder,
            env={**os.environ, **command.environment},
            stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talk else log,
            stderr=log,
            text=True,
        )


def end(process: subprocess.Popen[str]) -> None:
    """End a program and its descendants: politely, then not."""
    family = meter.tree(process.pid) if process.poll() is None else []
    if family:
        process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for orphan in family[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
