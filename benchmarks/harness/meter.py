"""What a server's process tree has used, read from outside while it runs."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


__all__ = ["Meter", "Reading", "process_cpu", "tree"]

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the meter knows at one moment; differences of two are a measure."""

    at: float
    server_cpu: float
    """Seconds of user and system time of the server's processes and threads."""
    main_cpu: float
    """Of these, what the first process's main thread spent: an event loop's."""
    machine_cpu: float
    """Busy seconds of all cores, whoever used them; ticks, so good to 10 ms."""
    rss_kib: int


def tree(root: int) -> list[int]:
    """List `root` and its living descendants."""
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:  # the thread ended while it was looked at
                continue
    return found


def process_cpu(pid: int) -> float:
    """Read a process's CPU seconds, 0 if it is gone.

    The kernel's CPU clock of the process: the sum that `schedstat` shows for each
    thread, to the nanosecond, and threads that have ended are in it.
    """
    cpu_clock = (~pid << 3) | 2  # clock_getcpuclockid(3), CPUCLOCK_SCHED
    try:
        return time.clock_gettime(cpu_clock)
    except OSError:
        return 0.0


def main_thread_cpu(pid: int) -> float:
    """Read the CPU seconds of a process's main thread, 0 if it is gone."""
    try:
        spent = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]
    except OSError:
        return 0.0
    return int(spent) / 1e9


def resident_kib(pid: int) -> int:
    """Read a process's resident memory, 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def machine_cpu() -> float:
    """Read the seconds that all cores together were not idle, steal included."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, first.split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


class Meter:
    """Reads one server's process tree.

    A child that starts and ends between two readings is not seen; no peer has one.
    """

    def __init__(self, root: int) -> None:
        self.root = root

    def read(self) -> Reading:
        """Take a reading now."""
        pids = tree(self.root)
        rss = sum(resident_kib(pid) for pid in pids)
        machine = machine_cpu()
        return Reading(
            at=time.perf_counter(),
            server_cpu=sum(process_cpu(pid) for pid in pids),
            main_cpu=main_thread_cpu(self.root),
            machine_cpu=machine,
            rss_kib=rss,
        )
