"""How many rows a large report will have, for its progress only.

In: the snapshot, the export. Out: what PostgreSQL's planner expects, which takes it milliseconds.
When the report was accepted its rows were counted no further than decides its queue.
"""

from __future__ import annotations

import json

from services.report_worker.exports.definition import Export
from shared.database.pool import Connection
from shared.database.reports import Report


async def estimate_rows(connection: Connection, export: Export, report: Report) -> int:
    """Of all files together. Aggregates are few rows, and the planner knows nothing of how few."""
    rows = 0
    for file in export.files:
        if not file.is_aggregate:
            plan = await connection.fetchval(
                f"EXPLAIN (FORMAT JSON) {file.query}",
                report.store_id,
                report.range_start,
                report.range_end,
                *file.parameters,
            )
            rows += json.loads(plan)[0]["Plan"]["Plan Rows"]
    return rows
