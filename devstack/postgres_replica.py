"""A streaming replica of a PostgreSQL of ours, on the same machine, for tests that break it.

In: a run folder and the running primary. Out: a server that follows it, made by `pg_basebackup` as
anybody would make one. It ends with the `with` block, even if this process is killed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import postgres, run_folder, watchdog
from devstack.errors import EngineError
from devstack.postgres import USER, Postgres
from devstack.processes import stop_all

BACKUP_SECONDS = 120


@contextmanager
def temporary_replica(run_dir: Path, primary: Postgres) -> Iterator[Postgres]:
    """Copy the primary and follow it. Raises EngineError."""
    run_dir = run_dir.resolve()
    run_dir.mkdir(parents=True)
    settings = postgres.prepare(run_dir).model_copy(update={"password": primary.settings.password})
    replica = Postgres(run_dir, settings, durable=False)
    try:
        watchdog.child(run_dir).start()
        _copy(primary, replica)
        replica.start()
        yield replica
    finally:
        stop_all(run_dir)
        run_folder.wipe(run_dir)


def _copy(primary: Postgres, replica: Postgres) -> None:
    """The data folder, with the address of the primary and the mark of a standby in it."""
    account = replica.settings.account
    made = subprocess.run(
        [
            replica.programs / "pg_basebackup",
            *("--pgdata", replica.settings.data, "--write-recovery-conf"),
            *("--checkpoint", "fast", "--wal-method", "stream", "--no-sync", "--no-password"),
            *("--host", "127.0.0.1", "--port", str(primary.settings.port), "--username", USER),
        ],
        env=replica.child.environment | {"PGPASSWORD": primary.settings.password},
        cwd="/",
        user=account,
        extra_groups=None if account is None else [],
        capture_output=True,
        text=True,
        timeout=BACKUP_SECONDS,
        check=False,
    )
    if made.returncode != 0:
        raise EngineError(f"pg_basebackup failed:\n{made.stdout}{made.stderr}")
