"""`.run/env`: where the running system is, as a shell takes it (`. .run/env`).

In: a running stack, and the demo's account if there is one. Out: the file, which only its owner can
read, for it has passwords and a token in it.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from devstack import demo_account
from devstack.stack import RunningStack

NAME = "env"


def write(stack: RunningStack) -> Path:
    """Write it anew; ports may be others than last time. Returns its path."""
    values = {
        "TALLYPORT_URL": stack.url,
        "TALLYPORT_BROKER_URL": stack.engines.broker_url,
        "TALLYPORT_DATABASE_URL": stack.engines.database_url,
    }
    account = demo_account.remembered(stack.run_dir)
    if account is not None:
        values["TALLYPORT_TOKEN"] = account.token
    path = stack.run_dir / NAME
    partial = path.with_name(f"{NAME}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
    partial.replace(path)
    return path
