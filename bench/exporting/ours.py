"""A report over HTTP, from POST to ready, as a caller sees it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from bench.counting.http_line import Line
from bench.exporting.system import Dataset, System

POLL_SECONDS = 0.02
BUILD_SECONDS_MAX = 1_800.0
# By the report's name: all customers, and the two years of the transactions.
ARGUMENTS = {
    "customers": {"datetime_start": "2000-01-01 00:00:00", "datetime_end": "2090-01-01 00:00:00"},
    "complete": {"datetime_start": "2020-01-01 00:00:00", "datetime_end": "2021-12-31 23:59:59"},
}


@dataclass(frozen=True)
class Built:
    """`begun` and `ready`: seconds after POST."""

    begun: float
    ready: float
    resource: dict[str, Any]

    @property
    def bytes_out(self) -> int:
        return int(self.resource["download"]["bytes"])


async def build(
    system: System, dataset: Dataset, format_: str = "csv", name: str = "customers"
) -> Built:
    """Ask for all that the store has, and wait."""
    async with Line(system.stack.url, dataset.token) as line:
        began = time.perf_counter()
        arguments = {"name": name, "format": format_, **ARGUMENTS[name]}
        reply = await line.post("/reports", arguments)
        path = json.loads(reply.body)["_links"]["self"]["href"].partition("/report/")[2]
        begun = 0.0
        async with asyncio.timeout(BUILD_SECONDS_MAX):
            while True:
                resource = json.loads((await line.call("GET", f"/reports/{path}")).body)
                passed = time.perf_counter() - began
                begun = begun or (passed if resource["attempts"] else 0.0)
                if resource["status"] != "queued":
                    break
                await asyncio.sleep(POLL_SECONDS)
        if resource["status"] != "ready" or resource["attempts"] != 1:
            raise SystemExit(f"the report of {dataset.rows} rows ended otherwise: {resource}")
        if resource["files"][0]["rows"] != dataset.rows:
            raise SystemExit(f"{dataset.rows} rows were asked for: {resource['files']}")
        return Built(begun, passed, resource)


async def remove(system: System, dataset: Dataset, built: Built) -> None:
    """So that the disk does not fill up."""
    href = built.resource["_links"]["self"]["href"].partition("/report/")[2]
    async with Line(system.stack.url, dataset.token) as line:
        await line.call("DELETE", f"/reports/{href}")
