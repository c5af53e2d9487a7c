"""Child processes that outlive their parent, and can be found and ended by anybody later.

In: a `Child` (name, argv, environment, probe). Out: a process in a session of its own, its output
in `<run_dir>/logs/<name>.log`, and `<run_dir>/pids/<name>.json`, all that is needed to stop it.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack import process_table
from devstack.errors import ChildDiedError, ChildNotReadyError
from devstack.process_table import MARKER, ProcessId

LOG_BYTES_MAX = 20 * 1024 * 1024
OUTPUT_BYTES_MAX = 256 * 1024
PROBE_EVERY_SECONDS = 0.05
GRACE_SECONDS = 2.0
KILL_SECONDS = 10.0

# Popen objects of this process, by pid: polling them is what reaps our own zombies.
_started: dict[int, subprocess.Popen[bytes]] = {}


class PidFile(BaseModel):
    """What is written about a running child: its identity, and how it wants to be stopped."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: int
    boot_id: str
    stop_signal: int
    stop_seconds: float
    signal_every_seconds: float | None
    log: Path
    log_offset: int

    @property
    def process(self) -> ProcessId:
        return ProcessId(self.pid, self.started)

    @property
    def alive(self) -> bool:
        """Whether this very process runs: the same id, start time and boot."""
        popen = _started.get(self.pid)
        if popen is not None and popen.poll() is not None:
            del _started[self.pid]
        return self.boot_id == process_table.boot_id() and process_table.alive(self.process)


@dataclass(frozen=True)
class Child:
    """A process to run. `ready` is asked again and again until it says True; it must answer fast.

    `env` is the complete environment. `user` switches to another account (only root can).
    """

    run_dir: Path
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[], bool]
    cwd: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    ready_seconds: float = 60.0
    stop_seconds: float = 20.0
    signal_every_seconds: float | None = None
    """For programs that lose a signal that comes too early; others may take a second for "now!"."""
    port: int | None = field(default=None)
    """When given, readiness also needs this very process to listen there."""

    @property
    def log(self) -> Path:
        return self.run_dir / "logs" / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.run_dir / "pids" / f"{self.name}.json"

    @property
    def environment(self) -> dict[str, str]:
        """`env` with the mark. Short commands for a child (initdb, rabbitmqctl) run with it
        too: it is how they are found when whoever started them is gone."""
        return {**self.env, MARKER: str(self.pid_file)}

    @property
    def process(self) -> ProcessId | None:
        """The living process, or None."""
        record = _read(self.pid_file)
        return record.process if record and record.alive else None

    def alive(self) -> bool:
        return self.process is not None

    def start(self) -> None:
        """Spawn it, unless it runs already. Does not wait: see `wait_ready`."""
        if self.alive():
            return
        stop_recorded(self.pid_file)  # leftovers of an earlier life hold ports and locks
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            offset = log.tell()
            popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.cwd,
                start_new_session=True,
                user=self.user,
                group=_group_of(self.user),
                extra_groups=None if self.user is None else [],
            )
        _started[popen.pid] = popen
        identity = process_table.identify(popen.pid)
        record = PidFile(
            pid=popen.pid,
            started=identity.started if identity else 0,  # 0: it died already, found by wait_ready
            boot_id=process_table.boot_id(),
            stop_signal=self.stop_signal,
            stop_seconds=self.stop_seconds,
            signal_every_seconds=self.signal_every_seconds,
            log=self.log,
            log_offset=offset,
        )
        partial = self.pid_file.with_suffix(".partial")
        partial.write_text(record.model_dump_json())
        partial.replace(self.pid_file)

    def wait_ready(self) -> None:
        """Return when the probe says so. Raises ChildDiedError (at once) or ChildNotReadyError."""
        deadline = time.monotonic() + self.ready_seconds
        while True:
            process = self.process
            if process is None:
                raise ChildDiedError(self.name, str(self.log), self.output())
            if self._listens(process) and self.ready():
                return
            if time.monotonic() > deadline:
                raise ChildNotReadyError(
                    self.name, self.ready_seconds, str(self.log), self.output()
                )
            time.sleep(PROBE_EVERY_SECONDS)

    def stop(self) -> None:
        """Ask, wait, kill: the process and everything it started. Safe when nothing runs."""
        stop_recorded(self.pid_file)

    def kill(self) -> None:
        """SIGKILL to the whole family, as a power cut would. The data stays as it is."""
        process = self.process
        family = process_table.with_descendants(process) if process else []
        for member in family:
            process_table.send(member, signal.SIGKILL)
        stop_recorded(self.pid_file)
        process_table.wait_gone(family, KILL_SECONDS)

    def _listens(self, process: ProcessId) -> bool:
        return self.port is None or process_table.listens(process, self.port)

    def output(self) -> str:
        """What this start (not an earlier one) wrote to the log, or the end of it if it is long."""
        record = _read(self.pid_file)
        try:
            with self.log.open("rb") as log:
                start = record.log_offset if record else 0
                log.seek(max(start, self.log.stat().st_size - OUTPUT_BYTES_MAX))
                return log.read().decode(errors="replace")
        except OSError:
            return ""


