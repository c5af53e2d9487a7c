"""Reading server-sent events as a browser would, and reports whose builds a test plays itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from shared.database import report_builds
from shared.database.pool import Connection, Database
from shared.database.reports import Report, ReportFile


@dataclass(frozen=True)
class Heard:
    """An event; or a comment, or when to come again, which have no name."""

    name: str = ""
    id: str = ""
    data: Any = None
    comment: str = ""
    retry: int = 0


class Stream:
    """An open stream of events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Heard | None:
        """What comes next, or None at the end."""
        fields: dict[str, str] = {}
        while line := await self.response.content.readline():
            text = line.decode().rstrip("\n")
            if not text:
                return Heard(
                    name=fields.get("event", ""),
                    id=fields.get("id", ""),
                    data=json.loads(fields["data"]) if "data" in fields else None,
                    comment=fields.get("", ""),
                    retry=int(fields.get("retry", "0")),
                )
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
        assert not fields, "an event that was cut off"
        return None

    async def event(self) -> Heard:
        """The next event that has a name."""
        while heard := await self.next():
            if heard.name:
                return heard
        raise AssertionError("the stream ended without another event")

    async def rest(self) -> list[Heard]:
        """All that comes until it ends."""
        rest = []
        while heard := await self.next():
            rest.append(heard)
        return rest


@contextlib.asynccontextmanager
async def following(
    session: aiohttp.ClientSession, path: str, *, seen: str = "", status: int = 200
) -> AsyncIterator[Stream]:
    headers = {"Last-Event-ID": seen} if seen else {}
    async with session.get(path, headers=headers) as response:
        assert response.status == status, await response.text()
        yield Stream(response)


class Play:
    """A report that no worker knows of: the test is its worker."""

    def __init__(self, database: Database, report: Report) -> None:
        self._database = database
        self.report = report

    @property
    def path(self) -> str:
        return f"/report/{self.report.report_id}"

    async def hide(self) -> None:
        """From workers, which take whatever is due when their turn comes."""
        async with self._database.acquire() as connection:
            await self._due(connection, "1 hour")

    async def claim(self) -> None:
        async with self._database.transaction() as connection:
            await self._due(connection, "0")
            claimed = await report_builds.claim_report(
                connection,
                self.report.store_id,
                self.report.report_id,
                worker="a test",
                lease_seconds=600,
                builds_per_store_max=1_000,
            )
        assert claimed is not None
        self.report = claimed

    async def _due(self, connection: Connection, after: str) -> None:
        await connection.execute(
            "UPDATE reports SET next_attempt_at = now() + $3::text::interval"
            " WHERE store_id = $1 AND report_id = $2",
            self.report.store_id,
            self.report.report_id,
            after,
        )

    async def write(self, rows: int, stage: str = "writing customers") -> None:
        async with self._database.acquire() as connection:
            assert await report_builds.renew_lease(
                connection,
                self.report,
                lease_seconds=600,
                stage=stage,
                rows_written=rows,
            )

    async def retry(self) -> None:
        async with self._database.acquire() as connection:
            self.report = await report_builds.retry_report(  # type: ignore[assignment]
                connection, self.report, delay_seconds=600, code="unavailable", message="later"
            )

    async def fail(self) -> None:
        async with self._database.acquire() as connection:
            assert await report_builds.fail_report(
                connection, self.report, code="unavailable", message="ask again later"
            )

    async def finish(self) -> None:
        async with self._database.transaction() as connection:
            assert await report_builds.finish_report(
                connection,
                self.report,
                object_key=f"store_{self.report.store_id}/played/customers_report.csv",
                object_bytes=10,
                object_sha256="0" * 64,
                files=[ReportFile("customers.csv", 3, 10, "0" * 64)],
                retention_days=1,
            )
