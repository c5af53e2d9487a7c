"""How many rows a report will have: for the progress of a large one, and to know what the planner
knows.

In: the snapshot, the export. Out: what PostgreSQL's planner expects, which takes it milliseconds.
When the report was accepted its rows were counted no further than decides its queue.
"""

from __future__ import annotations

import json

from services.report_worker.exports.definition import Export
from shared.database.pool import Connection
from shared.database.reports import Report

# So many times as many rows as expected are a surprise, if they are more than a few.
SURPRISE = 10
FEW_ROWS = 1_000


def is_surprise(counted: int, expected: int) -> bool:
    """Whether there are far more rows than the planner expects, so that its plans may be for none:
    it has no statistics of a store that was recorded a moment ago. `counted`: when the report was
    accepted, no further than decides its queue."""
    return counted > SURPRISE * expected + FEW_ROWS


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
