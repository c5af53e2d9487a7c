"""`python -m devstack engines up|down|status [--run-dir DIR]`, and for the whole system, engines
and services, `python -m devstack up|down|status|logs|demo [--run-dir DIR]`

`up` starts what does not run and returns; `down` stops everything and keeps the data; `status`
tells (exit code 0: all of it runs, 3: some of it does not).
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from devstack import stack_commands
from devstack.engines import ENGINE_PROCESSES, RunningEngines, start_engines, stop_engines
from devstack.errors import EngineError
from devstack.processes import recorded

DEFAULT_RUN_DIR = Path(__file__).resolve().parent.parent / ".run"
NOT_RUNNING = 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    groups = parser.add_subparsers(dest="group", required=True)
    engines = groups.add_parser("engines", help="PostgreSQL, RabbitMQ and the S3 server")
    engines.add_argument("action", choices=["up", "down", "status"])
    engines.add_argument("--run-dir", type=Path, default=DEFAULT_RUN_DIR, help="default: .run")
    stack_commands.add_to(groups, DEFAULT_RUN_DIR)
    options = parser.parse_args(arguments)
    # So that a start that is told to end cleans up like one that is interrupted.
    signal.signal(signal.SIGTERM, _terminate)
    actions = {"up": up, "down": down, "status": status}
    try:
        if options.group != "engines":
            return stack_commands.run(options)
        return actions[options.action](options.run_dir.resolve())
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: everything was stopped again", file=sys.stderr)
        return 130


def up(run_dir: Path) -> int:
    began = time.monotonic()
    running = start_engines(run_dir, durable=True)
    print(f"engines ready in {time.monotonic() - began:.1f} s")
    _describe(running)
    return status(run_dir)


def down(run_dir: Path) -> int:
    stopped = stop_engines(run_dir)
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def status(run_dir: Path) -> int:
    children = {n: record for n, record in recorded(run_dir).items() if n in ENGINE_PROCESSES}
    for name, record in children.items():
        word = f"runs as process {record.pid}" if record.alive else "DOES NOT RUN"
        print(f"  {name:16} {word:24} log {record.log}")
    if not children:
        print(f"nothing runs in {run_dir}")
    return 0 if children and all(record.alive for record in children.values()) else NOT_RUNNING


def _describe(running: RunningEngines) -> None:
    """Addresses without passwords: those are in state.json, which only its owner can read."""
    database, store = running.postgres.settings, running.object_store.settings
    broker = running.engines.broker_url.rpartition("@")[2]
    print(f"  PostgreSQL       127.0.0.1:{database.port}/tallyport   data {database.data}")
    print(f"  RabbitMQ         {broker}")
    print(f"  S3 ({store.server:5})       {store.endpoint}/{store.bucket}   data {store.data}")
    print(f"  passwords        {running.run_dir / 'state.json'}")


def _terminate(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
