"""The operating system's RabbitMQ, installed when it is missing and when we may.

Out: the path of the package's own server script. The system's service is neither started nor
enabled: we run a private node.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from devstack.errors import EngineError

PACKAGE = "rabbitmq-server"
INSTALL_SECONDS = 900
# The wrapper in /usr/sbin insists on the account `rabbitmq`; the script behind it does not.
SCRIPTS = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
)
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
if [ -d /run/systemd/system ]; then
    systemctl disable --now "$1" || true
else
    update-rc.d "$1" disable || true
fi
"""


def server_script() -> Path:
    """The server script; installs the package if need be. Raises EngineError with the ways out."""
    lock = Path(tempfile.gettempdir()) / f"tallyport-{PACKAGE}-{os.getuid()}.lock"
    with lock.open("a") as file:
        # Another checkout may be at it; what it has unpacked is not yet complete.
        fcntl.flock(file, fcntl.LOCK_EX)
        return _find() or _install()


def _install() -> Path:
    root = _as_root()
    if root is None:
        raise EngineError(_ways_out("it is not installed, and this user may not install packages"))
    if shutil.which("apt-get") is None:
        raise EngineError(_ways_out("it is not installed, and there is no apt-get here"))
    done = subprocess.run(
        [*root, "sh", "-c", INSTALL, "sh", PACKAGE],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        start_new_session=True,  # Ctrl-C must not catch dpkg half-way
        check=False,
    )
    if script := _find():
        return script
    tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
    raise EngineError(_ways_out(f"apt-get could not install it:\n{tail}"))


def _find() -> Path | None:
    for pattern in SCRIPTS:
        for path in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            return path.resolve()
    return None


def _as_root() -> list[str] | None:
    """The words to put before a command to run it as root, or None."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    asked = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)
    return [sudo, "-n"] if asked.returncode == 0 else None


def _ways_out(problem: str) -> str:
    return (
        f"RabbitMQ cannot run here: {problem}.\n"
        "Ways out:\n"
        "  - docker compose up --wait                 (needs Docker)\n"
        "  - export TALLYPORT_BROKER_URL=amqp://...   (a broker that runs already)\n"
        f"  - install the package {PACKAGE!r}      (apt, dnf, brew, ... call it that)"
    )
