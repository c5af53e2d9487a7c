"""Processor seconds and memory of whoever took part.

Comes in: processes by name. Goes out: what they used between two moments, with those that ended
meanwhile, and the most memory that one of them had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """One way, once. `processor`: seconds by name; `peak_mib`: of what makes the file."""

    seconds: float
    processor: Mapping[str, float]
    bytes_out: int
    peak_mib: float = 0.0

    @property
    def processor_seconds(self) -> float:
        return sum(self.processor.values())


def processor_seconds(processes: Sequence[psutil.Process]) -> float:
    """Of these, and of all that they ever started."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            total += times.children_user + times.children_system
            for child in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    own = child.cpu_times()
                    total += own.user + own.system
    return total


def forget_peak(process: psutil.Process) -> None:
    """The most memory it had is counted from now on."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def peak_mib(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return process.memory_info().rss / MIB
