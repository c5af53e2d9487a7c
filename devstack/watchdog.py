"""Ends the engines of a test run whose owner is gone, even by SIGKILL.

In (argv): a run folder, the owner's process id and start time. It waits for the owner to end (a
process handle: an inherited pipe or a recycled id cannot deceive it), then stops every child of the
folder and removes the folder.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

from devstack import process_table, run_folder
from devstack.errors import EngineError
from devstack.process_table import ProcessId
from devstack.processes import Child, stop_all


def child(run_dir: Path) -> Child:
    """The watchdog over the calling process, ready once it watches."""
    owner = process_table.identify(os.getpid())
    if owner is None:
        raise EngineError("this process is not in /proc: the engines need Linux")
    arguments = (str(run_dir), str(owner.pid), str(owner.started))
    return Child(
        run_dir=run_dir,
        name="watchdog",
        argv=(sys.executable, "-m", "devstack.watchdog", *arguments),
        env=dict(os.environ),
        ready=(run_dir / "watching").exists,
        cwd=Path(__file__).resolve().parent.parent,
        ready_seconds=30.0,
    )


def main(run_dir: Path, owner: ProcessId) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle = _handle(owner)
    (run_dir / "watching").touch()
    if handle is not None:
        select.select([handle], [], [])
    while process_table.alive(owner):
        time.sleep(0.2)
    stop_all(run_dir)
    run_folder.wipe(run_dir)


def _handle(owner: ProcessId) -> int | None:
    try:
        return os.pidfd_open(owner.pid)
    except OSError:  # gone already, or no such system call: the loop above finds out
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), ProcessId(int(sys.argv[2]), int(sys.argv[3])))
