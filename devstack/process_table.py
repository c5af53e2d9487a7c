"""Which processes run: a reader of /proc.

In: process ids, and the marker that every process of ours carries in its environment.
Out: identities that survive the recycling of a process id, family trees, and who owns a port.
"""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARKER = "TALLYPORT_CHILD"
_LISTEN = "0A"


@dataclass(frozen=True)
class ProcessId:
    """A process id with the start time (clock ticks since boot) that makes it unique."""

    pid: int
    started: int


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the command in parentheses and may itself hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[19]))


def boot_id() -> str:
    """The running kernel's id: after a reboot both process ids and start times begin again."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def identify(pid: int) -> ProcessId | None:
    """The identity behind a process id, or None when it is gone (a zombie counts as gone)."""
    stat = _stat(pid)
    if stat is None or stat.state in "ZX":
        return None
    return ProcessId(pid, stat.started)


def alive(process: ProcessId) -> bool:
    return identify(process.pid) == process


def _pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def with_descendants(root: ProcessId) -> list[ProcessId]:
    """The process and all below it, now. Children that opened a session of their own included
    (PostgreSQL's and Erlang's do), which a process group would miss."""
    if not alive(root):
        return []
    children: defaultdict[int, list[ProcessId]] = defaultdict(list)
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None and stat.state not in "ZX":
            children[stat.parent].append(ProcessId(pid, stat.started))
    family = [root]
    for member in family:  # grows while we walk it: breadth first
        family.extend(children[member.pid])
    return family


def marked(accepts: Callable[[str], bool]) -> list[ProcessId]:
    """Processes whose marker `accepts`; never the caller itself."""
    found = []
    for pid in _pids():
        if pid == os.getpid():
            continue
        process = identify(pid)
        try:
            environ = (PROC / str(pid) / "environ").read_bytes()
        except OSError:  # gone meanwhile, or somebody else's
            continue
        for entry in environ.split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == MARKER.encode() and process is not None and accepts(os.fsdecode(value)):
                found.append(process)
    return found


def working_in(folder: Path, program: Path) -> list[ProcessId]:
    """Processes that run this program in this folder: PostgreSQL's hide their environment."""
    found = []
    for pid in _pids():
        try:
            here = (PROC / str(pid) / "cwd").readlink() == folder
            if here and (PROC / str(pid) / "exe").readlink() == program:
                process = identify(pid)
                found.extend([process] if process else [])
        except OSError:
            continue
    return found


def is_zombie(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat.state in "ZX"


def send(process: ProcessId, signum: int) -> None:
    """Signal exactly this process; nothing happens when it is gone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    except OSError:  # a kernel or sandbox without pidfd: check, then signal
        if alive(process):
            os.kill(process.pid, signum)
        return
    try:
        # The handle was taken first, so the identity cannot change between check and signal.
        if alive(process):
            signal.pidfd_send_signal(handle, signum)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def wait_gone(processes: Iterable[ProcessId], seconds: float) -> list[ProcessId]:
    """Wait until all are gone; returns those that are not after `seconds`."""
    left = list(processes)
    deadline = time.monotonic() + seconds
    while left := [process for process in left if alive(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def listens(process: ProcessId, port: int) -> bool:
    """Whether this process (not a stranger who was faster) listens on the TCP port."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    if not sockets:
        return False
    folder = PROC / str(process.pid) / "fd"
    try:
        for handle in folder.iterdir():
            try:
                if str(handle.readlink()) in sockets:
                    return True
            except FileNotFoundError:
                continue
    except PermissionError:  # hardened kernels hide it: the port is open, believe it
        return True
    except FileNotFoundError:
        return False
    return False
