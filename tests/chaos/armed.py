"""A service as it is run, which can be armed and sabotaged from outside: for tests only.

    python -m tests.chaos.armed report_worker [SABOTAGE...]

In: the service's own settings; on its standard input, a plan of failpoints a line, followed from
then on (an empty line: nothing happens any more), and its end is this process's end. Out: the
service, with the mechanisms replaced that are named (`sabotage`), which product settings cannot do.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading

from shared import failpoints
from shared.failpoints.plan import parse


def _follow() -> None:
    for line in sys.stdin:
        failpoints.arm(parse(line.strip()) if line.strip() else None)
    # Whoever started it is gone, perhaps by SIGKILL; nobody else would end it.
    os._exit(1)


def main() -> None:
    name, *sabotages = sys.argv[1:]
    if sabotages:
        # Imported only then: it imports every service's insides.
        from tests.chaos.sabotage import SABOTAGES  # noqa: PLC0415

        for one in sabotages:
            SABOTAGES[one]()
    threading.Thread(target=_follow, daemon=True).start()
    sys.argv[1:] = []
    runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)


main()
