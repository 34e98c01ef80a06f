"""Which core runs what, so that server and load never take time from each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


__all__ = ["CLIENT", "SERVER", "enough", "pinned"]

SERVER = 0
"""Everything a server starts, its garbage collector and hash workers included."""

CLIENT = 1
"""The drivers, and the harness itself, which sleeps while they work."""


def enough() -> bool:
    """Whether this machine has both cores."""
    return {SERVER, CLIENT} <= os.sched_getaffinity(os.getpid())


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Bind the calling thread to `core`; what it starts meanwhile inherits that."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
