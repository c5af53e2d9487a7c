"""A package of the operating system, installed when it is missing and when we may.

In: the package's name, and how to find what it brings. Out: that. The system's service, if it has
one, is neither started nor enabled.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from devstack.errors import EngineError

INSTALL_SECONDS = 900
# As root. A policy that we wrote (101: "do not start services") goes away however the shell ends,
# and one that a killed shell left behind is known by its mark. Somebody else's stays as it is.
INSTALL = """
set -eu
policy=/usr/sbin/policy-rc.d
mark='written by tallyport devstack while it installs a package'
cleanup() { if grep -qs "$mark" "$policy"; then rm -f "$policy"; fi; }
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
cleanup
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\\n# %s\\nexit 101\\n' "$mark" > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$1"; }
if ! apt-cache policy "$1" | grep -q 'Candidate: [0-9]'; then
    apt-get update -q -o DPkg::Lock::Timeout=300
fi
# Package lists that are weeks old name files that are gone from the mirror.
install "$1" || { apt-get update -q -o DPkg::Lock::Timeout=300; install "$1"; }
# A package without a service has none to disable.
if [ -d /run/systemd/system ]; then
    systemctl disable --now "$1" || true
else
    update-rc.d "$1" disable || true
fi
"""


def brought_by(
    package: str, find: Callable[[], Path | None], ways_out: Callable[[str], str]
) -> Path:
    """What `find` finds; installs the package if need be. `ways_out` tells a person what can be
    done about a problem. Raises EngineError with it."""
    lock = Path(tempfile.gettempdir()) / f"tallyport-{package}-{os.getuid()}.lock"
    with lock.open("a") as file:
        # Another checkout may be at it; what it has unpacked is not yet complete.
        fcntl.flock(file, fcntl.LOCK_EX)
        return find() or _install(package, find, ways_out)


def _install(package: str, find: Callable[[], Path | None], ways_out: Callable[[str], str]) -> Path:
    root = _as_root()
    if root is None:
        raise EngineError(ways_out("it is not installed, and this user may not install packages"))
    if shutil.which("apt-get") is None:
        raise EngineError(ways_out("it is not installed, and there is no apt-get here"))
    done = subprocess.run(
        [*root, "sh", "-c", INSTALL, "sh", package],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        start_new_session=True,  # Ctrl-C must not catch dpkg half-way
        check=False,
    )
    if found := find():
        return found
    tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
    raise EngineError(ways_out(f"apt-get could not install it:\n{tail}"))


def _as_root() -> list[str] | None:
    """The words to put before a command to run it as root, or None."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    asked = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)
    return [sudo, "-n"] if asked.returncode == 0 else None