def stop_recorded(pid_file: Path) -> None:
    """Stop what a pid file tells of, and whatever else carries its mark; then remove the file.

    A process of the same id that is not ours (a recycled id) is left alone.
    """
    record = _read(pid_file)
    if record is not None and record.pid == os.getpid():
        return  # a watchdog that stops the others
    if record is not None and record.alive:
        family = process_table.with_descendants(record.process)
        late = _ask_to_end(record)
        _end(family, 0.0 if late else GRACE_SECONDS)
    kill_marked(lambda mark: mark == str(pid_file))
    if record is not None and record.pid in _started:
        # A zombie keeps its id, by which PostgreSQL's lock file would take it for alive.
        _started.pop(record.pid).wait(KILL_SECONDS)
    pid_file.unlink(missing_ok=True)


def _ask_to_end(record: PidFile) -> bool:
    """Signal the leader and wait; whether it is still there at its deadline."""
    deadline = time.monotonic() + record.stop_seconds
    while (left := deadline - time.monotonic()) > 0:
        process_table.send(record.process, record.stop_signal)
        if not process_table.wait_gone([record.process], record.signal_every_seconds or left):
            return False
    return True


def kill_marked(accepts: Callable[[str], bool]) -> None:
    """End the processes that carry a mark, including those whose pid file was never written."""
    _end(process_table.marked(accepts), GRACE_SECONDS)


def _end(processes: list[ProcessId], grace_seconds: float) -> None:
    for process in processes:
        process_table.send(process, signal.SIGTERM)
    for process in process_table.wait_gone(processes, grace_seconds):
        process_table.send(process, signal.SIGKILL)
    process_table.wait_gone(processes, KILL_SECONDS)


def recorded(run_dir: Path) -> dict[str, PidFile]:
    """The children of a run folder that were started and not stopped, by name."""
    files = {file.stem: _read(file) for file in sorted((run_dir / "pids").glob("*.json"))}
    return {name: record for name, record in files.items() if record is not None}


def stop_all(run_dir: Path, names: Collection[str] | None = None) -> list[str]:
    """Stop the children of a run folder (all of them, or those of these names), whoever started
    them and in whatever state they are. Returns the names of those that had a pid file."""
    folder = run_dir / "pids"

    def chosen(mark: str) -> bool:
        path = Path(mark)
        return path.parent == folder and (names is None or path.stem in names)

    pid_files = [file for file in sorted(folder.glob("*.json")) if chosen(str(file))]
    if pid_files:
        with ThreadPoolExecutor(len(pid_files)) as pool:
            list(pool.map(stop_recorded, pid_files))
    kill_marked(chosen)
    return [file.stem for file in pid_files]


def _read(pid_file: Path) -> PidFile | None:
    try:
        return PidFile.model_validate_json(pid_file.read_bytes())
    except (OSError, ValidationError):
        return None


def _group_of(user: str | None) -> int | None:
    if user is None:
        return None
    return pwd.getpwnam(user).pw_gid


def environment_without(*prefixes: str) -> dict[str, str]:
    """Our environment minus variables that would redirect an engine (PGHOST, RABBITMQ_...)."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
