"""The files of `complete`, in the order that they stand in the zip."""

from __future__ import annotations

from services.report_worker.exports.complete.coupons_used import COUPONS_USED
from services.report_worker.exports.complete.items import ITEMS
from services.report_worker.exports.complete.payment_methods import PAYMENT_METHODS_BY_MONTH
from services.report_worker.exports.complete.sku_by_month import SKU_BY_MONTH
from services.report_worker.exports.complete.subscription_forecast import SUBSCRIPTION_FORECAST
from services.report_worker.exports.complete.summary import (
    SUMMARY_DAILY,
    SUMMARY_MONTHLY,
    SUMMARY_WEEKLY,
)
from services.report_worker.exports.complete.transactions import TRANSACTIONS
from services.report_worker.exports.definition import Export
from shared.contracts.reports import ReportName

COMPLETE = Export(
    ReportName.COMPLETE,
    (
        TRANSACTIONS,
        ITEMS,
        COUPONS_USED,
        PAYMENT_METHODS_BY_MONTH,
        SUMMARY_DAILY,
        SUMMARY_WEEKLY,
        SUMMARY_MONTHLY,
        SKU_BY_MONTH,
        SUBSCRIPTION_FORECAST,
    ),
    about=(
        "A zip of nine tables and `manifest.json`, all from one snapshot. What counts in a sum is "
        "what the sales register holds: completed transactions that are no tests. The others are "
        "marked in `transactions` and `coupons_used`, and counted in the summaries."
    ),
    packed=True,
)
