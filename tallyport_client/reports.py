"""Reports: ask, wait, fetch, look, cancel.

Comes in: a name and a range of the store's own clock. Goes out: `Report`, and its file.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from typing import Literal

from tallyport_client.download import Advance, Downloaded, Writer, download
from tallyport_client.errors import NotFoundError
from tallyport_client.exact import to_json
from tallyport_client.models import Report, ReportStatus
from tallyport_client.paging import pages_by_hal
from tallyport_client.transport import Transport
from tallyport_client.waiting import OnProgress, wait

ReportName = Literal["complete", "customers", "customers_ltv"]
ReportFormat = Literal["csv", "xlsx", "jsonl", "parquet"]
PAGE = 300


class AsyncReports:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        name: ReportName | str,
        datetime_start: str,
        datetime_end: str,
        *,
        format: ReportFormat | str | None = None,  # noqa: A002 - the service's word
        compress: bool = False,
        idempotency_key: str | None = None,
    ) -> Report:
        """`YYYY-MM-DD HH:MM:SS` by the store's clock, both inclusive. One call makes one report,
        whatever is lost on the way: all its attempts have the same key. A key of your own makes
        the same report of several calls, for a day."""
        content: dict[str, object] = {
            "name": name,
            "datetime_start": datetime_start,
            "datetime_end": datetime_end,
        }
        if format is not None:
            content["format"] = format
        if compress:
            content["compress"] = True
        reply = await self._transport.call(
            "POST",
            "/reports",
            content=to_json(content),
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            repeatable=True,
        )
        return Report.of(reply.json())

    async def get(self, report_id: int) -> Report:
        """As it is now, with a fresh link."""
        return Report.of((await self._transport.call("GET", f"/reports/{report_id}")).json())

    async def list(
        self,
        *,
        status: ReportStatus | None = None,
        name: str | None = None,
        date_created: str | None = None,
        newest_first: bool = True,
        page: int = PAGE,
    ) -> AsyncIterator[Report]:
        """The store's reports. `date_created`: `a..b`, `a..` or `..b` by the store's clock."""
        params = {
            "limit": str(page),
            "order": "date_created desc" if newest_first else "date_created",
        }
        wanted = {"status": status, "name": name, "date_created": date_created}
        params |= {key: value for key, value in wanted.items() if value is not None}
        async for content in pages_by_hal(self._transport, "/reports", params):
            for one in content["_embedded"]["fx:reports"]:
                yield Report.of(one)

    async def wait(
        self,
        report: Report | int,
        timeout: float = 600.0,
        *,
        on_progress: OnProgress | None = None,
    ) -> Report:
        """The report once it is ready. Raises `ReportFailedError`, `ReportRemovedError`, or
        `TimedOutError` after `timeout` seconds: it is built all the same."""
        known = report if isinstance(report, Report) else await self.get(report)
        return await wait(self._transport, known, timeout, on_progress)

    async def download(
        self,
        report: Report | int,
        target: str | os.PathLike[str] | Writer,
        *,
        advance: Advance | None = None,
    ) -> Downloaded:
        """Fetch a ready report's file to a path, a folder (under the service's own name), or
        something to write to. At a path there is the whole file with the promised SHA-256, or what
        was there before; a writer has been given bytes when `DamagedFileError` is raised."""
        known = report if isinstance(report, Report) else await self.get(report)
        return await download(self._transport, known, target, advance)

    async def cancel(self, report: Report | int) -> None:
        """Stop building it; remove it, and its file. Raises `NotFoundError` when it is not there,
        unless an earlier attempt of this very call may have removed it."""
        report_id = report.id if isinstance(report, Report) else report
        try:
            await self._transport.call("DELETE", f"/reports/{report_id}", repeatable=True)
        except NotFoundError as error:
            if error.attempts == 1:
                raise
