"""A service under test ends with the test run, however that ends."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.engines import ROOT

SECONDS = 30
NOWHERE = {
    "TALLYPORT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "TALLYPORT_BROKER_URL": "amqp://nobody@127.0.0.1:1/",
}


async def test_a_service_ends_when_nobody_can_tell_it_anything_any_more() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.armed", "recorder"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **NOWHERE},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            # It is at work, waiting for the database, and would do so for ever.
            while b"database.waiting" not in (line := await process.stdout.readline()):
                assert line, "it ended by itself"
            process.stdin.close()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
