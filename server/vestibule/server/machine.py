"""What this machine has: cores and memory that this process may use."""

import os
from pathlib import Path
from typing import Final


__all__ = ["cores", "memory_bytes"]

_ASSUMED_BYTES: Final = 1024**3
"""Where the system does not tell: what the smallest rented machines have."""

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""A container's own limit, in versions 2 and 1; `max` or a huge number is none."""


def cores() -> int:
    """Give the number of cores that this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Give the memory of the machine, or the container's limit where that is less."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        memory = 0
    if memory <= 0:
        memory = _ASSUMED_BYTES
    for path in _CGROUP_LIMITS:
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):
            continue
        if 0 < limit < memory:
            memory = limit
    return memory
