"""The folder that holds everything of one set of engines: one command at a time on it, parts of it
elsewhere when they must, and gone without a trace."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import ports
from devstack.errors import EngineError

LOCK_SECONDS = 180.0


@contextmanager
def locked(run_dir: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the folder (made if need be). The lock ends with its holder, however that ends."""
    run_dir.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with (run_dir / "lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EngineError(f"another command is at work on {run_dir}") from None
                time.sleep(0.1)
        yield


def elsewhere(wanted: Path) -> Path:
    """A private folder outside of the run folder, with a link at `wanted` that leads there.

    `/var/tmp` if there is one, as it survives a reboot. Returns the real path."""
    if wanted.is_symlink() and wanted.exists():
        return wanted.resolve()
    lasting = Path("/var/tmp")  # noqa: S108 - mkdtemp makes the name and the mode
    parent = lasting if os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=f"tallyport-{wanted.name}-", dir=parent))
    if wanted.is_symlink():
        wanted.unlink()
    elif wanted.is_dir():
        wanted.rmdir()  # ours and empty, or this raises
    wanted.symlink_to(folder)
    return folder


def wipe(run_dir: Path) -> None:
    """Remove the folder, what its links lead to, and its claim on ports. Stop everything first."""
    if run_dir.is_dir():
        for path in run_dir.iterdir():
            if path.is_symlink() and path.resolve().name.startswith("tallyport-"):
                shutil.rmtree(path.resolve(), ignore_errors=True)
    shutil.rmtree(run_dir, ignore_errors=True)
    ports.release(run_dir)
