"""The operating system's Chromium, for the tests of the page.

Out: the path of the browser. It is installed when it is missing and when we may.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from devstack import system_package

PACKAGE = "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser() -> Path:
    """The browser; installs the package if need be. Raises EngineError with the ways out."""
    return system_package.brought_by(PACKAGE, _find, _ways_out)


def _find() -> Path | None:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return Path(found) if found else None


def _ways_out(problem: str) -> str:
    return (
        f"Chromium cannot run here: {problem}.\n"
        "Ways out:\n"
        f"  - install the package {PACKAGE!r}, or Chrome     (apt, dnf, brew, ... call it that)\n"
        "  - make test ARGS='--ignore tests/browser'       (all tests but those of the page)"
    )
