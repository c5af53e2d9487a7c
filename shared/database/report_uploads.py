"""What reports have in the object store: written down before it is sent, and until it is gone.

Comes in: a connection and an attempt. Goes out: keys that nobody needs any more, so that a bucket
never has to be listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.database.reports import Report

_SQL = load_queries(__file__)


async def note_upload(connection: Connection, report: Report, object_key: str) -> bool:
    """Write down where this attempt will put its object. False: the attempt is no longer ours."""
    key = await connection.fetchval(
        _SQL["note_upload"], report.store_id, report.report_id, report.attempt, object_key
    )
    return key is not None


@dataclass(frozen=True, slots=True)
class AbandonedUpload:
    store_id: int
    report_id: int
    attempt: int
    object_key: str


async def abandoned_uploads(
    connection: Connection, *, age_seconds: float, limit: int
) -> list[AbandonedUpload]:
    """Objects that no report points at, started at least `age_seconds` ago."""
    rows = await connection.fetch(_SQL["abandoned_uploads"], age_seconds, limit)
    return [AbandonedUpload(**row) for row in rows]


async def forget_upload(connection: Connection, upload: AbandonedUpload) -> None:
    """The object is gone."""
    await connection.execute(
        _SQL["forget_upload"], upload.store_id, upload.report_id, upload.attempt
    )


async def expire_files(connection: Connection) -> int:
    """Withdraw the links of files past their retention; how many."""
    return len(await connection.fetch(_SQL["expire_files"]))
