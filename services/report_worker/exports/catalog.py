"""Which export belongs to which report. In: a report's name. Out: its export, or None where this
version cannot build it yet (the gateway does not accept it then)."""

from __future__ import annotations

from collections.abc import Mapping

from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.exports.definition import Export

EXPORTS: Mapping[str, Export] = {export.name: export for export in (CUSTOMERS,)}
