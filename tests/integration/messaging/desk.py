"""What the tests of the dead-letter desk share: letters that are dead, and the command line."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Any

from cli import dead
from shared.contracts.routes import DEAD, RECORDS
from shared.messaging.dead_letters import DIED_AT, KIND, QUEUE, REASON, REASON_CODE
from tests.engines import ROOT
from tests.integration.messaging.amqp import Raw

COMMAND_SECONDS = 90.0


@dataclass(frozen=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str


async def tallyport_dead(*arguments: str, code: str = "") -> Ended:
    """`tallyport dead ...` in a process of its own; `code` runs in it first."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{code}\nfrom cli.__main__ import main\nmain()", "dead"),
        *arguments,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "250"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(COMMAND_SECONDS):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())


async def listed(**options: Any) -> list[str | None]:
    """The message ids that `list` shows, in its order."""
    answer = await dead.dead_list(**options)
    return [one["message_id"] for one in answer.data["dead_letters"]]


async def bury(
    raw: Raw,
    message_id: str,
    *,
    queue: str = RECORDS.name,
    body: bytes = b'{"kind": "record.items.v1", "store_id": 7}',
    code: str = "malformed",
    reason: str = "items: missing",
    died_at: str = "2026-01-02T03:04:05+00:00",
    headers: dict[str, Any] | None = None,
    **properties: Any,
) -> None:
    """A dead letter as our consumers put it away."""
    why = {REASON_CODE: code, REASON: reason, QUEUE: queue, KIND: "record.items.v1"}
    await raw.publish_to(
        DEAD,
        "",
        body,
        message_id=message_id,
        message_type="record.items.v1",
        delivery_mode=2,
        headers={**why, DIED_AT: died_at, **(headers or {})},
        **properties,
    )
