"""What the aggregator counts, for `/metrics`. Labels come from closed sets (plans, codes)."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

# In place of a plan, when the caller had the answer already.
KNOWN = "none"

SECONDS = Histogram(
    "tallyport_aggregate_seconds",
    "Time an answer spent with the database, by plan.",
    ("plan",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REFUSED = Counter("tallyport_aggregate_refused_total", "Questions without an answer.", ("code",))
