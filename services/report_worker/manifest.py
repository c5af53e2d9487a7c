"""The last file of a packed report: what is in the others, to check them by.

In: the report, its files as they were written, what they and the sales register add up to. Out:
JSON for people and programs. Counts are numbers, amounts are text with their exact decimals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from services.report_worker.control_totals import Control, Told
from services.report_worker.register_totals import REGISTER
from shared.database.reports import Report, ReportFile
from shared.reporting.wall_clock import show

NAME = "manifest.json"


def render(report: Report, files: Sequence[ReportFile], control: Control) -> bytes:
    """The manifest of a report whose files have control totals."""
    *of_files, register = control.told
    content = {
        "report": {
            "id": report.report_id,
            "store_id": report.store_id,
            "name": report.name,
            "version": report.version,
            "format": report.format,
            "timezone": report.timezone,
            "datetime_start": show(report.range_start, report.timezone),
            "datetime_end": show(report.range_end, report.timezone),
        },
        "snapshot_at": control.snapshot_at,
        "files": [
            {
                "name": file.name,
                "rows": file.rows,
                "bytes": file.bytes,
                "sha256": file.sha256,
                "control_totals": _totals(said),
            }
            for file, said in zip(files, of_files, strict=True)
        ],
        REGISTER: {"control_totals": _totals(register)},
    }
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


def _totals(told: Told) -> dict[str, dict[str, Any]]:
    return {
        currency: {
            measure.value: format(amount, "f") if isinstance(amount, Decimal) else amount
            for measure, amount in measured.items()
        }
        for currency, measured in told.totals.items()
    }
