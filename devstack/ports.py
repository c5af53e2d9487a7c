"""Ports that no other checkout on this machine takes meanwhile.

In: a run folder and how many. Out: TCP ports on 127.0.0.1, written down in a register of this
machine and user until the folder is gone or gives them back.

Asking the kernel for "any free port" gives one that the next program gets as well, and lies in the
range from which outgoing connections are served. So: below that range, and with a register.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.errors import EngineError

PORTS_WANTED_IN_RANGE = 10_000


def reserve(run_dir: Path, count: int) -> list[int]:
    """Take `count` free ports for this run folder. Raises EngineError when there are none."""
    with _register() as taken:
        candidates = [port for port in _range() if str(port) not in taken]
        random.shuffle(candidates)
        found: list[int] = []
        for port in candidates:
            if len(found) == count:
                break
            if is_free(port):
                found.append(port)
        if len(found) < count:
            raise EngineError(f"no {count} free TCP ports on 127.0.0.1 in {_range()}")
        taken.update({str(port): str(run_dir) for port in found})
        return found


def release(run_dir: Path) -> None:
    """Give back every port of this run folder."""
    with _register() as taken:
        for port in [port for port, owner in taken.items() if owner == str(run_dir)]:
            del taken[port]


def is_free(port: int) -> bool:
    """Whether a server could listen there now, on this address and on all of them."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - for an instant, accepts nobody
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: connections of a predecessor that are still fading do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError:
                return False
    return True


def _range() -> range:
    try:
        first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        first_outgoing = 32768
    # Where outgoing connections may use nearly everything, a collision is retried by the engine.
    end = first_outgoing if first_outgoing > 2 * PORTS_WANTED_IN_RANGE else 30_000
    return range(end - PORTS_WANTED_IN_RANGE, end)


@contextmanager
def _register() -> Iterator[dict[str, str]]:
    """The register (port -> run folder) under an exclusive lock; written back at the end."""
    folder = Path(tempfile.gettempdir()) / f"tallyport-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise EngineError(f"{folder} belongs to another user; remove it")
    with (folder / "ports.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        try:
            entries = json.loads(file.read() or "{}")
        except ValueError:
            entries = {}
        taken = {port: owner for port, owner in entries.items() if Path(owner).is_dir()}
        yield taken
        file.seek(0)
        file.truncate()
        json.dump(taken, file)
