"""`python -m devstack up|down|status|logs|demo`: the whole system, for people.

In: parsed arguments. Out: lines on stdout and an exit code (0: done; 3: `status` found something
that does not run or is not ready).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from devstack import environment, services
from devstack.demo import demo
from devstack.engines import ENGINE_PROCESSES
from devstack.errors import EngineError
from devstack.processes import recorded
from devstack.stack import RunningStack, start_stack, stop_stack

NOT_RUNNING = 3
LOG_LINES = 40
COMMANDS = {
    "up": "start engines and services, and return when they are ready",
    "down": "stop services and engines; the data stays",
    "status": "show what runs",
    "logs": "show the ends of the logs",
    "demo": "up, import the sample, build a report, ask for numbers, check them",
}


def add_to(
    groups: argparse._SubParsersAction[argparse.ArgumentParser], default_run_dir: Path
) -> None:
    """Add the commands to the parser."""
    for name, told in COMMANDS.items():
        parser = groups.add_parser(name, help=told)
        parser.add_argument("--run-dir", type=Path, default=default_run_dir, help="default: .run")
        if name == "logs":
            parser.add_argument("names", nargs="*", help="gateway, recorder, ...; all by default")
            parser.add_argument("--follow", "-f", action="store_true", help="until Ctrl-C")


def run(options: argparse.Namespace) -> int:
    """Do what was asked."""
    run_dir = options.run_dir.resolve()
    if options.group == "logs":
        return logs(run_dir, options.names, follow=options.follow)
    return {"up": up, "down": down, "status": status, "demo": demo}[options.group](run_dir)


def up(run_dir: Path) -> int:
    began = time.monotonic()
    stack = start_stack(run_dir)
    print(f"ready in {time.monotonic() - began:.1f} s")
    describe(stack)
    return 0


def describe(stack: RunningStack) -> None:
    """Where things are, without a secret."""
    print(f"  API      {stack.url}        (in a browser: the page)")
    print(f"  shell    . {environment.write(stack)}        (addresses, and the demo's token)")
    print(f"  logs     {stack.run_dir / 'logs'}        (make logs)")
    print("  stop     make down")


def down(run_dir: Path) -> int:
    stopped = stop_stack(run_dir)
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def status(run_dir: Path) -> int:
    children = recorded(run_dir)
    expected = [*services.SERVICES, *(name for name in children if name in ENGINE_PROCESSES)]
    ports = services.service_ports(run_dir)
    healthy = True
    for name in expected:
        record = children.get(name)
        word, works = "does not run", False
        if record is not None and record.alive:
            works = name not in ports or services.is_ready(ports[name])
            word = f"process {record.pid}" + ("" if works else ", NOT READY")
        where = f"http://{services.HOST}:{ports[name]}" if works and name in ports else ""
        healthy = healthy and works
        print(f"  {name:16} {word:28} {where}")
    return 0 if healthy else NOT_RUNNING


def logs(run_dir: Path, names: list[str], *, follow: bool) -> int:
    folder = run_dir / "logs"
    files = [folder / f"{name}.log" for name in names] or sorted(folder.glob("*.log"))
    missing = [str(file) for file in files if not file.exists()]
    if missing or not files:
        raise EngineError(f"there is no log {', '.join(missing) or folder}")
    # tail knows how to follow several files through their rotation.
    how = ["-F"] if follow else []
    os.execvp("tail", ["tail", "-n", str(LOG_LINES), *how, *map(str, files)])  # noqa: S606
