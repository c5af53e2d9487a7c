"""Running PostgreSQL as somebody else: it refuses to run as root.

In: who we are, and where the checkout lies. Out: the account to use (None when we are not root),
and folders that it can reach, even when the checkout is under a closed one such as `/root`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from devstack import run_folder
from devstack.errors import EngineError

# An account made for databases first; then the one every Unix has.
ACCOUNTS = ("postgres", "nobody")
LAST_RESORT_ACCOUNT = "tallyport"


def account() -> str | None:
    """The account to run a server as, or None for "as ourselves"."""
    if os.geteuid() != 0:
        return None
    for name in (*ACCOUNTS, LAST_RESORT_ACCOUNT):
        try:
            if pwd.getpwnam(name).pw_uid != 0:
                return name
        except KeyError:
            continue
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise EngineError(
            "PostgreSQL does not run as root, and there is no account to run it as. "
            f"Create one (useradd --system {LAST_RESORT_ACCOUNT}) or run this as a normal user."
        )
    argv = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    made = subprocess.run([*argv, LAST_RESORT_ACCOUNT], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise EngineError(f"useradd {LAST_RESORT_ACCOUNT} failed: {made.stderr.strip()}")
    return LAST_RESORT_ACCOUNT


def can_read(user: str | None, path: Path) -> bool:
    """Whether the account may read the file. Asked, not computed: every parent folder counts, and
    so do access lists and mount options."""
    return _test(user, "-r", path)


def folder_for(user: str | None, wanted: Path) -> Path:
    """A folder that only `user` can read: `wanted`, or one under the system's temporary folder when
    the account cannot reach that. The caller remembers the answer and tells the reader."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    folder = wanted
    if user is not None:
        # Entering, not listing: secrets in files beside it keep their own modes.
        wanted.parent.chmod(wanted.parent.stat().st_mode | 0o011)
        folder = wanted if _test(user, "-x", wanted.parent) else run_folder.elsewhere(wanted)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def _test(user: str | None, question: str, path: Path) -> bool:
    test = shutil.which("test") or "/usr/bin/test"
    try:
        asked = subprocess.run(
            [test, question, str(path)],
            check=False,
            cwd="/",
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
    except PermissionError as error:
        raise EngineError(
            f"this root user may not become {user!r} ({error}), and PostgreSQL does not run as "
            "root. Run this as a normal user."
        ) from error
    return asked.returncode == 0
