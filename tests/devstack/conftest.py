"""Real engines, started once for these tests and stopped after them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.engines import RunningEngines
from devstack.processes import stop_all
from devstack.run_folder import wipe
from devstack.temporary import temporary_engines

Until = Callable[[Callable[[], object], float], None]


@pytest.fixture(scope="session")
def running() -> Iterator[RunningEngines]:
    root = Path(__file__).resolve().parents[2] / ".run" / "tests"
    with temporary_engines(root) as engines:
        yield engines


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    """A run folder of one test. Whatever a failing test leaves behind ends here."""
    folder = tmp_path / "run"
    yield folder
    stop_all(folder)
    wipe(folder)


@pytest.fixture
def until() -> Until:
    """Wait for a condition, with a deadline in seconds."""

    def wait(condition: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not so after {seconds} s"
            time.sleep(0.02)

    return wait
