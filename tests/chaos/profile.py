"""How long and with which dice a run goes: few rounds in `make test`, many in `make chaos`.

`TALLYPORT_CHAOS_ROUNDS` is `long`, or a number of rounds for every suite; without it a suite is
short. `TALLYPORT_CHAOS_SEED` repeats a run's dice; without it each run has others. It is printed.
"""

from __future__ import annotations

import os
import random
import secrets

ROUNDS = os.environ.get("TALLYPORT_CHAOS_ROUNDS", "")
if not os.environ.get("TALLYPORT_CHAOS_SEED"):
    # Written down, so that the processes of one test run throw the same dice.
    os.environ["TALLYPORT_CHAOS_SEED"] = str(secrets.randbelow(1_000_000))
SEED = int(os.environ["TALLYPORT_CHAOS_SEED"])
IS_LONG = bool(ROUNDS)
# For one test of a suite, its start and its end included.
SECONDS_MAX = 3_600 if IS_LONG else 180


def rounds(*, short: int, long: int) -> int:
    """How many rounds a suite goes."""
    if ROUNDS in ("", "long"):
        return long if IS_LONG else short
    return int(ROUNDS)


def dice(suite: str) -> random.Random:
    """The suite's own dice, whatever ran before it."""
    return random.Random(f"{SEED} {suite}")  # noqa: S311


def command(suite: str) -> str:
    """What runs this suite again, with the same dice."""
    many = f" ROUNDS={ROUNDS}" if ROUNDS not in ("", "long") else ""
    return f"make chaos SUITE={suite}{many} SEED={SEED}"
