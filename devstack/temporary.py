"""Engines for a test run: fresh, fast, and gone with their owner.

In: a folder for such runs (`.run/tests`). Out: running engines in a folder of their own below it.
They end with the `with` block; when the process is killed in whatever way, a watchdog ends them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import run_folder, watchdog
from devstack.engines import RunningEngines, start_engines
from devstack.processes import stop_all
from devstack.settings import DevstackSettings


@contextmanager
def temporary_engines(
    root: Path, settings: DevstackSettings | None = None
) -> Iterator[RunningEngines]:
    """Start all engines without durability in `root/<something new>`; stop and remove them after.

    A broker named by TALLYPORT_BROKER_URL is not used here: tests want one that they may break."""
    settings = (settings or DevstackSettings()).model_copy(update={"broker_url": None})
    run_dir = root.resolve() / f"{os.getpid()}-{secrets.token_hex(3)}"
    run_dir.mkdir(parents=True)
    guard = watchdog.child(run_dir)
    try:
        guard.start()
        yield start_engines(run_dir, durable=False, settings=settings)
    finally:
        stop_all(run_dir)
        run_folder.wipe(run_dir)
