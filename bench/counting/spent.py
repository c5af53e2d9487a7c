"""What the processes of a running system spent.

Comes in: the system. Goes out: CPU seconds by what they are, and the difference of two looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

# What of a command line tells what a process is.
_MARKS = {
    "gateway": "services.gateway",
    "recorder": "services.recorder",
    "RabbitMQ": "beam.smp",
    "PostgreSQL": "postgres",
}


def cpu_seconds(run_dir: Path) -> dict[str, float]:
    """So far. Processes that have ended since are not in it."""
    spent = dict.fromkeys(_MARKS, 0.0)
    for name, seconds in _looked_at(str(run_dir)):
        spent[name] += seconds
    return spent


def _looked_at(run_dir: str) -> Iterator[tuple[str, float]]:
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            name = next((name for name, mark in _MARKS.items() if mark in command), None)
            if name and _is_of(process, run_dir):
                times = process.cpu_times()
                yield name, times.user + times.system
        except psutil.Error:  # it has just ended, or is somebody else's
            continue


def _is_of(process: psutil.Process, run_dir: str) -> bool:
    """Started with the folder in its environment, or by a process that was: a backend of
    PostgreSQL writes what it does where its environment was."""
    family = [process, *process.parents()[:1]]
    return any(
        run_dir in value for one in family for value in (*one.cmdline(), *one.environ().values())
    )
