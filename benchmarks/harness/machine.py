"""What the figures were taken on."""

import os
import platform
import time
from pathlib import Path


__all__ = ["describe", "pace"]

PACE_LOOPS = 200_000
PACE_ROUNDS = 3


def describe() -> dict[str, str]:
    """Describe processor, memory, kernel and interpreters, and how fast it is."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory_gib": str(round(memory_kib() / 1024 / 1024)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "pace_ms": f"{pace():.2f}",
        "date": time.strftime("%Y-%m-%d"),
    }


def pace() -> float:
    """Time a fixed loop of plain Python, in ms: compare it before comparing figures.

    In CPU time, the best of several rounds: others that share the core do not count.
    """
    best = float("inf")
    for _ in range(PACE_ROUNDS):
        start = time.thread_time()
        total = 0
        for number in range(PACE_LOOPS):
            total += number & 7
        best = min(best, time.thread_time() - start)
    return best * 1e3


def processor() -> str:
    """Name the processor as the kernel does."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_kib() -> int:
    """Read the machine's memory."""
    first = Path("/proc/meminfo").read_text().split("\n", 1)[0]
    return int(first.split()[1])
