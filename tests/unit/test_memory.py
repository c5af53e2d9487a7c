"""Memory that is kept is not asked for again, as the kernel counts it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.engines import ROOT

PAGE_BYTES = 4_096
LONG_BYTES = 15_000_000
TIMES = 10

PROGRAM = f"""
import resource
from shared.memory import keep_freed

kept_bytes = %d
print(keep_freed(kept_bytes) if kept_bytes else True)
def answer():
    # In all its forms.
    [b"x" * {LONG_BYTES} for _ in range(3)]
answer()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    answer()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_asked_for(kept_bytes: int) -> int:
    """For ten long answers, one after the other."""
    told, pages = subprocess.run(
        [sys.executable, "-c", PROGRAM % kept_bytes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert told == "True"
    return int(pages)


def test_what_is_freed_is_used_again() -> None:
    every_page = 3 * TIMES * LONG_BYTES // PAGE_BYTES
    assert pages_asked_for(0) > every_page / 2
    assert pages_asked_for(64 * 1024 * 1024) < every_page / 10
