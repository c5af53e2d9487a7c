"""What the recorder counts, for `/metrics`. Labels come from closed sets (kinds, codes)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDED = Counter(
    "tallyport_recorded_total",
    "Records in committed messages, by what became of them.",
    ("kind", "outcome"),
)
REFUSED = Counter(
    "tallyport_record_refused_total", "Messages of which nothing was written.", ("kind", "code")
)
SECONDS = Histogram(
    "tallyport_record_seconds",
    "Time from a message to its commit, waiting for the batches before it included.",
    ("kind",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

ROLLUP_LAG_SECONDS = Gauge(
    "tallyport_rollup_lag_seconds",
    "Since when the oldest that was recorded here, or found by a sweep, waits to be folded.",
)
ROLLUP_REGISTERS_BEHIND = Gauge(
    "tallyport_rollup_registers_behind",
    "Registers of all stores whose rollups lacked something at the last sweep (1,000 at most).",
)
ROLLUP_FAILURES = Counter("tallyport_rollup_failures", "Folds, sweeps and checks that failed.")
ROLLUP_FOLDED = Counter(
    "tallyport_rollup_items_folded", "Items brought into rollups, of tails and of builds.", ["why"]
)
ROLLUP_CHECKED = Counter("tallyport_rollup_checks", "Rollups that were compared with their items.")
ROLLUP_DISAGREEMENTS = Gauge(
    "tallyport_rollup_disagreements", "Rows that differed in the last rollup that was compared."
)
