"""What the sales register says of a range, to hold the files against.

In: nothing. Out: a statement and what its columns measure, by currency.

Its lines are read by the SELECT that the file `items` is copied from: what shows them and what
counts them are one.
"""

from __future__ import annotations

from services.report_worker.exports.complete.items import ITEMS
from services.report_worker.exports.definition import Measure, unordered
from shared.database.queries import load_queries

REGISTER = "sales_register"
REGISTER_MEASURES = (
    Measure.LINES,
    Measure.AMOUNT,
    Measure.AMOUNT_OF_CUSTOMERS,
    Measure.ITEMS,
    Measure.DISCOUNTS,
    Measure.TAX,
    Measure.SHIPPING,
)
# $1 the store, $2 and $3 the range, as every file's.
REGISTER_TOTALS = load_queries(__file__)["register_totals"].format(lines=unordered(ITEMS.query))
