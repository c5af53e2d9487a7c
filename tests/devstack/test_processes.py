"""Children start, are found again by their pid file, and end with all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack import ports, process_table
from devstack.errors import ChildDiedError, ChildNotReadyError
from devstack.processes import Child, recorded, stop_all

Until = Callable[[Callable[[], object], float], None]


def shell(run_dir: Path, script: str, **options: object) -> Child:
    arguments: dict[str, object] = {
        "run_dir": run_dir,
        "name": "shell",
        "argv": ("sh", "-c", script),
        "env": dict(os.environ),
        "ready": lambda: True,
    }
    return Child(**(arguments | options))  # type: ignore[arg-type]


def test_a_child_that_dies_is_reported_at_once_with_its_last_words(run_dir: Path) -> None:
    child = shell(run_dir, "echo no disk left >&2; exit 3", ready=lambda: False)
    began = time.monotonic()
    child.start()
    with pytest.raises(ChildDiedError, match="no disk left") as died:
        child.wait_ready()
    assert time.monotonic() - began < 2
    assert str(child.log) in str(died.value)


def test_only_the_output_of_this_start_is_reported(run_dir: Path) -> None:
    for word in ("first", "second"):
        child = shell(run_dir, f"echo {word}", ready=lambda: False)
        child.start()
        with pytest.raises(ChildDiedError) as died:
            child.wait_ready()
    assert "second" in str(died.value)
    assert "first" not in str(died.value)


def test_a_child_that_never_answers_is_given_up(run_dir: Path) -> None:
    child = shell(run_dir, "echo busy; sleep 600", ready=lambda: False, ready_seconds=0.3)
    child.start()
    with pytest.raises(ChildNotReadyError, match="busy"):
        child.wait_ready()


def test_starting_twice_is_one_start(run_dir: Path) -> None:
    child = shell(run_dir, "sleep 600")
    child.start()
    first = child.process
    child.start()
    assert first is not None
    assert child.process == first


def test_stop_ends_descendants_in_sessions_of_their_own(run_dir: Path, until: Until) -> None:
    child = shell(run_dir, "setsid sleep 600 & setsid sh -c 'sleep 600; true' & wait")
    child.start()
    process = child.process
    assert process is not None
    until(lambda: len(process_table.with_descendants(process)) == 4, 10)
    family = process_table.with_descendants(process)
    child.stop()
    assert [member for member in family if process_table.alive(member)] == []


def test_a_child_that_ignores_the_signal_is_killed(run_dir: Path, until: Until) -> None:
    script = "trap '' TERM; echo armed; while true; do sleep 600; done"
    child = shell(run_dir, script, stop_seconds=0.3)
    child.start()
    until(lambda: "armed" in child.output(), 10)
    process = child.process
    child.stop()
    assert process is not None
    assert not process_table.alive(process)


@pytest.mark.parametrize("field", ["started", "boot_id"])
def test_a_recycled_process_id_is_left_alone(run_dir: Path, field: str) -> None:
    child = shell(run_dir, "true")
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        child.start()
        record = recorded(run_dir)["shell"]
        identity = process_table.identify(stranger.pid)
        assert identity is not None
        claims = {"pid": stranger.pid, "started": identity.started}
        wrong = {"started": identity.started - 1, "boot_id": "an earlier boot"}
        claims[field] = wrong[field]  # type: ignore[assignment]
        child.pid_file.write_text(record.model_copy(update=claims).model_dump_json())
        assert not child.alive()
        child.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_child_without_a_pid_file_is_found_by_its_mark(run_dir: Path) -> None:
    """As if the parent had been killed between starting it and writing the file."""
    child = shell(run_dir, "exec sleep 600")
    child.start()
    process = child.process
    child.pid_file.unlink()
    stop_all(run_dir)
    assert process is not None
    assert not process_table.alive(process)


def test_names_limit_what_is_stopped(run_dir: Path) -> None:
    one = shell(run_dir, "exec sleep 600", name="one")
    two = shell(run_dir, "exec sleep 600", name="two")
    one.start()
    two.start()
    assert stop_all(run_dir, ["one"]) == ["one"]
    assert not one.alive()
    assert two.alive()


def test_a_stranger_on_the_port_does_not_make_a_child_ready(run_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        child = shell(run_dir, "sleep 600", port=port, ready_seconds=0.3)
        child.start()
        with pytest.raises(ChildNotReadyError):
            child.wait_ready()


def test_a_child_that_listens_is_ready(run_dir: Path) -> None:
    run_dir.mkdir()
    port = ports.reserve(run_dir, 1)[0]
    program = (
        f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    )
    child = shell(run_dir, "", argv=(sys.executable, "-c", program), port=port)
    child.start()
    child.wait_ready()
    assert process_table.listens(child.process or pytest.fail("it died"), port)


def test_a_killed_child_is_not_alive(run_dir: Path, until: Until) -> None:
    child = shell(run_dir, "exec sleep 600")
    child.start()
    process = child.process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not child.alive(), 10)  # although we are its parent, and it is a zombie first
