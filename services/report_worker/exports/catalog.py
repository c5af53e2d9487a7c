"""Which export belongs to which report. In: a report's name. Out: its export."""

from __future__ import annotations

from collections.abc import Mapping

from services.report_worker.exports.complete.archive import COMPLETE
from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.exports.customers_ltv import CUSTOMERS_LTV
from services.report_worker.exports.definition import Export

EXPORTS: Mapping[str, Export] = {
    export.name: export for export in (CUSTOMERS, CUSTOMERS_LTV, COMPLETE)
}
